package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/taskgen/taskgen/internal/settle"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/observe"
)

// A worker runs one task after the other.
type worker struct {
	run   *run
	begun time.Time // when its run began
	// ctx is the context of that run: c, or what a listener made of it.
	ctx context.Context
	// seen is the run as listeners see it.
	seen observe.Run
	// The run to be handed back with the next request for a task.
	done *item
	took time.Duration
	at   time.Time // when it was done: the next run begins then, if it need not wait
	// contexts are allocated a few at a time. A handler that keeps its context for ever
	// also keeps its neighbours, so they are few.
	contexts []taskContext
}

const contextsAtATime = 16 // of 128 bytes fill one of the allocator's sizes, 2 KiB

// errNoOutcome: see Goexit in package runtime of the standard library, and
// FailNow in testing.
var errNoOutcome = errors.New("taskgen: the handler ended its goroutine (runtime.Goexit) and returned nothing")

// loop is the worker's goroutine.
func (w *worker) loop() {
	over := false
	defer func() {
		if !over { // a handler ended this goroutine: go on in another
			w.run.workers.Go(w.loop)
		}
	}()
	w.at = time.Now()
	for {
		if len(w.contexts) == 0 {
			w.contexts = make([]taskContext, contextsAtATime)
		}
		c := &w.contexts[0]
		it, begun := w.run.next(w.done, w.took, w.at, c)
		if w.done, w.begun = nil, begun; it == nil {
			over = true
			return
		}
		w.contexts = w.contexts[1:]
		w.execute(it, c)
	}
}

// execute runs one task and leaves its outcome in the item.
func (w *worker) execute(it *item, c *taskContext) {
	t := it.d.Task
	policy := w.run.policyOf(t.Type)
	x := execution{
		info:    runInfo{Task: t, Attempt: it.d.Attempt(), Crashes: it.d.Crashes},
		policy:  policy,
		refused: it.consumer().refuse(it.d),
	}
	switch {
	case w.run.routing.knows(t):
		delete(t.Metadata, driver.MetaUnknown)
	case x.refused == nil:
		x.refused = it.consumer().errUnknown(t)
	}
	timeout := t.Timeout
	if timeout == 0 {
		timeout = policy.Timeout
	}
	if timeout > 0 {
		x.info.Deadline = w.begun.Add(timeout)
	}
	c.begin(x, &w.run.base)
	w.ctx = c
	if q := it.consumer().queue; q.Heard() {
		w.tellStart(q, it, c)
	}

	err := errNoOutcome
	defer func() { // a deferred call runs even when the handler ends the goroutine
		w.conclude(it, c, timeout, err)
	}()
	err = call(w.run.handler(), w.ctx, t)
}

var noPolicy Policy

// call runs the handler with its middleware, and turns a panic into an error. The same
// holds if a method of the returned error panics, as those of a nil pointer do: the
// error is read again and again later, where no recover would catch it.
func call(h Handler, ctx context.Context, t *driver.Task) (err error) {
	err = errNoOutcome
	defer func() {
		if v := recover(); v != nil {
			err = driver.Recovered(v)
		}
	}()
	if err := h.Handle(ctx, t); err != nil {
		_, _ = err.Error(), final(err)
		return err
	}
	return nil
}

// refuse returns why a task must not be run at all; nil if it may.
func (c *consumer) refuse(d *driver.Delivery) error {
	if err := c.check.refuse(d); err != nil {
		return err
	}
	return settle.Expired(&c.cfg, d.Task, c.clock.Now())
}

// errNoVerdict is errNoOutcome of a retry policy.
var errNoVerdict = errors.New("taskgen: the retry policy ended its goroutine (runtime.Goexit) and returned nothing")

// conclude decides the outcome of the run.
func (w *worker) conclude(it *item, c *taskContext, timeout time.Duration, cause error) {
	if cause == nil && c.clean() {
		w.settle(it, c, verdict{outcome: Completed}, nil)
		return
	}
	var v verdict
	var err error
	judged := false
	defer func() { // also when the policy ends the goroutine
		if !judged {
			v, err = verdict{outcome: Died}, fmt.Errorf("%v; when asked whether to retry: %w", cause, errNoVerdict) //nolint:errorlint // nothing can be asked of the cause
		}
		w.settle(it, c, v, err)
	}()
	v, err = judge(c, it.d.Task, timeout, cause)
	if v.outcome != Completed && v.outcome != Abandoned && w.run.isCancelled(it) { // also after a timeout
		v = verdict{outcome: Cancelled}
	}
	judged = true
}

// settle prepares the delivery for its outcome.
func (w *worker) settle(it *item, c *taskContext, v verdict, err error) {
	c.finish()
	now := time.Now()
	w.done, w.took, w.at = it, now.Sub(w.begun), now

	t, clock, name := it.d.Task, w.run.clock, w.run.cfg.Name
	it.decide(v.outcome, v.delay)
	w.logRun(it, c, v, err)
	switch v.outcome {
	case Completed:
		if c.policy.Result && !w.run.store(w.ctx, it, c.policy, c.stored(), "") {
			it.decide(Released, it.consumer().lease)
		}
	case Cancelled:
		if c.policy.Result {
			w.run.store(w.ctx, it, c.policy, nil, string(Cancelled))
		}
	case Retried:
		settle.Retry(t, settle.Run{Attempt: c.info.Attempt, Worker: name, At: clock.Now(), Took: w.took}, err)
	case Died:
		settle.Die(t, settle.Run{Attempt: c.info.Attempt, Worker: name, At: clock.Now(), Took: w.took}, it.consumer().name, err)
		// If the task is unknown, so is whether a caller awaits it.
		if c.policy.Result || w.run.cfg.Results != nil && !w.run.routing.knows(t) {
			w.run.store(w.ctx, it, c.policy, nil, t.Metadata[driver.MetaFailureReason])
		}
		if hook := w.run.deadHook(c.policy); hook != nil {
			w.runDeadHook(it, c, hook, err)
		}
	}
	if cfg := &it.consumer().cfg; settle.Delays(cfg, it.d.Delay) {
		settle.Delay(cfg, t, it.d.Delay, clock.Now())
	}
	if q := it.consumer().queue; q.Heard() {
		w.tellEnd(q, it, err)
	}
	if v.outcome != Completed || c.policy.Result {
		// The time of stores and logs does not count for the next task.
		w.at = time.Now()
	}
}

// runDeadHook calls a hook for a task that dies.
func (w *worker) runDeadHook(it *item, c *taskContext, hook DeadHook, cause error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), it.consumer().lease)
	defer cancel()
	if err := c.callHook(ctx, hook, it.d.Task, cause); err != nil {
		w.logHook(it, c.policy, err)
	}
}

// judge is decide with recover: a panic of the policy's Retryable, or of an error when
// it is compared, is final. The error says if the run timed out.
func judge(c *taskContext, t *driver.Task, timeout time.Duration, cause error) (v verdict, err error) {
	defer func() {
		if p := recover(); p != nil {
			// Its text alone: any other access may panic again.
			v, err = verdict{outcome: Died}, fmt.Errorf("%v; when asked whether to retry: %w", cause, driver.Recovered(p)) //nolint:errorlint // see above
		}
	}()
	v = decide(c, c.policy, t, cause)
	if cause != nil && errors.Is(context.Cause(c), driver.ErrTimeout) && !errors.Is(cause, driver.ErrTimeout) {
		cause = fmt.Errorf("%w after %s: %w", driver.ErrTimeout, timeout, cause)
	}
	return v, cause
}

// store keeps a result, or the failure instead, and tries for the length of a lease. It
// reports whether the store has it. What it logs has the values of ctx.
func (r *run) store(ctx context.Context, it *item, policy *Policy, result []byte, failure string) bool {
	from, seen := it.consumer(), context.WithoutCancel(ctx)
	ttl := policy.Retention
	if ttl == 0 {
		ttl = driver.DefaultResultRetention
	}
	ctx, cancel := context.WithTimeout(r.base, from.lease)
	defer cancel()
	var failing backoff
	for {
		err := r.cfg.Results.PutResult(ctx, it.d.Task.ID, result, failure, ttl)
		if err == nil {
			return true
		}
		if failing.streak == 0 {
			r.logger().WarnContext(seen, "cannot store a result, will keep trying", about(from.name, it.d.Task), slog.Any("error", err))
		}
		sleep(ctx, failing.next(maxAckPause))
		if ctx.Err() != nil || r.isLost(it) {
			r.logger().ErrorContext(seen, "the result could not be stored", about(from.name, it.d.Task), slog.Any("error", err))
			return false
		}
	}
}

func (r *run) isLost(it *item) bool {
	r.mon.Lock()
	defer r.mon.Unlock()
	return it.lost
}
