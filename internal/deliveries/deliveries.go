// Package deliveries tells listeners what becomes of deliveries: that a run begins and how it
// ends, that its task is settled, that its lease is lost. The pool calls it for handlers in its
// process, and the server for workers that reach it over the wire, so that listeners hear the
// same whoever runs a task.
package deliveries

import (
	"context"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/observe"
)

// A Queue is an open queue, and who hears of its deliveries. Its methods are called only if
// Heard is true, except Settlement and Settled. They are safe for concurrent use.
type Queue struct {
	driver.Queue                   // its calls are observed
	As           *observe.Queue    // as listeners see it; nil: nobody listens
	Listener     *observe.Listener // nil: nobody listens
}

// Heard reports whether anybody listens.
func (q *Queue) Heard() bool { return q.Listener != nil }

// Start tells that a run begins, and returns the context for it. The caller fills in r, except
// its Queue.
func (q *Queue) Start(ctx context.Context, r *observe.Run) context.Context {
	r.Queue = q.As
	if q.Listener.RunStart == nil {
		return ctx
	}
	return q.Listener.RunStart(ctx, r)
}

// End tells how the run of a Start has ended. The caller fills in r. ctx is that of Start.
func (q *Queue) End(ctx context.Context, r *observe.Run) {
	if q.Listener.RunEnd != nil {
		q.Listener.RunEnd(ctx, r)
	}
}

// Lost tells that the lease of a task has ended.
func (q *Queue) Lost(t *driver.Task) {
	if q.Listener.LeaseLost != nil {
		q.Listener.LeaseLost(q.As, t)
	}
}

// Settlement is the answer to a call for n tasks of a worker that began at a time, as listeners
// see it, without its tasks; nil if nobody listens.
func (q *Queue) Settlement(worker string, began time.Time, n int) *observe.Settlement {
	if q.Listener == nil || q.Listener.Settled == nil {
		return nil
	}
	return &observe.Settlement{Queue: q.As, Worker: worker, Items: make([]observe.Settled, 0, n), Began: began, Took: time.Since(began)}
}

// Settled tells what ended with a call. A settlement that is nil or empty is not told.
func (q *Queue) Settled(s *observe.Settlement) {
	if s != nil && len(s.Items) > 0 {
		q.Listener.Settled(s)
	}
}
