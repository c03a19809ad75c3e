package pool

import (
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/internal/observed"
	"github.com/taskgen/taskgen/runtime/observe"
)

// A consumer is one queue in a run: its items, and its limits. The run's mutex guards
// the fields that are not set only once.
type consumer struct {
	run     *run
	queue   driver.Queue   // its calls are observed
	as      *observe.Queue // as listeners see it; nil: nobody listens
	name    string
	cfg     driver.QueueConfig
	can     driver.Capabilities
	lease   time.Duration // cfg.Visibility
	limiter *limiter      // the queue's own limits; nil: none
	types   []*limiter    // those of the queue's types, if all types have limits; else nil

	lists        // what is leased
	turn         // of the chooser
	fetcher      fetcher
	acker        acker
	extender     leaseExtender
	unknownTypes map[string]*unknownType // types without a handler, as the log has them

	late atomic.Int32 // receives that go on behind a Dequeue

	// For Drain.
	promised bool          // the queue's last count had ready tasks
	counted  time.Duration // how long that count took
}

func newConsumer(r *run, q driver.Queue, as *observe.Queue, pq Share) *consumer {
	l := r.p.host.Listener
	q = observed.Queue(q, as, l)
	c := &consumer{
		run: r, queue: q, as: as, name: pq.Name, cfg: q.Config(), can: q.Capabilities(), lease: q.Config().Visibility,
		limiter: newLimiter(pq.Concurrency, pq.Rate), types: r.limitersOf(pq.Name),
		turn: turn{share: 1 / float64(max(pq.Weight, 1))},
	}
	batch := 0 // tasks that one paid request carries
	if c.can.PaidTrips {
		batch = max(c.can.MaxBatch, 1)
	}
	queues := len(r.p.queues)
	c.fetcher = fetcher{
		mon: &r.mon, busy: &r.busy, shared: queues > 1,
		roomLocked: c.roomLocked, separate: c.separate, insertLocked: c.insertLocked,
	}
	c.fetcher.init(q, newPace(queues, r.p.cfg.Workers, batch))
	c.acker = acker{
		mon: &r.mon, now: r.p.now,
		companyLocked: c.companyLocked, loseLocked: c.loseLocked, closeLocked: c.closeAckedLocked,
		forgone: c.forgone,
	}
	c.acker.init(q, batch)
	c.acker.observe(l, as, r.p.cfg.Name)
	c.extender = leaseExtender{
		mon: &r.mon, clock: r.p.host.Clock,
		dueLocked: c.dueLocked, firstEndLocked: c.firstEndLocked, loseLocked: c.loseLocked,
	}
	c.extender.init(q)
	return c
}

// companyLocked is how long the consumer's acks are to wait for others, most at the
// most. They do not wait if none are expected: no worker is busy, or, where a round
// trip costs money, the consumer has nothing at hand or on its way, or only tasks that
// take longer than the acks may wait.
func (c *consumer) companyLocked(now time.Time, most time.Duration) time.Duration {
	a := &c.acker
	switch {
	case a.paid == 0 && c.run.mon.parked == c.run.p.cfg.Workers:
		return 0
	case a.paid == 0:
		return most
	case c.run.busy.rate(now, c.fetcher.handler)*a.linger.Seconds() < 1:
		return 0
	case c.aloneLocked() && !c.fetcher.more:
		return 0
	case c.aloneLocked():
		return min(most, c.fetcher.expects(now))
	}
	return most
}

// aloneLocked reports whether every item of the consumer only waits for the queue's
// answer.
func (c *consumer) aloneLocked() bool { return c.taken == c.acker.pendingLocked() }

// dueLocked collects the items to be extended. It also drops those that have lost their
// lease, and gives back those that have waited for long.
func (c *consumer) dueLocked(now time.Time) []*item {
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
				c.recallLocked(it, 0)
			case left <= c.lease*2/3:
				items = append(items, it)
			}
			if it.state == running {
				c.warnOfOverrunLocked(it)
			}
		}
	}
	for _, it := range lost { // in a loop of its own: it changes c.open
		c.loseLocked(it)
	}
	return items
}

// firstEndLocked is when the first of the consumer's leases ends.
func (c *consumer) firstEndLocked() time.Time {
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

// warnOfOverrunLocked logs once that a handler ignores the end of its context.
func (c *consumer) warnOfOverrunLocked(it *item) {
	if it.warned || !it.ctx.overruns(time.Second) {
		return
	}
	it.warned = true
	c.run.mon.logLocked(slog.LevelWarn, "the handler ignores the end of its context: its worker is taken until it returns", about(c.name, it.d.Task))
}

// roomLocked is how many tasks to fetch now. If none, the fetcher is notified when
// there may be room.
func (c *consumer) roomLocked(now time.Time) int {
	n, wait := c.roomForLocked(now)
	if n <= 0 {
		c.run.mon.lookAgainLocked(wait)
	}
	if n <= 0 || c.fetcher.more {
		c.run.chooser.activateLocked(c)
	}
	return n
}

// roomForLocked is the room, and, if a rate leaves none, how long until there may be
// some.
func (c *consumer) roomForLocked(now time.Time) (int, time.Duration) {
	f := &c.fetcher
	if c.run.isQuietLocked() {
		return 0, 0 // Resume notifies the fetcher
	}
	if c.run.stopping || now.Before(f.rest) {
		return 0, f.rest.Sub(now)
	}
	if d := c.run.suspects.quiet(now); d > 0 {
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
