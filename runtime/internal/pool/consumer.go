package pool

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/taskgen/taskgen/internal/deliveries"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/internal/observed"
	"github.com/taskgen/taskgen/runtime/observe"
)

// A consumer is one queue in a run: its items, its limits, and the parts that work on
// them. The monitor guards the fields that are not set only once.
type consumer struct {
	run     *run
	queue   *deliveries.Queue
	name    string
	cfg     driver.QueueConfig
	can     driver.Capabilities
	lease   time.Duration // cfg.Visibility
	limiter *limiter      // the queue's own limits; nil: none
	types   []*limiter    // those of the queue's types, if all types have limits; else nil
	check   crashCheck

	lists    // what is leased
	turn     // of the chooser
	fetcher  fetcher
	filter   suspectFilter
	acker    acker
	extender leaseExtender
	drain    *drain // in place of the fetcher; nil: this is no Drain
	receives receives

	unknownKinds map[unknownKind]*unknownCount // what it does not know, as the log has it

	// What it shares with the others of the run.
	common
}

// common is what the consumers of a run share.
type common struct {
	mon      *monitor
	base     context.Context // values for handlers; never ends
	routing  *routing
	chooser  *chooser
	busy     *busyWorkers
	suspects *suspects
	many     *throttle
	clock    driver.Clock // the clock of leases
	listener *observe.Listener
	excused  *excuses
	unknown  *recall[taskKey, time.Time]
}

func newConsumer(r *run, with common, q driver.Queue, as *observe.Queue, pq Share) *consumer {
	q = observed.Queue(q, as, with.listener)
	c := &consumer{
		run: r, common: with, queue: &deliveries.Queue{Queue: q, As: as, Listener: with.listener}, name: pq.Name, cfg: q.Config(), can: q.Capabilities(), lease: q.Config().Visibility,
		limiter: newLimiter(pq.Concurrency, pq.Rate), types: r.limitersOf(pq.Name),
		turn: turn{share: 1 / float64(max(pq.Weight, 1))}, receives: receives{all: &r.receives},
	}
	c.check = crashCheck{queue: c.name, limit: c.cfg.MaxDeliveries, forgives: c.can.ForgivesCrashes, excused: c.excused}
	batch := 0 // tasks that one paid request carries
	if !c.can.Unmetered {
		if batch = max(c.can.MaxBatch, 1); c.can.MaxBatch == driver.Unlimited {
			batch = flushSize
		}
	}
	queues := r.queues()
	c.fetcher = fetcher{
		mon: c.mon, shared: queues > 1,
		roomLocked: c.roomLocked, separate: c.separate, insertLocked: c.insertLocked,
	}
	c.fetcher.init(q, newPace(queues, c.busy, batch))
	c.filter = suspectFilter{mon: c.mon, suspects: c.suspects, check: &c.check, recallLocked: c.recallFetchedLocked}
	c.filter.init(q)
	c.acker = acker{
		mon: c.mon, now: c.clock.Now,
		companyLocked: c.companyLocked, leaving: c.leaving, closeLocked: c.closeAckedLocked,
	}
	c.acker.init(q, batch)
	c.acker.observe(c.queue, r.cfg.Name)
	c.extender = leaseExtender{
		mon: c.mon, clock: c.clock,
		dueLocked: c.dueLocked, firstEndLocked: c.firstEndLocked, loseLocked: c.loseLocked,
	}
	c.extender.init(q)
	return c
}

// startDrain makes the consumer fetch for a Drain.
func (c *consumer) startDrain() {
	c.drain = &drain{
		mon: c.mon, most: c.run.maxHeld(), receives: &c.receives,
		enter: c.run.enterFetch, separate: c.separate, insertLocked: c.insertLocked,
	}
	c.drain.init(c.queue)
}

// companyLocked is how long the consumer's acks are to wait for others, most at the
// most. They do not wait if none are expected: no worker is busy, or, where a round
// trip costs money, the consumer has nothing at hand or on its way, or only tasks that
// take longer than the acks may wait.
func (c *consumer) companyLocked(now time.Time, most time.Duration) time.Duration {
	switch free := c.can.Unmetered; {
	case free && c.mon.idleLocked():
		return 0
	case free:
		return most
	case c.fetcher.rateLocked(now)*c.acker.lingers().Seconds() < 1:
		return 0
	case c.aloneLocked() && !c.fetcher.moreLocked():
		return 0
	case c.aloneLocked():
		return min(most, c.fetcher.expectsLocked(now))
	}
	return most
}

// aloneLocked reports whether every item of the consumer only waits for the queue's
// answer.
func (c *consumer) aloneLocked() bool { return c.taken == c.acker.pendingLocked() }

// leaving takes note of items that the acker is about to settle.
func (c *consumer) leaving(items []*item) {
	for _, it := range items {
		if it.outcome == Cancelled && !it.ran {
			c.run.storeCancelled(it)
		}
	}
	if c.drain != nil {
		c.drain.note(items)
	}
}

// recallFetchedLocked gives back a task that has not begun. It returns false if no item
// has it yet.
func (c *consumer) recallFetchedLocked(d *driver.Delivery) bool {
	for it := range c.itemsLocked() {
		if it.d != d {
			continue
		}
		if it.state == buffered {
			c.recallLocked(it, rand.N(maxSuspectDelay))
		}
		return true
	}
	return false
}

// dueLocked collects the items to be extended. It also drops those that have lost their
// lease, and gives back those that have waited for long.
func (c *consumer) dueLocked(now time.Time) []*item {
	var items, lost []*item
	for it := range c.itemsLocked() {
		if it.lost {
			continue
		}
		left := it.d.LeaseUntil.Sub(now)
		switch {
		case left <= 0:
			lost = append(lost, it)
		case it.state == buffered && it.age(now) > min(maxBuffered, c.lease):
			c.recallLocked(it, 0)
		case left <= c.lease*2/3:
			items = append(items, it)
		}
		if it.state == running {
			c.warnOfOverrunLocked(it)
		}
	}
	for _, it := range lost { // in a loop of its own: it closes items
		c.loseLocked(it)
	}
	return items
}

// firstEndLocked is when the first of the consumer's leases ends.
func (c *consumer) firstEndLocked() time.Time {
	var end time.Time
	for it := range c.itemsLocked() {
		if !it.lost && (end.IsZero() || it.d.LeaseUntil.Before(end)) {
			end = it.d.LeaseUntil
		}
	}
	return end
}

// warnOfOverrunLocked logs once that a handler ignores the end of its context.
func (c *consumer) warnOfOverrunLocked(it *item) {
	if it.ctx.overruns(time.Second) && it.warnLocked() {
		c.mon.logLocked(slog.LevelWarn, "the handler ignores the end of its context: its worker is taken until it returns", about(c.name, it.d.Task))
	}
}

// isActiveLocked reports whether the consumer has a task, or its fetcher may bring one
// soon or waits for room.
func (c *consumer) isActiveLocked(now time.Time) bool {
	return c.taken > 0 || c.fetcher.waitingLocked() || c.promisesLocked(now)
}

// promisesLocked reports whether the consumer has a task, or will have one soon.
func (c *consumer) promisesLocked(now time.Time) bool {
	return c.handyLocked() > 0 || c.fetcher.moreLocked() && c.expectsLocked(now) > 0
}

// expectsLocked is how long to wait for a fetch that may still bring a task.
func (c *consumer) expectsLocked(now time.Time) time.Duration { return c.fetcher.expectsLocked(now) }

// notifyLocked notifies the parts that wait for free workers: the fetcher, which may
// fetch for them, and, when all are free, the acker, which need not wait for more.
func (c *consumer) notifyLocked() {
	c.notifyFetcherLocked()
	if c.mon.idleLocked() {
		c.acker.nobodyComesLocked()
	}
}

func (c *consumer) notifyFetcherLocked() { c.fetcher.notifyLocked(c.buffered) }

// giveBackAheadLocked gives back what was fetched ahead, unless there is time left for
// the workers to begin it. Then they look again.
func (c *consumer) giveBackAheadLocked(now time.Time) {
	if c.handyLocked() == 0 {
		return
	}
	if left := c.fetcher.keepsLocked(now); left > 0 {
		c.mon.lookAgainLocked(left)
		return
	}
	c.giveAllBackLocked()
}

// roomLocked is how many tasks to fetch now. If none, the fetcher is notified when
// there may be room.
func (c *consumer) roomLocked(now time.Time) int {
	n, wait := c.roomForLocked(now)
	if n <= 0 {
		c.mon.lookAgainLocked(wait)
	}
	if n <= 0 || c.fetcher.moreLocked() {
		c.chooser.activateLocked(c)
	}
	return n
}

// roomForLocked is the room, and, if a rate leaves none, how long until there may be
// some.
func (c *consumer) roomForLocked(now time.Time) (int, time.Duration) {
	if c.run.isQuietLocked() || c.mon.stoppedLocked() {
		return 0, 0 // Resume notifies the fetcher
	}
	if d := c.fetcher.restsLocked(now); d > 0 {
		return 0, d
	}
	if d := c.suspects.quietLocked(now); d > 0 {
		return 0, d
	}
	n := c.fetcher.wantsLocked(now, c.mon.freeLocked(), c.buffered)
	if n <= 0 {
		return 0, 0
	}
	if c.limiter != nil {
		free := c.limiter.freeLocked(now) - c.buffered
		if free <= 0 {
			return 0, c.limiter.waitLocked(now)
		}
		n = min(n, free)
	}
	if c.types == nil {
		return n, 0
	}
	free, soonest := -c.buffered-len(c.held), time.Duration(0)
	for _, g := range c.types {
		free += g.freeLocked(now)
		if d := g.waitLocked(now); d > 0 && (soonest == 0 || d < soonest) {
			soonest = d
		}
	}
	if free <= 0 {
		return 0, soonest
	}
	return min(n, free), 0
}
