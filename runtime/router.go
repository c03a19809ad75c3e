package runtime

import (
	"context"
	"errors"
	"fmt"

	"github.com/taskgen/taskgen/runtime/internal/jsonvalue"
	"github.com/taskgen/taskgen/runtime/internal/pool"
)

// A Router finds the handler of a task by its exact type. Register everything before
// the pool is started: the pool uses the router as it was then, and a later
// registration is an error; see [Router.Err]. It is safe for use by many goroutines.
type Router struct{ r *pool.Router }

// NewRouter returns a router without handlers.
func NewRouter() *Router { return &Router{pool.NewRouter()} }

// Use adds middleware. The first added is the outermost.
func (r *Router) Use(mw ...Middleware) { r.r.Use(mw...) }

// Handle registers the handler of a type and its aliases. Mistakes (no type, registered
// already, no handler) are kept for Err.
func (r *Router) Handle(policy Policy, h Handler) { r.r.Handle(policy, h) }

// OnDead makes the pool call hook whenever a task of the given type, or of one of its
// aliases, dies: to undo what the task has begun, or to notify those who wait for it.
// cause is the error of the task's last run, or the reason why it was not run at all. A
// type has one hook at most, and a handler; else Err says so.
//
// The hook may read the task, not change it. The task's metadata has the rest
// (MetaAttempts and so on). Its payload is as the handler has it: decrypted and
// decompressed by the middleware, or, if the middleware refused the task, as it was on the
// queue, which Task.Encoding shows.
//
// The hook runs once the failure is written into the task and before the task moves to
// the dead letter queue. So it is called at least once: again if the process dies
// between the two or the lease is lost. It runs on the worker, under the task's lease,
// and its context ends after the time of one lease. Its error or panic is logged, and
// changes nothing: the task is dead either way. TaskFromContext has the task in the
// hook, too. Tasks that a provider buries itself, because they cannot be decoded, have
// no hook.
//
// Of a task that dies in the hands of a worker that has it by package server, the hook is
// called in the server's program, if a pool was made of the router on the server's manager,
// whether the pool works or not. The middleware has the task before, as one that a pool
// refuses to run; the context is not that of the worker's call.
//
// Generated OnDead… functions give a hook the decoded payload; see the
// function [OnDead].
func (r *Router) OnDead(taskType string, hook func(ctx context.Context, t *Task, cause error) error) {
	r.r.OnDead(taskType, hook)
}

// Err returns all mistakes of registration, or nil. NewPool refuses a router with
// mistakes. A registration after a pool was started is among them: that pool has logged
// it, and works without it until it is started again.
func (r *Router) Err() error { return r.r.Err() }

// Types returns the registered types and aliases, sorted.
func (r *Router) Types() []string { return r.r.Types() }

// Policy returns the policy of a type, and false if it is not registered.
func (r *Router) Policy(taskType string) (Policy, bool) { return r.r.Policy(taskType) }

// Register registers the handler of a spec's payloads. Generated code calls it.
func Register[T any](r *Router, spec *Spec[T], handle func(context.Context, T) error) {
	if handle == nil {
		r.Handle(spec.Policy(), nil)
		return
	}
	r.Handle(spec.Policy(), HandlerFunc(func(ctx context.Context, t *Task) error {
		payload, err := spec.Decode(t)
		if err != nil {
			return err
		}
		return handle(ctx, payload)
	}))
}

// RegisterWithResult is Register for handlers that return a result, which is
// stored before the task is completed.
func RegisterWithResult[T, R any](r *Router, spec *Spec[T], handle func(context.Context, T) (R, error)) {
	policy := spec.Policy()
	policy.Result = true
	if handle == nil {
		r.Handle(policy, nil)
		return
	}
	r.Handle(policy, HandlerFunc(func(ctx context.Context, t *Task) error {
		payload, err := spec.Decode(t)
		if err != nil {
			return err
		}
		result, err := handle(ctx, payload)
		if err != nil {
			return err
		}
		data, err := encodeResult(spec, &result)
		switch {
		case errors.Is(err, ErrPanic):
			return fmt.Errorf("the result of task %s (%s): %w", t.ID, t.Type, err)
		case err != nil:
			return Skip(fmt.Errorf("the result of task %s (%s) cannot be encoded: %w", t.ID, t.Type, err))
		}
		if spec.Codec == nil {
			if err := errors.Join(jsonvalue.Lossless(data, &result), checkUntyped(&result, nil)); err != nil {
				return Skip(fmt.Errorf("the result of task %s (%s): %w", t.ID, t.Type, err))
			}
		}
		return SetResult(ctx, data)
	}))
}

// OnDead is [Router.OnDead] for a hook that gets what the handler gets: the payload,
// decrypted and decoded. The task itself is in TaskFromContext. The hook is not called
// for a payload that no handler would get (it cannot be decrypted or decoded, has an unknown
// shape, or Validate refuses it). This is logged; Router.OnDead's hook is called for such
// tasks, too. Generated code calls OnDead.
func OnDead[T any](r *Router, spec *Spec[T], hook func(ctx context.Context, payload T, cause error) error) {
	if hook == nil {
		r.OnDead(spec.Type, nil)
		return
	}
	r.OnDead(spec.Type, func(ctx context.Context, t *Task, cause error) error {
		payload, err := spec.Decode(t)
		if err != nil {
			return fmt.Errorf("it was not called: %w", err)
		}
		return hook(ctx, payload, cause)
	})
}
