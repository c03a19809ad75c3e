package pool

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A lane is one queue in a shift: what it has at hand, and its limits. Its
// fields are guarded by shift.mu, but those that never change.
type lane struct {
	s     *shift
	queue driver.Queue
	cfg   driver.QueueConfig
	name  string
	lease time.Duration // cfg.Visibility
	// freeLeases, exactReady: see Capabilities.
	freeLeases bool
	exactReady bool
	promised   bool          // the queue's last count had tasks that were ready; for Drain
	counted    time.Duration // how long that count took; for Drain
	late       atomic.Int32  // receives that go on behind a Dequeue
	fenced     bool          // a stale receipt changes nothing, and any handle can settle
	charges    bool          // see Capabilities.CrashIsAttempt
	keeps      bool          // see Capabilities.KeepsReleased
	share      float64       // 1 / weight
	gate       *gate         // the queue's own limits; nil: none
	types      []*gate       // of the queue's types, when all of them have limits; else nil

	// What is leased. An item is in exactly one of these: ready, held, running
	// (with a worker), acks (or with the acker). open has all of them.
	ready    []*batch // fetched and not begun, in order
	buffered int      // items in ready
	held     []*item  // waiting for their type's limit
	acks     []*item  // to be settled, gathered for the acker
	open     []*batch // with an item that is not settled; the keeper's
	taken    int      // items in open
	strays   int      // items that run although their lease is lost
	crashed  int      // items in open that were delivered before

	strangers map[string]*stranger // types without a handler, as the log knows them

	stale  []*driver.Delivery // leases that ended while the pool lived, to be given back
	keeper chan struct{}      // capacity 1: wakes the keeper
	alarm  driver.Timer       // wakes it, too

	active  bool    // in shift.active
	pass    float64 // weighted choice: the lane with the lowest is served next
	tried   int     // the round of choosing that last passed the lane by
	fetcher fetcher
	acker   acker
}

// A batch is what one Dequeue returned.
type batch struct {
	lane  *lane
	items []item
	next  int // items[:next] were taken out of ready
	left  int // items that are not settled
	place int // in lane.open
	at    time.Time
}

// An item is one delivery on its way through a pool.
//
// Queues are called with copies of the delivery, never with d itself: so its
// LeaseUntil can be kept up to date while a call is under way.
type item struct {
	d       *driver.Delivery
	batch   *batch
	gate    *gate        // the type's limits; nil: none
	ctx     *taskContext // of its run, while running
	outcome Outcome      // once settling
	state   state
	place   int  // in shift.busy, while running
	lost    bool // its lease has ended: nothing is to be settled
	excused bool // that it has
	over    bool // it has by the pool's own clock
	warned  bool // that it overruns
	asked   bool // a call to settle it is under way, and may have settled it
	doubt   bool // one has failed, and may have settled it
}

func (it *item) lane() *lane { return it.batch.lane }

type state uint8

const (
	buffered state = iota // in ready or held
	running
	settling
	closed // settled, lost, or given up
)

// insert takes in what a Dequeue returned: tasks to run, and others that go
// straight back, after their Delay. All do when they come after the pool was
// stopped. s.mu is held.
func (l *lane) insert(ds, back []*driver.Delivery) {
	ds = latest(ds)
	n := len(ds) + len(back)
	if n == 0 {
		return
	}
	l.activate()
	runs := l.runsOf(ds)
	b := &batch{lane: l, items: make([]item, n), left: n, place: len(l.open), at: l.s.p.now()}
	for i, d := range slices.Concat(ds, back) {
		b.items[i] = item{d: d, batch: b, gate: l.s.typeGate(d.Task.Type)}
		if d.Crashes > 0 {
			l.crashed++
		}
	}
	l.open = append(l.open, b)
	l.taken += n
	l.s.taken += n
	fit := 0
	for i := range b.items {
		switch it := &b.items[i]; {
		case i >= len(ds) || l.s.stopping:
			l.giveBack(it, it.d.Delay)
		case runs[it.d.Task.ID] != nil:
			// As long as its lease has been over: soon at first, for most handlers
			// end when they are told to, and seldom while one does not.
			over := b.at.Sub(runs[it.d.Task.ID].d.LeaseUntil)
			l.giveBack(it, min(max(over, minAgainDelay), maxAgainDelay))
		default:
			fit++
		}
	}
	if b.items[0].d.LeaseUntil.Sub(b.at) < l.keepEvery() {
		l.alarm.Reset(1) // the keeper would look too late: the answer was long on its way
	}
	if fit == 0 {
		return
	}
	if l.buffered == 0 {
		l.pass = max(l.pass, l.s.pass) // no credit for the time it was empty
	}
	l.ready = append(l.ready, b)
	l.buffered += fit
	l.s.wake(fit)
	l.s.unhoard(time.Now())
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

// runsOf returns what the lane runs, by the tasks' IDs, where a task of ds may
// be among it: its lease has ended, and its handler takes no notice, or the
// keeper did not notice yet. Of a task that comes again before it has begun, after the
// machine slept say, or from a queue that delivers a task twice, only the new delivery is
// kept.
func (l *lane) runsOf(ds []*driver.Delivery) map[string]*item {
	if l.strays+l.crashed == 0 && !slices.ContainsFunc(ds, func(d *driver.Delivery) bool { return d.Crashes > 0 }) {
		return nil
	}
	runs, waiting := make(map[string]*item), make(map[string]*item)
	for _, b := range l.open {
		for i := range b.items {
			switch it := &b.items[i]; it.state {
			case running:
				runs[it.d.Task.ID] = it
			case buffered:
				waiting[it.d.Task.ID] = it
			}
		}
	}
	now := l.s.p.now()
	for _, d := range ds {
		switch it := waiting[d.Task.ID]; {
		case it == nil || it.state != buffered:
		case d.Crashes > it.d.Crashes || !it.d.LeaseUntil.After(now):
			l.lose(it)
		case d.Crashes < it.d.Crashes:
			runs[d.Task.ID] = it // an earlier delivery, which was overtaken
		}
	}
	return runs
}

// pop takes the next item out of ready whose lease holds; nil when there is none. In a
// process that was stopped for a while the leases of all have ended before the keeper
// sees it.
func (l *lane) pop() *item {
	for len(l.ready) > 0 {
		b := l.ready[0]
		for b.next < len(b.items) {
			it := &b.items[b.next]
			b.next++
			if it.state != buffered { // the keeper took it
				continue
			}
			if l.ended(it) {
				l.lose(it)
				continue
			}
			l.buffered--
			return it
		}
		l.ready[0] = nil
		l.ready = l.ready[1:]
	}
	return nil
}

// ended reports whether an item's lease is over.
func (l *lane) ended(it *item) bool { return !l.s.p.now().Before(it.d.LeaseUntil) }

// take returns an item that may be run now, or nil.
func (l *lane) take(now time.Time) *item {
	if l.gate == nil && !l.s.routing.limits {
		return l.pop()
	}
	if !l.gate.open(now) {
		l.s.lookAgain(l.gate.wait(now))
		return nil
	}
	for i := 0; i < len(l.held); i++ {
		it := l.held[i]
		if l.ended(it) {
			l.lose(it)
			i--
			continue
		}
		if it.gate.open(now) {
			l.held = slices.Delete(l.held, i, i+1)
			return it
		}
		l.s.lookAgain(it.gate.wait(now))
	}
	for {
		it := l.pop()
		if it == nil {
			return nil
		}
		if it.gate.open(now) {
			l.fetcher.over = 0
			return it
		}
		if len(l.held) < l.s.maxHeld() {
			l.held = append(l.held, it)
			l.s.lookAgain(it.gate.wait(now))
			continue
		}
		if now.After(l.fetcher.rest) { // the first one of its batch
			l.fetcher.rest = now.Add(min(overflowRest<<min(l.fetcher.over, 10), maxOverflowRest))
			l.fetcher.over++
		}
		l.giveBack(it, it.gate.putOff(now, len(l.held), l.fetcher.run))
	}
}

// giveAllBack releases all that has not begun, uncharged.
func (l *lane) giveAllBack() {
	for it := l.pop(); it != nil; it = l.pop() {
		l.giveBack(it, 0)
	}
	for _, it := range l.held {
		l.giveBack(it, 0)
	}
	l.held = nil
}

// giveBack releases an item that has not begun, uncharged.
func (l *lane) giveBack(it *item, delay time.Duration) {
	it.outcome, it.d.Delay = Released, delay
	l.settle(it)
}

// settle hands an item to the acker.
func (l *lane) settle(it *item) {
	it.state = settling
	l.acks = append(l.acks, it)
	a := &l.acker
	switch n := len(l.acks); {
	case n == 1:
		a.due = time.Now().Add(a.patience(it))
	case a.back < a.linger && it.outcome != Completed:
		a.due = earlier(a.due, time.Now().Add(a.back))
	case n != a.full && (a.paid == 0 || !l.alone()):
		return
	}
	a.kick()
}

// close forgets an item.
func (l *lane) close(it *item) {
	if it.state == closed {
		return
	}
	if l.s.suspect == it.d {
		l.s.suspect = nil
		l.s.hintAll() // fetching goes on
	}
	if it.d.Crashes > 0 && (it.outcome == Completed || it.outcome == Died) && !it.lost {
		l.s.p.excused.forget(taskKey{l.name, it.d.Task.ID})
	}
	if it.d.Crashes > 0 {
		l.crashed--
	}
	it.state, it.d, it.ctx = closed, nil, nil
	l.taken--
	l.s.taken--
	b := it.batch
	if b.left--; b.left == 0 {
		last := len(l.open) - 1
		l.open[b.place] = l.open[last]
		l.open[b.place].place = b.place
		l.open[last] = nil
		l.open = l.open[:last]
	}
	if l.s.taken == 0 {
		l.s.settled.Broadcast()
	}
}
