package pool

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A routing is a pool's own copy of a router: no later registration changes it.
type routing struct {
	routes     map[string]*route
	onDead     map[string]DeadHook
	middleware []Middleware
	handler    Handler // the middleware around dispatch
	registered int     // how many registrations it has
	limits     bool    // some type has a limit
}

// routing returns the router as it is, and all mistakes of registration.
func (r *Router) routing() (*routing, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	x := &routing{
		routes: maps.Clone(r.routes), onDead: maps.Clone(r.onDead), middleware: slices.Clone(r.middleware),
		registered: len(r.registered),
	}
	x.handler = HandlerFunc(x.dispatch)
	return x, errors.Join(r.mistakesLocked()...)
}

// wrap puts the middleware around dispatch.
func (x *routing) wrap() {
	for _, mw := range slices.Backward(x.middleware) {
		x.handler = mw(x.handler)
	}
}

// started tells the router that a pool uses x: later registrations are too late for it,
// and logged.
func (r *Router) started(x *routing, log *slog.Logger) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.first, r.log = cmp.Or(r.first, x), log
}

// changed reports whether something was registered since x was taken.
func (r *Router) changed(x *routing) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.registered) > x.registered
}

// dispatch is the innermost handler. A refusal of the pool or a panic comes out of it
// as an error, so that middleware sees every task end in the same way.
func (x *routing) dispatch(ctx context.Context, t *driver.Task) (err error) {
	if len(x.onDead) > 0 {
		if plain, ok := ctx.Value(plainKey{}).(*atomic.Pointer[driver.Task]); ok {
			plain.Store(t)
		}
	}
	if running, ok := ctx.Value(runKey{}).(*execution); ok && running.refused != nil {
		return running.refused
	}
	defer func() {
		if v := recover(); v != nil {
			err = driver.Recovered(v)
		}
	}()
	rt, ok := x.routes[t.Type]
	if !ok {
		return fmt.Errorf("%w %q: no handler is registered for it", driver.ErrUnknownType, t.Type)
	}
	return rt.handler.Handle(ctx, t)
}

// withResults are the types that have results, aliases included.
func (x *routing) withResults() (types []string) {
	for name, rt := range x.routes {
		if rt.policy.Result {
			types = append(types, name)
		}
	}
	return types
}
