package drivertest

import (
	"context"
	"errors"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A waiter is a worker that waits in Dequeue while the test continues.
type waiter struct {
	w    *env
	got  chan []*driver.Delivery
	fail chan error
	stop context.CancelFunc
}

// waiter starts a worker that leases one batch for long.
func (w *env) waiter(q driver.Queue) *waiter {
	ctx, cancel := context.WithTimeout(w.ctx, w.patience)
	a := &waiter{w: w, got: make(chan []*driver.Delivery, 1), fail: make(chan error, 1), stop: cancel}
	entered := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		close(entered)
		for {
			ds, err := q.Dequeue(ctx, 100, long)
			switch {
			case errors.Is(err, driver.ErrNoTasks) && ctx.Err() == nil:
				continue // the provider's own longest wait
			case err != nil:
				a.fail <- err
			default:
				a.got <- ds
			}
			return
		}
	}()
	<-entered
	w.Cleanup(func() {
		cancel()
		<-done
	})
	return a
}

// wants waits for n tasks.
func (a *waiter) wants(n int) []*driver.Delivery {
	a.w.Helper()
	ds := a.wantsSome()
	a.w.check(len(ds) == n, "a waiting worker got %d tasks, want %d", len(ds), n)
	return ds
}

// wantsSome waits for a batch of any size.
func (a *waiter) wantsSome() []*driver.Delivery {
	a.w.Helper()
	select {
	case ds := <-a.got:
		return ds
	case err := <-a.fail:
		a.w.Fatalf("a waiting worker got %v, want tasks", err)
	}
	return nil
}

// wantsError waits for the worker's Dequeue to fail.
func (a *waiter) wantsError(want error) {
	a.w.Helper()
	select {
	case ds := <-a.got:
		a.w.Fatalf("a waiting worker got %v, want %q", deliveredIDs(ds), want)
	case err := <-a.fail:
		a.w.is(err, want, "a waiting worker")
	}
}
