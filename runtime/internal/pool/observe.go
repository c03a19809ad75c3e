package pool

import (
	"slices"
	"strings"
	"time"

	"github.com/taskgen/taskgen/internal/deliveries"
	"github.com/taskgen/taskgen/internal/typeinfo"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/observe"
)

func (r *run) tellStarted() {
	l := r.listener
	if l == nil {
		return
	}
	r.seen = &observe.Pool{Name: r.cfg.Name, Workers: r.cfg.Workers, Queues: slices.Clone(r.p.seen), Orders: r.p}
	for name, rt := range r.routing.routes {
		if name == rt.policy.Type { // and no alias
			p := &rt.policy
			r.seen.Types = append(r.seen.Types, observe.Type{
				Name: name, Aliases: slices.Clone(p.Aliases), Queue: p.Queue, Schema: p.Schema, Shape: p.Shape, Secrets: slices.Clone(p.Secrets),
				Timeout: p.Timeout, MaxRetries: p.Retry.Max, Result: p.Result, Retry: p.Retry.published(), Retention: p.Retention, Template: r.p.template(p),
			})
		}
	}
	slices.SortFunc(r.seen.Types, func(a, b observe.Type) int { return strings.Compare(a.Name, b.Name) })
	if l.PoolStarted != nil {
		l.PoolStarted(r.seen)
	}
}

// template is how a task of a type is made, as the host's own enqueues do it.
func (p *Pool) template(policy *Policy) *typeinfo.Template {
	if policy.Template == nil {
		return nil
	}
	t := *policy.Template
	t.Sealed = p.host.Seals
	return &t
}

// published are the parts of the policy that others can apply.
func (p RetryPolicy) published() typeinfo.Retry {
	return typeinfo.Retry{Backoff: string(p.Backoff), Base: p.Base, Cap: p.Cap, Factor: p.Factor, Jitter: p.Jitter}
}

func (r *run) tellStopped() {
	if r.seen != nil && r.listener.PoolStopped != nil {
		r.listener.PoolStopped(r.seen)
	}
}

// tellStart tells a listener that the worker's run begins.
func (w *worker) tellStart(q *deliveries.Queue, it *item, c *taskContext) {
	w.seen = observe.Run{
		Pool: w.run.seen, Worker: w.run.cfg.Name, Type: c.policy.Type, Task: it.d.Task,
		Attempt: c.info.Attempt, Crashes: c.info.Crashes, Began: w.begun, At: w.run.clock.Now(),
	}
	if c.policy == &noPolicy {
		w.seen.Type = it.d.Task.Type
	}
	w.ctx = q.Start(c, &w.seen)
}

// tellEnd tells a listener how the worker's run ended.
func (w *worker) tellEnd(q *deliveries.Queue, it *item, err error) {
	w.seen.Took, w.seen.Outcome, w.seen.Delay, w.seen.Err = w.took, it.outcome, it.d.Delay, err
	q.End(w.ctx, &w.seen)
}

// leaseLostLocked tells listeners that a lease has ended.
func (c *consumer) leaseLostLocked(t *driver.Task) {
	if c.queue.Heard() {
		c.mon.tellLocked(func() { c.queue.Lost(t) })
	}
}

// observe makes listeners hear what the queue settles.
func (a *acker) observe(q *deliveries.Queue, worker string) {
	if q.Heard() {
		a.heard, a.worker = q, worker
	}
}

// settlement is the answer to a call for n items that began at a time, as listeners see
// it; nil if nobody listens.
func (a *acker) settlement(began time.Time, n int) *observe.Settlement {
	if a.heard == nil {
		return nil
	}
	return a.heard.Settlement(a.worker, began, n)
}

// tellLocked tells listeners what ended with a call.
func (a *acker) tellLocked(s *observe.Settlement) {
	if s != nil && len(s.Items) > 0 {
		a.mon.tellLocked(func() { a.heard.Settled(s) })
	}
}
