package dlq

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// A Redrive says which dead letters go back to their queue, and how fast.
type Redrive struct {
	Filter Filter
	// IDs limits the redrive to letters with these task IDs or Refs. Filter must match
	// them too. Nil: all letters that Filter matches.
	IDs []string
	// Rate bounds how many letters go back per unit of time. Zero: no bound.
	Rate runtime.Rate
	// DryRun counts the letters and moves none.
	DryRun bool
	// Progress, if not nil, is called after each batch with the number of moved letters.
	Progress func(moved int)
}

// Redriven is the result of a redrive.
type Redriven struct {
	// Moved counts the letters that are back on their queue, or that a redrive without
	// DryRun would move.
	Moved int
	// Kept are the letters that could not be moved, with the reason: usually the ID is on
	// the queue again.
	Kept map[string]error
	// Later counts the letters that Filter matches and that died at or after Until, by
	// the clocks of their workers: while the redrive ran, or on a machine whose clock
	// is ahead. They were not moved. It is 0 where Filter.Before is set, and on queues
	// that list their dead letters, where the list determines which letters are moved.
	Later int
	// Until is Filter.Before. If that is zero, Until is just after the start of the
	// redrive and the death of every letter that it listed. To continue an interrupted
	// redrive without the letters that have died since, call it again with Filter.Before
	// set to Until.
	Until time.Time
}

// Redrive puts dead letters back on the queue on which they died, due at once, with all
// their retries again and driver.MetaRedriveCount raised. Each is on the queue before it
// leaves the dead letter queue. Redrive works in batches and keeps no state: to continue
// one that was killed, call it again. It leaves alone the letters that die while it runs
// (Redriven.Later counts those that appear to), even if another redrive has moved them
// meanwhile and they died again. An error is about more than single letters; Redriven
// says what was done until then.
//
// On a queue that cannot list its dead letters Redrive reads all of them once, moves the
// matching ones as they arrive, and hides the others until it is done (see
// Config.Provider). It can hold no more than MaxReceived.
func (b *Box) Redrive(ctx context.Context, r Redrive) (done Redriven, err error) {
	limit := r.Filter.Before
	if done.Until = limit; limit.IsZero() {
		done.Until = b.m.Now().Add(1) // includes letters that died at this instant
	}
	limiter := newLimiter(r.Rate)
	s, receives := b.backend.(*receiveBackend)
	later := make(map[string]bool)
	inTime := func(l *Letter) bool {
		switch {
		case !limit.IsZero() || l.FailedAt.Before(done.Until):
			return true
		case receives:
			later[l.ID] = true
			done.Later = len(later)
			return false
		}
		done.Until = l.FailedAt.Add(1)
		return true
	}
	if receives && !r.DryRun {
		err := b.scanMatching(ctx, s, selection{&r.Filter, parseRefs(r.IDs), inTime, limiter}, func(w *scan, ds []*driver.Delivery) error {
			moved, err := b.redriveReceived(ctx, s, w, ds, nil)
			return r.record(&done, moved, err)
		})
		if err != nil {
			err = fmt.Errorf("redrive: stopped after %d letters: %w", done.Moved, err)
		}
		return done, err
	}
	chosen, err := b.matchingDeaths(ctx, &r.Filter, parseRefs(r.IDs), func(_ *runtime.Task, l *Letter) bool { return inTime(l) })
	if err != nil || r.DryRun {
		done.Moved = len(chosen)
		return done, err
	}
	for deaths := range slices.Chunk(chosen, limiter.Burst()) {
		err := limiter.WaitN(ctx, len(deaths))
		if err == nil {
			var moved []driver.Death
			moved, err = b.backend.redrive(ctx, deaths, nil)
			err = r.record(&done, len(moved), err)
		}
		if err != nil {
			return done, fmt.Errorf("redrive: stopped after %d of %d letters: %w", done.Moved, len(chosen), err)
		}
	}
	return done, nil
}

// record adds the outcome of a batch to done. It returns errors that are about more than
// single letters.
func (r *Redrive) record(done *Redriven, moved int, err error) error {
	done.Moved += moved
	if r.Progress != nil && moved > 0 {
		r.Progress(done.Moved)
	}
	var be *runtime.BatchError
	if err == nil || !errors.As(err, &be) {
		return err
	}
	if done.Kept == nil {
		done.Kept = make(map[string]error, len(be.Items))
	}
	for _, it := range be.Items {
		done.Kept[it.ID] = it.Err
	}
	return nil
}

// redriveReceived puts received letters on their queue, edited unless edit is nil, and then
// takes them off the dead letter queue. It returns how many are on the queue.
func (b *Box) redriveReceived(ctx context.Context, s *receiveBackend, w *scan, ds []*driver.Delivery, edit *driver.Edit) (moved int, err error) {
	tasks := make([]*runtime.Task, len(ds))
	for i, d := range ds {
		tasks[i] = d.Task.Clone()
		if edit != nil {
			edit.Apply(tasks[i])
		}
		prepareRedrive(tasks[i], s.q, b.m)
	}
	var be runtime.BatchError
	var there []*driver.Delivery
	var at []int
	failed := reenqueue(ctx, s.q, tasks, b.m)
	for i, d := range ds {
		e := runtime.ErrorAt(failed, i)
		if be.Add(i, d.Task.ID, e); e == nil {
			there, at = append(there, d), append(at, i)
		}
	}
	if len(there) == 0 {
		return 0, failed
	}
	failed = w.complete(ctx, there)
	for k, d := range there {
		if e := runtime.ErrorAt(failed, k); e != nil {
			be.Add(at[k], d.Task.ID, fmt.Errorf("it is on its queue, but could not be removed from the dead letter queue: %w", e))
		}
	}
	return len(there), be.OrNil()
}

// matchingDeaths lists the deaths of the letters in only that f matches and accept takes.
// It runs before the first move, which would shift the pages of a list. The moves then
// apply to these deaths, and to no later ones of the same tasks.
func (b *Box) matchingDeaths(ctx context.Context, f *Filter, only letterRefs, accept func(*runtime.Task, *Letter) bool) (deaths []driver.Death, err error) {
	for t, err := range b.tasks(ctx) {
		if err != nil {
			return nil, err
		}
		if !only.matches(t) {
			continue
		}
		if l := b.letter(t); f.Matches(&l) && accept(t, &l) {
			deaths = append(deaths, driver.DeathOf(t))
		}
	}
	return deaths, nil
}

// newLimiter returns a limiter that admits a batch at a time: the letters of a tenth of a
// second, or one letter where that is more.
func newLimiter(r runtime.Rate) *rate.Limiter {
	if r.Limit <= 0 || r.Per <= 0 {
		return rate.NewLimiter(rate.Inf, batch)
	}
	perSecond := float64(r.Limit) / r.Per.Seconds()
	return rate.NewLimiter(rate.Limit(perSecond), max(1, int(min(batch, perSecond/10))))
}

// Discard removes letters for good, by the IDs of their tasks or by their Refs, and
// returns the IDs of those that it removed. An ID means the current letter of the task, a
// Ref the letter that was read, not a later one of the same task. Unknown IDs and Refs
// are no error.
func (b *Box) Discard(ctx context.Context, ids []string) ([]string, error) {
	as := make([]letterRef, len(ids))
	for i, id := range ids {
		as[i] = parseRef(id)
	}
	return b.backend.discardRefs(ctx, as)
}

// DiscardMatching removes the letters that f matches for good, and returns how many there
// were. A task that is redriven meanwhile and dies again stays: f may not match its new
// death.
func (b *Box) DiscardMatching(ctx context.Context, f Filter) (n int, err error) {
	if s, ok := b.backend.(*receiveBackend); ok {
		err := b.scanMatching(ctx, s, selection{filter: &f, limiter: newLimiter(runtime.Rate{})}, func(w *scan, ds []*driver.Delivery) error {
			before := len(w.leased)
			err := w.complete(ctx, ds)
			n += before - len(w.leased)
			return err
		})
		return n, err
	}
	deaths, err := b.matchingDeaths(ctx, &f, nil, func(t *runtime.Task, _ *Letter) bool { return !claimed(t, b.m.Now()) })
	if err != nil {
		return 0, err
	}
	for part := range slices.Chunk(deaths, batch) {
		gone, err := b.backend.discard(ctx, part)
		if n += len(gone); err != nil {
			return n, err
		}
	}
	return n, nil
}
