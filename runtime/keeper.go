package runtime

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"
)

const (
	// keepEvery bounds the time between two rounds of a keeper on queues with
	// long leases.
	keepEvery = 10 * time.Second
	// maxBuffered is how long a task may wait for a worker, its lease kept,
	// before it goes back to the queue for other processes. It is less on queues
	// with shorter leases.
	maxBuffered = 30 * time.Second
)

// keep is the keeper's goroutine: it extends the leases of everything that the
// lane holds, buffered, running or not settled yet, when a third of them is
// over. A task whose lease is lost is cancelled.
//
// When extending fails because the broker is away, it goes on trying until the
// leases end by the pool's own clock, after half of what is left of them at the
// latest: a broker that comes back in time finds every lease kept.
func (l *lane) keep(ctx context.Context) {
	clock := l.s.p.m.clock
	tick := make(chan struct{}, 1)
	period := min(l.lease/3, keepEvery)
	timer := clock.AfterFunc(period, func() { tick <- struct{}{} })
	defer timer.Stop()
	var failing backoff
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick:
		}
		wait := period
		if !l.extend(ctx, l.due(clock.Now()), &failing) {
			left := l.soonestEnd().Sub(clock.Now())
			wait = min(wait, failing.next(period), max(left/2, min(left, firstPause), 1))
		}
		timer.Reset(wait)
	}
}

// due collects what is to be extended. On the way it drops what has lost its
// lease, and gives back what has waited for long.
func (l *lane) due(now time.Time) []*item {
	l.s.mu.Lock()
	defer l.s.unlock()
	var items, lost []*item
	for _, b := range l.open {
		stale := now.Sub(b.at) > min(maxBuffered, l.lease)
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
				l.unbuffer(it)
				l.giveBack(it, 0)
			case left <= l.lease*2/3:
				items = append(items, it)
			}
			if it.state == running {
				l.warnOfOverrun(it)
			}
		}
	}
	for _, it := range lost { // apart: it changes l.open
		l.lose(it)
	}
	return items
}

// unbuffer takes an item out of ready or held. Its state is the caller's to
// change.
func (l *lane) unbuffer(it *item) {
	if i := slices.Index(l.held, it); i >= 0 {
		l.held = slices.Delete(l.held, i, i+1)
	} else {
		l.buffered-- // pop skips it by its state
	}
}

// extend extends the items' leases, and reports whether the queue answered.
func (l *lane) extend(ctx context.Context, items []*item, failing *backoff) bool {
	if len(items) == 0 {
		return true
	}
	copies := make([]Delivery, len(items))
	ds := make([]*Delivery, 0, len(items))
	l.s.mu.Lock()
	kept := items[:0]
	for _, it := range items {
		if it.state != closed {
			copies[len(ds)] = Delivery{Task: it.d.Task, Receipt: it.d.Receipt, LeaseUntil: it.d.LeaseUntil, Crashes: it.d.Crashes}
			ds = append(ds, &copies[len(ds)])
			kept = append(kept, it)
		}
	}
	l.s.mu.Unlock()
	if len(ds) == 0 {
		return true
	}

	// Half of what is left of the shortest lease: a call that hangs leaves time
	// for another, and none outlasts the lease it is to extend.
	limited, cancel := context.WithTimeout(ctx, l.soonestEnd().Sub(l.s.p.m.Now())/2)
	defer cancel()
	err := l.queue.Extend(limited, ds, l.lease)
	if err != nil && ctx.Err() != nil {
		return true // the shift is over
	}
	failed := itemErrors(err, len(ds))
	now := l.s.p.m.Now()

	l.s.mu.Lock()
	defer l.s.unlock()
	ok := true
	for i, it := range kept {
		switch e := failed(i); {
		case it.state == closed: // settled meanwhile
		case e == nil:
			it.d.LeaseUntil = ds[i].LeaseUntil
		case errors.Is(e, ErrLeaseLost) && l.wasSettled(it, now):
			it.lost = true // the acker forgets it
		case errors.Is(e, ErrLeaseLost) && it.asked:
			// Its lease may be over because it is settled: the answer to that call says so.
		case errors.Is(e, ErrLeaseLost):
			l.lose(it)
		default:
			ok = false
		}
	}
	switch {
	case ok:
		failing.streak = 0
	case failing.streak == 0:
		l.s.tell(slog.LevelWarn, "cannot extend leases, trying on", slog.String("queue", l.name), slog.Any("error", err))
	}
	return ok
}

// lose gives up an item whose lease has ended. Its handler, if it runs, is
// cancelled, and holds its worker until it returns. s.mu is held.
func (l *lane) lose(it *item) {
	l.s.tell(slog.LevelWarn, "lease lost: the task will be delivered again", about(l, it.d.Task))
	it.lost = true
	switch it.state {
	case buffered:
		l.unbuffer(it)
		l.close(it)
	case running:
		l.strays++
		it.ctx.cancel(ErrLeaseLost)
	}
}

// soonestEnd is when the first of the lane's leases ends.
func (l *lane) soonestEnd() time.Time {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	var end time.Time
	for _, b := range l.open {
		for i := range b.items {
			if it := &b.items[i]; it.state != closed && !it.lost && (end.IsZero() || it.d.LeaseUntil.Before(end)) {
				end = it.d.LeaseUntil
			}
		}
	}
	return end
}

// warnOfOverrun says once that a handler ignores the end of its context.
func (l *lane) warnOfOverrun(it *item) {
	if it.warned || !it.ctx.overruns(time.Second) {
		return
	}
	it.warned = true
	l.s.tell(slog.LevelWarn, "the handler ignores the end of its context: its worker is taken until it returns", about(l, it.d.Task))
}

// itemErrors splits what a batch call returned by item, in constant time each.
func itemErrors(err error, n int) func(i int) error {
	var be *BatchError
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
