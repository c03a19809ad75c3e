package pool

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

const (
	// extendEvery bounds the time between two rounds of a lease extender on queues with
	// long leases.
	extendEvery = 10 * time.Second
	// maxBuffered is how long a task may wait for a worker, its lease kept,
	// before it goes back to the queue for other processes. It is less on queues
	// with shorter leases.
	maxBuffered = 30 * time.Second
	// maxExtending bounds the calls of Extend that are under way: the second is made
	// where the first has not come back although its context has ended.
	maxExtending = 2
)

// extendEvery is the time between two rounds of the lease extender.
func (c *consumer) extendEvery() time.Duration { return min(c.lease/3, extendEvery) }

func (c *consumer) wakeExtender() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// keep is the lease extender's goroutine: it extends the leases of everything that the
// consumer holds, buffered, running or not settled yet, when a third of them is
// over. A task whose lease is lost is cancelled.
//
// When extending fails because the broker is away, it goes on trying until the
// leases end by the pool's own clock, after half of what is left of them at the
// latest: a broker that comes back in time finds every lease kept.
//
// Calls to the queue are made beside it: whatever becomes of them, handlers are told
// of the end of their leases by its timer. A call that ignores the end of its
// context holds up one more at the most.
func (c *consumer) keep(ctx context.Context) {
	clock, period := c.run.p.host.Clock, c.extendEvery()
	defer c.alarm.Stop()
	var (
		calls    sync.WaitGroup
		extended = make(chan error, maxExtending)
		under    int             // calls of Extend that are under way
		newest   context.Context // of the last of them
		extendAt time.Time       // no sooner, after a failure
		failing  backoff

		given  = make(chan bool, 1)
		giving bool // lost leases back
		giveAt time.Time
		away   backoff
	)
	for {
		answered := false
		select {
		case <-ctx.Done():
			calls.Wait()
			c.giveLast()
			return
		case <-c.wake:
		case err := <-extended:
			under--
			answered = true
			if err == nil || ctx.Err() != nil {
				failing.streak = 0
				break
			}
			if failing.streak == 0 {
				c.run.p.logger().Warn("cannot extend leases, trying on", slog.String("queue", c.name), slog.Any("error", err))
			}
			failing.streak++
		case ok := <-given:
			if giving = false; ok {
				away.streak = 0
			} else {
				giveAt = clock.Now().Add(away.next(maxAckPause))
			}
		}

		now := clock.Now()
		items, end := c.due(now), c.soonestEnd()
		left := end.Sub(now)
		if answered {
			// Soon again after a failure, and where the broker lets no lease go on.
			pause := period
			if failing.streak > 0 {
				again := backoff{failing.streak - 1}
				pause = again.next(period)
			}
			extendAt = now.Add(min(pause, max(left/2, min(left, firstPause), 1)))
		}
		soon := !now.Before(extendAt) || failing.streak == 0 && end.Before(extendAt)
		if len(items) > 0 && soon && (under == 0 || under < maxExtending && newest.Err() != nil) {
			// Half of what is left of the shortest lease: a call that hangs leaves time
			// for another, and none outlasts the lease it is to extend.
			limited, cancel := context.WithTimeout(ctx, left/2)
			under, newest = under+1, limited
			late := context.AfterFunc(limited, c.wakeExtender)
			calls.Go(func() {
				defer cancel()
				defer late()
				extended <- c.extend(limited, items)
			})
		}
		stale := c.isStale()
		if stale && !giving && !now.Before(giveAt) {
			giving = true
			calls.Go(func() {
				limited, cancel := context.WithTimeout(ctx, period)
				defer cancel()
				given <- c.giveStale(limited)
			})
		}

		next := now.Add(period)
		if extendAt.After(now) && extendAt.Before(next) {
			next = extendAt
		}
		if stale && !giving && giveAt.Before(next) {
			next = giveAt
		}
		c.run.mon.Lock()
		if end := c.firstEnd(); !end.IsZero() && end.Before(next) {
			next = end
		}
		c.alarm.Reset(max(next.Sub(now), 1))
		c.run.mon.Unlock()
	}
}

// due collects what is to be extended. On the way it drops what has lost its
// lease, and gives back what has waited for long.
func (c *consumer) due(now time.Time) []*item {
	c.run.mon.Lock()
	defer c.run.mon.unlockAndLog()
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

// unbuffer takes an item out of ready or held. Its state is the caller's to
// change.
func (c *consumer) unbuffer(it *item) {
	if i := slices.Index(c.held, it); i >= 0 {
		c.held = slices.Delete(c.held, i, i+1)
	} else {
		c.buffered-- // pop skips it by its state
	}
}

// extend extends the items' leases. The error is of those for which it is not known
// whether they are; nil when the queue answered for all.
func (c *consumer) extend(ctx context.Context, items []*item) error {
	copies := make([]driver.Delivery, len(items))
	ds := make([]*driver.Delivery, 0, len(items))
	c.run.mon.Lock()
	kept := items[:0]
	for _, it := range items {
		if it.state != closed {
			copies[len(ds)] = driver.Delivery{Task: it.d.Task, Receipt: it.d.Receipt, LeaseUntil: it.d.LeaseUntil, Crashes: it.d.Crashes}
			ds = append(ds, &copies[len(ds)])
			kept = append(kept, it)
		}
	}
	c.run.mon.Unlock()
	if len(ds) == 0 {
		return nil
	}
	err := c.queue.Extend(ctx, ds, c.lease)
	failed := itemErrors(err, len(ds))
	now := c.run.p.now()

	c.run.mon.Lock()
	defer c.run.mon.unlockAndLog()
	ok := true
	for i, it := range kept {
		switch e := failed(i); {
		case it.state == closed, it.lost: // settled meanwhile, or given up
		case e == nil:
			if ds[i].LeaseUntil.After(it.d.LeaseUntil) {
				it.d.LeaseUntil = ds[i].LeaseUntil // not of a call that was overtaken by another
			}
		case errors.Is(e, driver.ErrLeaseLost) && it.wasSettled(c.freeLeases, now):
			it.lost = true // the acker forgets it
		case errors.Is(e, driver.ErrLeaseLost) && it.asked:
			// Its lease may be over because it is settled: the answer to that call says so.
		case errors.Is(e, driver.ErrLeaseLost):
			c.lose(it)
		default:
			ok = false
		}
	}
	if ok {
		return nil
	}
	return err
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

// soonestEnd is when the first of the consumer's leases ends.
func (c *consumer) soonestEnd() time.Time {
	c.run.mon.Lock()
	defer c.run.mon.Unlock()
	return c.firstEnd()
}

// firstEnd is soonestEnd where the mutex is locked.
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

// itemErrors splits what a batch call returned by item, in constant time each.
func itemErrors(err error, n int) func(i int) error {
	var be *driver.BatchError
	if !errors.As(err, &be) {
		return func(int) error { return err }
	}
	errs := make([]error, n)
	for _, it := range be.Items {
		if it.Index >= 0 && it.Index < n {
			errs[it.Index] = it.Err
		}
	}
	return func(i int) error { return errs[i] }
}
