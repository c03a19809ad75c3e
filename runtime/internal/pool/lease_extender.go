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
	// maxBuffered is how long a task may wait for a worker, its lease kept, before it
	// goes back to the queue for other processes. Queues with shorter leases use the
	// lease.
	maxBuffered = 30 * time.Second
	// maxExtending bounds the concurrent calls of Extend: the second is made if the
	// first has not returned although its context has ended.
	maxExtending = 2
)

const (
	// mostStale bounds the lost leases of a queue that are still to be given back, and
	// staleFor how long the extender tries.
	mostStale = 4096
	staleFor  = time.Hour
)

// A leaseExtender keeps the leases of a consumer's items, and gives lost ones back. The
// monitor guards its fields, except functions and fields that are set once.
type leaseExtender struct {
	mon        *monitor
	queue      driver.Queue
	name       string
	lease      time.Duration
	freeLeases bool         // see Capabilities
	fenced     bool         // a stale receipt changes nothing, and any handle can settle
	clock      driver.Clock // the clock of leases

	// What it needs of its consumer.
	//
	// dueLocked are the items whose leases are to be extended; it handles those that
	// have ended. firstEndLocked is when the first lease ends; zero: there is none.
	// loseLocked takes an item whose lease has ended.
	dueLocked      func(now time.Time) []*item
	firstEndLocked func() time.Time
	loseLocked     func(*item)

	wake  chan struct{}      // capacity 1
	timer driver.Timer       // signals, too
	stale []*driver.Delivery // leases that ended while the pool lived, to be given back
}

// init sets what depends on the queue.
func (e *leaseExtender) init(q driver.Queue) {
	cfg, can := q.Config(), q.Capabilities()
	e.queue, e.name, e.lease = q, cfg.Name, cfg.Visibility
	e.freeLeases, e.fenced = can.FreeLeases, can.FreeLeases && can.Fencing
	e.wake = make(chan struct{}, 1)
	e.timer = e.clock.AfterFunc(e.every(), e.signal)
}

// every is the time between two rounds.
func (e *leaseExtender) every() time.Duration { return min(e.lease/3, extendEvery) }

func (e *leaseExtender) signal() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// insertedLocked notes the end of new leases: the next round would be too late for them
// if their answer took long to arrive.
func (e *leaseExtender) insertedLocked(until, now time.Time) {
	if until.Sub(now) < e.every() {
		e.timer.Reset(1)
	}
}

// giveBackLocked takes a lease that ended while the pool lived, to be given back.
func (e *leaseExtender) giveBackLocked(d *driver.Delivery) {
	if e.fenced && len(e.stale) < mostStale {
		same := *d
		e.stale = append(e.stale, &same)
		e.signal()
	}
}

// run is the lease extender's goroutine. It extends the leases of all items of its
// consumer, buffered, running or not settled yet, when a third of the lease is over. A
// task whose lease is lost is cancelled.
//
// If extending fails because the broker is away, it keeps trying until the leases end
// by the pool's own clock, after half of the remaining time at the latest: if the
// broker comes back in time, every lease is kept.
//
// Calls to the queue run in other goroutines: whatever their fate, the timer tells
// handlers of the end of their leases. A call that ignores the end of its context
// delays at most one more call.
func (e *leaseExtender) run(ctx context.Context) {
	defer e.timer.Stop()
	var calls sync.WaitGroup
	extending := extendCalls{answers: make(chan error, maxExtending)}
	giving := giveCalls{answers: make(chan bool, 1)}
	for {
		answered := false
		select {
		case <-ctx.Done():
			calls.Wait()
			e.giveLast(ctx)
			return
		case <-e.wake:
		case err := <-extending.answers:
			answered = true
			if extending.answered(err, ctx.Err() != nil) {
				e.mon.logger().Warn("cannot extend leases, will keep trying", slog.String("queue", e.name), slog.Any("error", err))
			}
		case ok := <-giving.answers:
			giving.answered(ok, e.clock.Now())
		}

		now := e.clock.Now()
		items, end := e.look(now)
		left := end.Sub(now)
		if answered {
			extending.pause(now, left, e.every())
		}
		if len(items) > 0 && extending.due(now, end) {
			// Half of what is left of the shortest lease: a call that hangs leaves time
			// for another, and none outlasts the lease that it extends.
			limited, cancel := context.WithTimeout(ctx, left/2)
			extending.begin(limited)
			late := context.AfterFunc(limited, e.signal)
			calls.Go(func() {
				defer cancel()
				defer late()
				extending.answers <- e.extend(limited, items)
			})
		}
		stale := e.isStale()
		if stale && giving.due(now) {
			giving.under = true
			calls.Go(func() {
				limited, cancel := context.WithTimeout(ctx, e.every())
				defer cancel()
				giving.answers <- e.giveStale(limited)
			})
		}
		e.setTimer(now, extending.at, giving.next(stale))
	}
}

// setTimer makes the next round begin after a period, at one of these times, or when the
// first lease ends.
func (e *leaseExtender) setTimer(now time.Time, at ...time.Time) {
	next := now.Add(e.every())
	for _, t := range at {
		if t.After(now) && t.Before(next) {
			next = t
		}
	}
	e.mon.Lock()
	defer e.mon.Unlock()
	if end := e.firstEndLocked(); !end.IsZero() && end.Before(next) {
		next = end
	}
	e.timer.Reset(max(next.Sub(now), 1))
}

// extendCalls are a lease extender's calls of Extend.
type extendCalls struct {
	answers chan error
	under   int             // calls under way
	newest  context.Context // of the last of them
	at      time.Time       // no sooner, after a failure
	failing backoff
}

// due reports whether a call may begin, with leases of which the first ends at end.
func (c *extendCalls) due(now, end time.Time) bool {
	soon := !now.Before(c.at) || c.failing.streak == 0 && end.Before(c.at)
	return soon && (c.under == 0 || c.under < maxExtending && c.newest.Err() != nil)
}

func (c *extendCalls) begin(ctx context.Context) { c.under, c.newest = c.under+1, ctx }

// answered takes the answer to a call. It reports whether that is the first failure.
func (c *extendCalls) answered(err error, ending bool) (first bool) {
	c.under--
	if err == nil || ending {
		c.failing.streak = 0
		return false
	}
	c.failing.streak++
	return c.failing.streak == 1
}

// pause sets when the next call may begin after one that was answered, with so much left
// of the first lease: soon again after a failure, also if the broker extends no lease.
func (c *extendCalls) pause(now time.Time, left, period time.Duration) {
	pause := period
	if c.failing.streak > 0 {
		again := backoff{c.failing.streak - 1}
		pause = again.next(period)
	}
	c.at = now.Add(min(pause, max(left/2, min(left, firstPause), 1)))
}

// giveCalls are a lease extender's calls that give lost leases back, one at a time.
type giveCalls struct {
	answers chan bool
	under   bool
	at      time.Time // no sooner, after a failure
	failing backoff
}

func (c *giveCalls) due(now time.Time) bool { return !c.under && !now.Before(c.at) }

// next is when a call is due; zero: none is.
func (c *giveCalls) next(stale bool) time.Time {
	if !stale || c.under {
		return time.Time{}
	}
	return c.at
}

// answered takes the answer to a call: whether none are left.
func (c *giveCalls) answered(ok bool, now time.Time) {
	if c.under = false; ok {
		c.failing.streak = 0
	} else {
		c.at = now.Add(c.failing.next(maxAckPause))
	}
}

// look returns the items to be extended now, and when the first lease ends.
func (e *leaseExtender) look(now time.Time) (items []*item, end time.Time) {
	e.mon.Lock()
	defer e.mon.unlockAndLog()
	return e.dueLocked(now), e.firstEndLocked()
}

// extend extends the items' leases. It returns the error of those whose outcome is
// unknown; nil if the queue answered for all.
func (e *leaseExtender) extend(ctx context.Context, items []*item) error {
	copies := make([]driver.Delivery, len(items))
	ds := make([]*driver.Delivery, 0, len(items))
	e.mon.Lock()
	kept := items[:0]
	for _, it := range items {
		if it.state != closed {
			copies[len(ds)] = driver.Delivery{Task: it.d.Task, Receipt: it.d.Receipt, LeaseUntil: it.d.LeaseUntil, Crashes: it.d.Crashes}
			ds = append(ds, &copies[len(ds)])
			kept = append(kept, it)
		}
	}
	e.mon.Unlock()
	if len(ds) == 0 {
		return nil
	}
	err := e.queue.Extend(ctx, ds, e.lease)
	failed := itemErrors(err, len(ds))
	now := e.clock.Now()

	e.mon.Lock()
	defer e.mon.unlockAndLog()
	ok := true
	for i, it := range kept {
		switch err := failed(i); {
		case it.state == closed, it.lost: // settled meanwhile, or given up
		case err == nil:
			it.extendLocked(ds[i].LeaseUntil)
		case errors.Is(err, driver.ErrLeaseLost) && it.wasSettledLocked(e.freeLeases, now):
			it.settledBeforeLocked()
		case errors.Is(err, driver.ErrLeaseLost) && it.asked:
			// Its lease may be over because it is settled: the answer to that call
			// tells.
		case errors.Is(err, driver.ErrLeaseLost):
			e.loseLocked(it)
		default:
			ok = false
		}
	}
	if ok {
		return nil
	}
	return err
}

// giveStale gives back the lost leases. Those that the queue did not answer for are
// kept for another try. It reports whether none are left.
func (e *leaseExtender) giveStale(ctx context.Context) bool {
	e.mon.Lock()
	n := min(len(e.stale), callSize)
	ds := slices.Clone(e.stale[:n])
	e.stale = slices.Delete(e.stale, 0, n)
	e.mon.Unlock()
	if n == 0 {
		return true
	}
	err := e.queue.Release(ctx, ds)
	failed, now := itemErrors(err, len(ds)), e.clock.Now()
	e.mon.Lock()
	defer e.mon.unlockAndLog()
	for i, d := range ds {
		err := failed(i)
		if err == nil || errors.Is(err, driver.ErrLeaseLost) || errors.Is(err, driver.ErrClosed) || now.Sub(d.LeaseUntil) > staleFor || len(e.stale) >= mostStale {
			continue
		}
		same := *d // the queue may still use it
		e.stale = append(e.stale, &same)
	}
	return len(e.stale) == 0
}

// giveLast is one more try when the pool stops.
func (e *leaseExtender) giveLast(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	e.giveStale(ctx)
}

func (e *leaseExtender) isStale() bool {
	e.mon.Lock()
	defer e.mon.Unlock()
	return len(e.stale) > 0
}
