package pool

import (
	"iter"
	"log/slog"
	"slices"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A batch is what one Dequeue returned.
type batch struct {
	consumer *consumer
	items    []item
	next     int // items[:next] were taken out of ready
	left     int // items that are not settled
	place    int // in open
	at       time.Time
}

// An item is one delivery on its way through a pool.
//
// Queues are called with copies of the delivery, never with d itself, so that its
// LeaseUntil can be kept up to date during a call.
type item struct {
	d         *driver.Delivery
	batch     *batch
	limiter   *limiter     // the type's limits; nil: none
	ctx       *taskContext // of its run, while running
	outcome   Outcome      // once settling
	state     state
	place     int  // of its worker, while running
	lost      bool // its lease has ended: nothing is to be settled
	excused   bool // the loss of the lease is counted as excused
	over      bool // the lease has ended by the pool's own clock
	ran       bool // a worker had it
	cancelled bool // while it ran: see Pool.Cancel
	warned    bool // the overrun is logged
	asked     bool // a call to settle it is under way, and may have settled it
	doubt     bool // a failed call may have settled it: ErrUnavailable, or an unnamed error of another's provider
}

func (it *item) consumer() *consumer { return it.batch.consumer }

// age is how long ago the item came.
func (it *item) age(now time.Time) time.Duration { return now.Sub(it.batch.at) }

// decide sets what becomes of the task. Only the part that has the item calls it: its
// worker, then the acker.
func (it *item) decide(outcome Outcome, delay time.Duration) {
	it.outcome, it.d.Delay = outcome, delay
}

// askLocked is called before, and answeredLocked after, each call that settles the item.
// doubtLocked notes that such a call failed, and may have settled it nonetheless.
func (it *item) askLocked()      { it.asked = true }
func (it *item) answeredLocked() { it.asked = false }
func (it *item) doubtLocked()    { it.doubt = true }

// extendLocked notes the new end of the lease, unless the answer of a later call was
// there before.
func (it *item) extendLocked(until time.Time) {
	if until.After(it.d.LeaseUntil) {
		it.d.LeaseUntil = until
	}
}

// settledBeforeLocked notes that an earlier call has settled the item: see
// wasSettledLocked. The acker closes it.
func (it *item) settledBeforeLocked() { it.lost = true }

// warnLocked reports whether an overrun of the item is to be logged: once.
func (it *item) warnLocked() bool {
	again := it.warned
	it.warned = true
	return !again
}

// A state says where an item is.
type state uint8

const (
	buffered state = iota // in ready, or in held while its type is at its limit
	running               // with a worker
	settling              // with the acker
	closed                // nowhere: it is settled, lost, or given up
)

// lists are where the items of a consumer are. Only this file moves an item from one to
// another, or changes its state:
//
//	insertLocked    from its queue to ready
//	takeLocked      from ready to held, while its type is at its limit
//	beginLocked     from ready or held to a worker
//	finishLocked    from its worker to the acker, or it is closed
//	recallLocked    from ready or held to the acker
//	giveBackLocked  just taken out of a list: to the acker
//	settleLocked    to the acker
//	cancelLocked    from ready or held to the acker, or, while it runs, marked
//	loseLocked      its lease has ended: out of ready or held and closed, or, while it
//	                runs or is with the acker, marked
//	closeLocked     out of the pool
type lists struct {
	ready    []*batch // fetched and not begun, in order
	buffered int      // items in ready
	held     []*item  // waiting for their type's limit
	open     []*batch // all with an item that is not closed
	taken    int      // items in open
	overdue  int      // items that run without their lease
	crashed  int      // items in open that were delivered before
}

// itemsLocked are all items that are not closed. The caller may move them from list to
// list, but close none.
func (l *lists) itemsLocked() iter.Seq[*item] {
	return func(yield func(*item) bool) {
		for _, b := range l.open {
			for i := range b.items {
				if it := &b.items[i]; it.state != closed && !yield(it) {
					return
				}
			}
		}
	}
}

// handyLocked is how many items have not begun.
func (l *lists) handyLocked() int { return l.buffered + len(l.held) }

// insertLocked takes the tasks of a Dequeue: ds to run, and back, which go straight
// back after their Delay. All go back if the pool was stopped before.
func (c *consumer) insertLocked(ds, back []*driver.Delivery) {
	ds = latest(ds)
	n := len(ds) + len(back)
	if n == 0 {
		return
	}
	c.chooser.activateLocked(c)
	runs := c.runsOfLocked(ds)
	b := &batch{consumer: c, items: make([]item, n), left: n, place: len(c.open), at: c.clock.Now()}
	for i, d := range slices.Concat(ds, back) {
		b.items[i] = item{d: d, batch: b, limiter: c.run.typeLimiter(d.Task.Type)}
		if d.Crashes > 0 {
			c.crashed++
		}
	}
	c.open = append(c.open, b)
	c.taken += n
	c.run.takenLocked(n)
	fit := 0
	for i := range b.items {
		switch it := &b.items[i]; {
		case i >= len(ds) || c.mon.stoppedLocked() || c.run.isQuietLocked():
			c.giveBackLocked(it, it.d.Delay)
		case runs[it.d.Task.ID] != nil:
			c.giveBackLocked(it, againDelay(b.at.Sub(runs[it.d.Task.ID].d.LeaseUntil)))
		default:
			fit++
		}
	}
	c.extender.insertedLocked(b.items[0].d.LeaseUntil, b.at)
	if fit == 0 {
		return
	}
	if c.buffered == 0 {
		c.chooser.filledLocked(c)
	}
	c.ready = append(c.ready, b)
	c.buffered += fit
	c.mon.wakeLocked(fit)
	c.run.giveBackAheadLocked(time.Now())
}

// takeLocked returns an item that may be run now, or nil.
func (c *consumer) takeLocked(now time.Time) *item {
	if c.limiter == nil && !c.routing.limits {
		return c.popLocked()
	}
	if !c.limiter.allowsLocked(now) {
		c.mon.lookAgainLocked(c.limiter.waitLocked(now))
		return nil
	}
	for i := 0; i < len(c.held); i++ {
		it := c.held[i]
		if c.endedLocked(it) {
			c.loseLocked(it)
			i--
			continue
		}
		if it.limiter.allowsLocked(now) {
			c.held = slices.Delete(c.held, i, i+1)
			return it
		}
		c.mon.lookAgainLocked(it.limiter.waitLocked(now))
	}
	for {
		it := c.popLocked()
		if it == nil {
			return nil
		}
		if it.limiter.allowsLocked(now) {
			c.fetcher.withinLimitLocked()
			return it
		}
		if len(c.held) < c.run.maxHeld() {
			c.held = append(c.held, it)
			c.mon.lookAgainLocked(it.limiter.waitLocked(now))
			continue
		}
		c.fetcher.overLimitLocked(now)
		c.giveBackLocked(it, it.limiter.putOffLocked(now, len(c.held), c.fetcher.handlerTimeLocked()))
	}
}

// popLocked takes the next item with a valid lease out of ready; nil if there is none.
// In a process that was stopped for a while, all leases may have ended before the lease
// extender sees it.
func (c *consumer) popLocked() *item {
	for len(c.ready) > 0 {
		b := c.ready[0]
		for b.next < len(b.items) {
			it := &b.items[b.next]
			b.next++
			if it.state != buffered { // the lease extender took it
				continue
			}
			if c.endedLocked(it) {
				c.loseLocked(it)
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

// endedLocked reports whether an item's lease is over.
func (c *consumer) endedLocked(it *item) bool { return !c.clock.Now().Before(it.d.LeaseUntil) }

// beginLocked hands an item that takeLocked has returned to a worker.
func (c *consumer) beginLocked(it *item, ctx *taskContext, now time.Time) {
	it.state, it.ctx, it.ran = running, ctx, true
	it.place = c.busy.beginLocked(now)
	c.limiter.enterLocked(now)
	it.limiter.enterLocked(now)
	c.notifyFetcherLocked()
}

// finishLocked takes an item back from its worker, with its outcome.
func (c *consumer) finishLocked(it *item, took time.Duration, now time.Time) {
	c.fetcher.ranLocked(took)
	c.busy.endLocked(it.place, now)
	c.limiter.leaveLocked()
	it.limiter.leaveLocked()
	if c.limiter != nil || it.limiter != nil {
		c.mon.wakeLocked(1)
		c.run.notifyFetchersLocked()
	}
	it.ctx = nil
	if it.lost {
		c.overdue--
		if it.over {
			c.extender.giveBackLocked(it.d)
		}
	}
	if it.lost || it.outcome == Abandoned {
		c.closeLocked(it)
		return
	}
	c.settleLocked(it)
}

// giveAllBackLocked releases all that has not begun, uncharged.
func (c *consumer) giveAllBackLocked() {
	for it := c.popLocked(); it != nil; it = c.popLocked() {
		c.giveBackLocked(it, 0)
	}
	for _, it := range c.held {
		c.giveBackLocked(it, 0)
	}
	c.held = nil
}

// giveBackLocked releases an item that has not begun, uncharged.
func (c *consumer) giveBackLocked(it *item, delay time.Duration) {
	it.decide(Released, delay)
	c.settleLocked(it)
}

// recallLocked gives back an item in ready or held.
func (c *consumer) recallLocked(it *item, delay time.Duration) {
	c.unbufferLocked(it)
	c.giveBackLocked(it, delay)
}

// settleLocked hands an item to the acker.
func (c *consumer) settleLocked(it *item) {
	it.state = settling
	c.acker.addLocked(it, c.taken == c.acker.pendingLocked()+1)
}

// closeAckedLocked is closeLocked for an item that the acker is done with, and whose
// lease may be lost.
func (c *consumer) closeAckedLocked(it *item, lost bool) {
	if lost {
		it.lost = true
		c.excuseLocked(it)
	}
	c.closeLocked(it)
}

// cancelLocked cancels an item that is buffered or running.
func (c *consumer) cancelLocked(it *item) {
	if it.state == running {
		it.cancelled = true
		it.ctx.cancel(driver.ErrCancelled)
		return
	}
	c.unbufferLocked(it)
	it.outcome = Cancelled
	c.settleLocked(it)
}

// loseLocked gives up an item whose lease has ended. Its handler, if it runs, is
// cancelled, and occupies its worker until it returns.
func (c *consumer) loseLocked(it *item) {
	c.mon.logLocked(slog.LevelWarn, textLeaseLost, about(c.name, it.d.Task))
	it.lost = true
	c.excuseLocked(it)
	switch it.state {
	case buffered:
		c.unbufferLocked(it)
		c.closeLocked(it)
	case running:
		c.overdue++
		it.ctx.cancel(driver.ErrLeaseLost)
	}
}

// unbufferLocked takes an item out of ready or held. The caller changes its state.
func (c *consumer) unbufferLocked(it *item) {
	if i := slices.Index(c.held, it); i >= 0 {
		c.held = slices.Delete(c.held, i, i+1)
	} else {
		c.buffered-- // pop skips it by its state
	}
}

// excuseLocked counts, once for each item, a lease lost while the pool lived.
func (c *consumer) excuseLocked(it *item) {
	if it.excused {
		return
	}
	it.excused, it.over = true, !it.d.LeaseUntil.After(c.clock.Now())
	c.excused.add(taskKey{c.name, it.d.Task.ID})
	c.leaseLostLocked(it.d.Task)
	if it.over && it.state != running { // else its handler may still use the task: finishLocked does it
		c.extender.giveBackLocked(it.d)
	}
}

// closeLocked forgets an item.
func (c *consumer) closeLocked(it *item) {
	if it.state == closed {
		return
	}
	if c.suspects.letGoLocked(it.d) {
		c.run.notifyFetchersLocked() // fetching goes on
	}
	if it.d.Crashes > 0 && (it.outcome == Completed || it.outcome == Died || it.outcome == Cancelled) && !it.lost {
		c.excused.forget(taskKey{c.name, it.d.Task.ID})
	}
	if it.d.Crashes > 0 {
		c.crashed--
	}
	it.state, it.d, it.ctx = closed, nil, nil
	c.taken--
	c.run.takenLocked(-1)
	b := it.batch
	if b.left--; b.left == 0 {
		last := len(c.open) - 1
		c.open[b.place] = c.open[last]
		c.open[b.place].place = b.place
		c.open[last] = nil
		c.open = c.open[:last]
	}
}
