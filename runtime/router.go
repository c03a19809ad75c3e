package runtime

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
)

// A Router finds the handler of a task by its exact type. Register everything
// first, then give it to a pool: registration is not safe beside running
// pools.
type Router struct {
	routes     map[string]*route
	middleware []Middleware
	onDead     map[string]DeadHook // by type, not by alias
	errs       []error

	once  sync.Once
	chain Handler
}

type route struct {
	policy  Policy
	handler Handler
}

// NewRouter returns a router without handlers.
func NewRouter() *Router { return &Router{routes: make(map[string]*route)} }

// Use adds middleware. The first added is the outermost.
func (r *Router) Use(mw ...Middleware) { r.middleware = append(r.middleware, mw...) }

// Handle registers the handler of a type and its aliases. What is wrong with
// it (no type, registered already, no handler) is kept for Err.
func (r *Router) Handle(policy Policy, h Handler) {
	if h == nil {
		r.errs = append(r.errs, fmt.Errorf("taskgen: the handler of %q is nil", policy.Type))
		return
	}
	rt := &route{policy: policy, handler: h}
	for _, name := range append([]string{policy.Type}, policy.Aliases...) {
		switch other, taken := r.routes[name]; {
		case name == "":
			r.errs = append(r.errs, errors.New("taskgen: a handler is registered for an empty task type"))
		case taken:
			r.errs = append(r.errs, fmt.Errorf("taskgen: %q is registered twice, for %q and %q", name, other.policy.Type, policy.Type))
		default:
			r.routes[name] = rt
		}
	}
}

// A DeadHook is told of a task that dies: cause is the error of its last run, or
// why it was not run at all. The task says the rest in its metadata (MetaAttempts
// and so on) and is the hook's to read, not to change.
type DeadHook func(ctx context.Context, t *Task, cause error) error

// OnDead has hook called whenever a task of the given type, or of one of its
// aliases, dies in a pool: to undo what it has begun, to tell whoever waits for it.
// A type has one hook at most, and a handler; else Err says so.
//
// The hook runs once the failure is written into the task and before the task moves
// to the dead letter queue, so that it is called at least once: again, where the
// process dies between the two or the lease is lost. It runs on the worker, under
// the task's lease, and its context ends after the time of one lease. What it
// returns, or panics with, is logged, and changes nothing: the task is dead either
// way. Tasks that a provider buries by itself, because nobody can decode them, have
// no hook.
func (r *Router) OnDead(taskType string, hook DeadHook) {
	switch {
	case hook == nil:
		r.errs = append(r.errs, fmt.Errorf("taskgen: the hook for dead tasks of type %q is nil", taskType))
	case r.onDead[taskType] != nil:
		r.errs = append(r.errs, fmt.Errorf("taskgen: there are two hooks for dead tasks of type %q", taskType))
	default:
		if r.onDead == nil {
			r.onDead = make(map[string]DeadHook)
		}
		r.onDead[taskType] = hook
	}
}

// Err returns what went wrong in registration, all of it, or nil. A pool does
// not start on a router with an error.
func (r *Router) Err() error {
	errs := slices.Clone(r.errs)
	for _, name := range slices.Sorted(maps.Keys(r.onDead)) {
		if rt := r.routes[name]; rt == nil {
			errs = append(errs, fmt.Errorf("taskgen: there is a hook for dead tasks of type %q, and no handler", name))
		} else if rt.policy.Type != name {
			errs = append(errs, fmt.Errorf("taskgen: the hook for dead tasks of %q belongs to %q, of which that is an alias", name, rt.policy.Type))
		}
	}
	return errors.Join(errs...)
}

// Types returns the registered types and aliases, sorted.
func (r *Router) Types() []string {
	names := make([]string, 0, len(r.routes))
	for name := range r.routes {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Policy returns the policy of a type, and false when it is not registered.
func (r *Router) Policy(taskType string) (Policy, bool) {
	if rt, ok := r.routes[taskType]; ok {
		return rt.policy, true
	}
	return Policy{}, false
}

// handler returns the middleware around the dispatch by type. It is built on
// first use.
func (r *Router) handler() Handler {
	r.once.Do(func() {
		r.chain = HandlerFunc(r.dispatch)
		for _, mw := range slices.Backward(r.middleware) {
			r.chain = mw(r.chain)
		}
	})
	return r.chain
}

// dispatch is the innermost handler. What the pool refuses to run and what
// panics comes out of it as an error, so that middleware sees every task end in
// the same way.
func (r *Router) dispatch(ctx context.Context, t *Task) (err error) {
	if running, ok := ctx.Value(runKey{}).(*run); ok && running.refused != nil {
		return running.refused
	}
	defer func() {
		if v := recover(); v != nil {
			err = panicked(v)
		}
	}()
	rt, ok := r.routes[t.Type]
	if !ok {
		return fmt.Errorf("%w %q: no handler is registered for it", ErrUnknownType, t.Type)
	}
	return rt.handler.Handle(ctx, t)
}

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
		data, err := spec.codec().Marshal(result)
		if err != nil {
			return Skip(fmt.Errorf("the result of task %s (%s) cannot be encoded: %w", t.ID, t.Type, err))
		}
		return SetResult(ctx, data)
	}))
}
