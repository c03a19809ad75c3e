package pool

import (
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A consumer is one queue in a run: what it has at hand, and its limits. Its
// fields are guarded by the run's mutex, but those that never change.
type consumer struct {
	run   *run
	queue driver.Queue
	cfg   driver.QueueConfig
	name  string
	lease time.Duration // cfg.Visibility
	// exactReady, charges and keeps: see Capabilities.
	exactReady bool
	promised   bool          // the queue's last count had tasks that were ready; for Drain
	counted    time.Duration // how long that count took; for Drain
	late       atomic.Int32  // receives that go on behind a Dequeue
	charges    bool          // see Capabilities.CrashIsAttempt
	keeps      bool          // see Capabilities.KeepsReleased
	share      float64       // 1 / weight
	limiter    *limiter      // the queue's own limits; nil: none
	types      []*limiter    // of the queue's types, when all of them have limits; else nil

	// What is leased. An item is in exactly one of these: ready, held, running
	// (with a worker), with the acker. open has all of them.
	ready    []*batch // fetched and not begun, in order
	buffered int      // items in ready
	held     []*item  // waiting for their type's limit
	open     []*batch // with an item that is not settled; the lease extender's
	taken    int      // items in open
	overdue  int      // items that run although their lease is lost
	crashed  int      // items in open that were delivered before

	unknownTypes map[string]*unknownType // types without a handler, as the log knows them

	active   bool    // in run.active
	pass     float64 // weighted choice: the consumer with the lowest is served next
	tried    int     // the round of choosing that last passed the consumer by
	fetcher  fetcher
	acker    acker
	extender leaseExtender
}

// A batch is what one Dequeue returned.
type batch struct {
	consumer *consumer
	items    []item
	next     int // items[:next] were taken out of ready
	left     int // items that are not settled
	place    int // in consumer.open
	at       time.Time
}

// An item is one delivery on its way through a pool.
//
// Queues are called with copies of the delivery, never with d itself: so its
// LeaseUntil can be kept up to date while a call is under way.
type item struct {
	d       *driver.Delivery
	batch   *batch
	limiter *limiter     // the type's limits; nil: none
	ctx     *taskContext // of its run, while running
	outcome Outcome      // once settling
	state   state
	place   int  // of its worker, while running
	lost    bool // its lease has ended: nothing is to be settled
	excused bool // that it has
	over    bool // it has by the pool's own clock
	warned  bool // that it overruns
	asked   bool // a call to settle it is under way, and may have settled it
	doubt   bool // one has failed, and may have settled it
}

func (it *item) consumer() *consumer { return it.batch.consumer }

type state uint8

const (
	buffered state = iota // in ready or held
	running
	settling
	closed // settled, lost, or given up
)

// insert takes in what a Dequeue returned: tasks to run, and others that go
// straight back, after their Delay. All do when they come after the pool was
// stopped. The mutex is locked.
func (c *consumer) insert(ds, back []*driver.Delivery) {
	ds = latest(ds)
	n := len(ds) + len(back)
	if n == 0 {
		return
	}
	c.activate()
	runs := c.runsOf(ds)
	b := &batch{consumer: c, items: make([]item, n), left: n, place: len(c.open), at: c.run.p.now()}
	for i, d := range slices.Concat(ds, back) {
		b.items[i] = item{d: d, batch: b, limiter: c.run.typeLimiter(d.Task.Type)}
		if d.Crashes > 0 {
			c.crashed++
		}
	}
	c.open = append(c.open, b)
	c.taken += n
	c.run.taken += n
	fit := 0
	for i := range b.items {
		switch it := &b.items[i]; {
		case i >= len(ds) || c.run.stopping:
			c.giveBack(it, it.d.Delay)
		case runs[it.d.Task.ID] != nil:
			// As long as its lease has been over: soon at first, for most handlers
			// end when they are told to, and seldom while one does not.
			over := b.at.Sub(runs[it.d.Task.ID].d.LeaseUntil)
			c.giveBack(it, min(max(over, minAgainDelay), maxAgainDelay))
		default:
			fit++
		}
	}
	c.extender.insertedLocked(b.items[0].d.LeaseUntil, b.at)
	if fit == 0 {
		return
	}
	if c.buffered == 0 {
		c.pass = max(c.pass, c.run.pass) // no credit for the time it was empty
	}
	c.ready = append(c.ready, b)
	c.buffered += fit
	c.run.mon.wakeLocked(fit)
	c.run.giveBackAhead(time.Now())
}

// latest leaves out deliveries of which a later one of the same task is there.
func latest(ds []*driver.Delivery) []*driver.Delivery {
	if !slices.ContainsFunc(ds, func(d *driver.Delivery) bool { return d.Crashes > 0 }) {
		return ds
	}
	last := make(map[string]int, len(ds))
	for _, d := range ds {
		last[d.Task.ID] = max(last[d.Task.ID], d.Crashes)
	}
	var kept []*driver.Delivery
	for _, d := range ds {
		if d.Crashes == last[d.Task.ID] {
			kept = append(kept, d)
		}
	}
	return kept
}

// Bounds of how long a task waits that came again while its last run, whose
// lease was lost, has not ended.
const (
	minAgainDelay = 20 * time.Millisecond
	maxAgainDelay = 5 * time.Second
)

// runsOf returns what the consumer runs, by the tasks' IDs, where a task of ds may
// be among it: its lease has ended, and its handler takes no notice, or the
// lease extender did not notice yet. Of a task that comes again before it has begun, after the
// machine slept say, or from a queue that delivers a task twice, only the new delivery is
// kept.
func (c *consumer) runsOf(ds []*driver.Delivery) map[string]*item {
	if c.overdue+c.crashed == 0 && !slices.ContainsFunc(ds, func(d *driver.Delivery) bool { return d.Crashes > 0 }) {
		return nil
	}
	runs, waiting := make(map[string]*item), make(map[string]*item)
	for _, b := range c.open {
		for i := range b.items {
			switch it := &b.items[i]; it.state {
			case running:
				runs[it.d.Task.ID] = it
			case buffered:
				waiting[it.d.Task.ID] = it
			}
		}
	}
	now := c.run.p.now()
	for _, d := range ds {
		switch it := waiting[d.Task.ID]; {
		case it == nil || it.state != buffered:
		case d.Crashes > it.d.Crashes || !it.d.LeaseUntil.After(now):
			c.lose(it)
		case d.Crashes < it.d.Crashes:
			runs[d.Task.ID] = it // an earlier delivery, which was overtaken
		}
	}
	return runs
}

// pop takes the next item out of ready whose lease holds; nil when there is none. In a
// process that was stopped for a while the leases of all have ended before the lease extender
// sees it.
func (c *consumer) pop() *item {
	for len(c.ready) > 0 {
		b := c.ready[0]
		for b.next < len(b.items) {
			it := &b.items[b.next]
			b.next++
			if it.state != buffered { // the lease extender took it
				continue
			}
			if c.ended(it) {
				c.lose(it)
				continue
			}
			c.buffered--
			return it
		}
		c.ready[0] = nil
		c.ready = c.ready[1:]
	}
	return nil
}

// ended reports whether an item's lease is over.
func (c *consumer) ended(it *item) bool { return !c.run.p.now().Before(it.d.LeaseUntil) }

// take returns an item that may be run now, or nil.
func (c *consumer) take(now time.Time) *item {
	if c.limiter == nil && !c.run.routing.limits {
		return c.pop()
	}
	if !c.limiter.allows(now) {
		c.run.mon.lookAgainLocked(c.limiter.wait(now))
		return nil
	}
	for i := 0; i < len(c.held); i++ {
		it := c.held[i]
		if c.ended(it) {
			c.lose(it)
			i--
			continue
		}
		if it.limiter.allows(now) {
			c.held = slices.Delete(c.held, i, i+1)
			return it
		}
		c.run.mon.lookAgainLocked(it.limiter.wait(now))
	}
	for {
		it := c.pop()
		if it == nil {
			return nil
		}
		if it.limiter.allows(now) {
			c.fetcher.over = 0
			return it
		}
		if len(c.held) < c.run.maxHeld() {
			c.held = append(c.held, it)
			c.run.mon.lookAgainLocked(it.limiter.wait(now))
			continue
		}
		c.fetcher.overLimit(now)
		c.giveBack(it, it.limiter.putOff(now, len(c.held), c.fetcher.handler))
	}
}

// giveAllBack releases all that has not begun, uncharged.
func (c *consumer) giveAllBack() {
	for it := c.pop(); it != nil; it = c.pop() {
		c.giveBack(it, 0)
	}
	for _, it := range c.held {
		c.giveBack(it, 0)
	}
	c.held = nil
}

// giveBack releases an item that has not begun, uncharged.
func (c *consumer) giveBack(it *item, delay time.Duration) {
	it.outcome, it.d.Delay = Released, delay
	c.settle(it)
}

// settle hands an item to the acker.
func (c *consumer) settle(it *item) {
	it.state = settling
	c.acker.addLocked(it, c.taken == c.acker.pendingLocked()+1)
}

// closeAcked is close for an item that the acker is done with, and whose lease may be
// lost.
func (c *consumer) closeAcked(it *item, lost bool) {
	if lost {
		c.excuse(it)
	}
	c.close(it)
}

// company is how long the consumer's acks are to wait for others, most at the most. That
// is not at all where none are expected: as no worker is busy, or, where a round trip costs
// money, as nothing of the consumer is at hand or on its way, or takes longer than the acks
// may wait. The mutex is locked.
func (c *consumer) company(now time.Time, most time.Duration) time.Duration {
	a := &c.acker
	switch {
	case a.paid == 0 && c.run.mon.parked == c.run.p.cfg.Workers:
		return 0
	case a.paid == 0:
		return most
	case c.run.busy.rate(now, c.fetcher.handler)*a.linger.Seconds() < 1:
		return 0
	case c.alone() && !c.fetcher.more:
		return 0
	case c.alone():
		return min(most, c.fetcher.expects(now))
	}
	return most
}

// alone reports whether all that the consumer has at hand is settled but for the answer.
func (c *consumer) alone() bool { return c.taken == c.acker.pendingLocked() }

// wasSettled reports whether ErrLeaseLost means that an earlier call has settled
// an item, whose answer was lost: nobody else can have had the task while its
// lease holds. Leases that are bound to a connection may have ended with it.
func (it *item) wasSettled(freeLeases bool, now time.Time) bool {
	return it.doubt && freeLeases && it.d.LeaseUntil.After(now)
}

// close forgets an item.
func (c *consumer) close(it *item) {
	if it.state == closed {
		return
	}
	if c.run.suspect == it.d {
		c.run.suspect = nil
		c.run.notifyFetchers() // fetching goes on
	}
	if it.d.Crashes > 0 && (it.outcome == Completed || it.outcome == Died) && !it.lost {
		c.run.p.excused.forget(taskKey{c.name, it.d.Task.ID})
	}
	if it.d.Crashes > 0 {
		c.crashed--
	}
	it.state, it.d, it.ctx = closed, nil, nil
	c.taken--
	c.run.taken--
	b := it.batch
	if b.left--; b.left == 0 {
		last := len(c.open) - 1
		c.open[b.place] = c.open[last]
		c.open[b.place].place = b.place
		c.open[last] = nil
		c.open = c.open[:last]
	}
	if c.run.taken == 0 {
		c.run.settled.Broadcast()
	}
}

// lose gives up an item whose lease has ended. Its handler, if it runs, is
// cancelled, and holds its worker until it returns. The mutex is locked.
func (c *consumer) lose(it *item) {
	c.run.mon.logLocked(slog.LevelWarn, "lease lost: the task will be delivered again", about(c.name, it.d.Task))
	it.lost = true
	c.excuse(it)
	switch it.state {
	case buffered:
		c.unbuffer(it)
		c.close(it)
	case running:
		c.overdue++
		it.ctx.cancel(driver.ErrLeaseLost)
	}
}

// unbuffer takes an item out of ready or held. Its state is the caller's to
// change.
func (c *consumer) unbuffer(it *item) {
	if i := slices.Index(c.held, it); i >= 0 {
		c.held = slices.Delete(c.held, i, i+1)
	} else {
		c.buffered-- // pop skips it by its state
	}
}

// due collects what is to be extended. On the way it drops what has lost its
// lease, and gives back what has waited for long. The mutex is locked.
func (c *consumer) due(now time.Time) []*item {
	var items, lost []*item
	for _, b := range c.open {
		stale := now.Sub(b.at) > min(maxBuffered, c.lease)
		for i := range b.items {
			it := &b.items[i]
			if it.state == closed || it.lost {
				continue
			}
			left := it.d.LeaseUntil.Sub(now)
			switch {
			case left <= 0:
				lost = append(lost, it)
			case it.state == buffered && stale:
				c.unbuffer(it)
				c.giveBack(it, 0)
			case left <= c.lease*2/3:
				items = append(items, it)
			}
			if it.state == running {
				c.warnOfOverrun(it)
			}
		}
	}
	for _, it := range lost { // apart: it changes c.open
		c.lose(it)
	}
	return items
}

// firstEnd is when the first of the consumer's leases ends. The mutex is locked.
func (c *consumer) firstEnd() time.Time {
	var end time.Time
	for _, b := range c.open {
		for i := range b.items {
			if it := &b.items[i]; it.state != closed && !it.lost && (end.IsZero() || it.d.LeaseUntil.Before(end)) {
				end = it.d.LeaseUntil
			}
		}
	}
	return end
}

// warnOfOverrun says once that a handler ignores the end of its context.
func (c *consumer) warnOfOverrun(it *item) {
	if it.warned || !it.ctx.overruns(time.Second) {
		return
	}
	it.warned = true
	c.run.mon.logLocked(slog.LevelWarn, "the handler ignores the end of its context: its worker is taken until it returns", about(c.name, it.d.Task))
}

// room is how many tasks to fetch now. Where there are none the fetcher is notified when
// there may be some. The mutex is locked.
func (c *consumer) room(now time.Time) int {
	n, wait := c.roomFor(now)
	if n <= 0 {
		c.run.mon.lookAgainLocked(wait)
	}
	if n <= 0 || c.fetcher.more {
		c.activate()
	}
	return n
}

// roomFor is room, and when there is none because of a rate, how long until there may be
// some.
func (c *consumer) roomFor(now time.Time) (int, time.Duration) {
	f := &c.fetcher
	if c.run.stopping || now.Before(f.rest) {
		return 0, f.rest.Sub(now)
	}
	if d := c.run.quiet(now); d > 0 {
		return 0, d
	}
	n := c.run.mon.parked + f.ahead(now, c.run.mon.parked, &c.run.busy) - c.buffered
	if !f.low(c.buffered) {
		return 0, 0 // enough at hand: the next fetch is a larger one
	}
	if n <= 0 || n < f.batch && c.buffered > 0 {
		return 0, 0
	}
	if f.batch > 0 && n > f.batch {
		n -= n % f.batch // whole requests
	}
	n = f.fit(n, c.buffered)
	if c.limiter != nil {
		free := c.limiter.free(now) - c.buffered
		if free <= 0 {
			return 0, c.limiter.wait(now)
		}
		n = min(n, free)
	}
	if c.types == nil {
		return n, 0
	}
	free, soonest := -c.buffered-len(c.held), time.Duration(0)
	for _, g := range c.types {
		free += g.free(now)
		if d := g.wait(now); d > 0 && (soonest == 0 || d < soonest) {
			soonest = d
		}
	}
	if free <= 0 {
		return 0, soonest
	}
	return min(n, free), 0
}
