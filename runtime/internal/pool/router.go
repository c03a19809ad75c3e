package pool

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A Router is the Router of package runtime, which documents the methods. Each pool that
// is started takes a routing of it.
type Router struct {
	mu         sync.Mutex
	routes     map[string]*route
	middleware []Middleware
	onDead     map[string]DeadHook // by type, not by alias
	errs       []error

	registered []string     // registrations, in order
	first      *routing     // of the first pool that was started with it
	log        *slog.Logger // of the last one; nil: slog.Default
}

type route struct {
	policy  Policy
	handler Handler
}

// NewRouter returns a router without handlers.
func NewRouter() *Router { return &Router{routes: make(map[string]*route)} }

// Use adds middleware. The first added is the outermost.
func (r *Router) Use(mw ...Middleware) {
	if len(mw) == 0 {
		return
	}
	r.register("middleware", func() {
		for _, m := range mw {
			if m == nil {
				r.wrongLocked("a middleware is nil")
				continue
			}
			r.middleware = append(r.middleware, m)
		}
	})
}

// Handle registers the handler of a type and its aliases.
func (r *Router) Handle(policy Policy, h Handler) {
	r.register(fmt.Sprintf("the handler of %q", policy.Type), func() { r.handleLocked(policy, h) })
}

func (r *Router) handleLocked(policy Policy, h Handler) {
	if h == nil {
		r.wrongLocked("the handler of %q is nil", policy.Type)
		return
	}
	rt := &route{policy: policy, handler: h}
	for _, name := range append([]string{policy.Type}, policy.Aliases...) {
		switch other, taken := r.routes[name]; {
		case name == "":
			r.wrongLocked("a handler is registered for an empty task type")
		case taken:
			r.wrongLocked("%q is registered twice, for %q and %q", name, other.policy.Type, policy.Type)
		default:
			r.routes[name] = rt
		}
	}
}

// register changes the router. A pool that was started before works without the change:
// so it is logged, and Err has it.
func (r *Router) register(what string, change func()) {
	r.mu.Lock()
	change()
	r.registered = append(r.registered, what)
	late, log := r.first != nil, cmp.Or(r.log, slog.Default())
	r.mu.Unlock()
	if late {
		log.Error("the router was changed after a pool was started with it", slog.Any("error", errLate(what)))
	}
}

func errLate(what string) error {
	return fmt.Errorf("taskgen: %s came after a pool was started with the router: it works without that until it is started again; register everything first", what)
}

// sinceLocked lists the registrations after a routing was taken, as errors; none for
// nil.
func (r *Router) sinceLocked(x *routing) (errs []error) {
	if x == nil {
		return nil
	}
	for _, what := range r.registered[x.registered:] {
		errs = append(errs, errLate(what))
	}
	return errs
}

// wrongLocked records a mistake.
func (r *Router) wrongLocked(format string, args ...any) {
	r.errs = append(r.errs, fmt.Errorf("taskgen: "+format, args...))
}

// A DeadHook is called with a task that dies, and why. Package runtime documents it.
type DeadHook func(ctx context.Context, t *driver.Task, cause error) error

// OnDead registers the hook of a type.
func (r *Router) OnDead(taskType string, hook DeadHook) {
	r.register(fmt.Sprintf("the hook for dead tasks of type %q", taskType), func() {
		switch {
		case hook == nil:
			r.wrongLocked("the hook for dead tasks of type %q is nil", taskType)
		case r.onDead[taskType] != nil:
			r.wrongLocked("there are two hooks for dead tasks of type %q", taskType)
		default:
			if r.onDead == nil {
				r.onDead = make(map[string]DeadHook)
			}
			r.onDead[taskType] = hook
		}
	})
}

// Err returns all mistakes of registration, and the registrations that came too late.
func (r *Router) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return errors.Join(slices.Concat(r.mistakesLocked(), r.sinceLocked(r.first))...)
}

// mistakesLocked are the mistakes that NewPool refuses.
func (r *Router) mistakesLocked() []error {
	errs := slices.Clone(r.errs)
	for _, name := range slices.Sorted(maps.Keys(r.onDead)) {
		if rt := r.routes[name]; rt == nil {
			errs = append(errs, fmt.Errorf("taskgen: there is a hook for dead tasks of type %q, and no handler", name))
		} else if rt.policy.Type != name {
			errs = append(errs, fmt.Errorf("taskgen: the hook for dead tasks of %q belongs to %q, of which that is an alias", name, rt.policy.Type))
		}
	}
	return errs
}

// Types returns the registered types and aliases, sorted.
func (r *Router) Types() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.routes))
}

// Policy returns the policy of a type, and false if it is not registered.
func (r *Router) Policy(taskType string) (Policy, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if rt, ok := r.routes[taskType]; ok {
		return rt.policy, true
	}
	return Policy{}, false
}
