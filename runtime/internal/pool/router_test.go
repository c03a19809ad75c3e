package pool

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

func noop(context.Context, *driver.Task) error { return nil }

// handler is what a pool would call, made now.
func (r *Router) handler() Handler {
	x, _ := r.routing()
	x.wrap()
	return x.handler
}

func TestRouterFindsHandlersByTypeAndAlias(t *testing.T) {
	r := NewRouter()
	var ran []string
	for _, name := range []string{"a", "b"} {
		r.Handle(Policy{Type: name, Aliases: []string{"old-" + name}, Queue: "q"}, HandlerFunc(func(_ context.Context, task *driver.Task) error {
			ran = append(ran, name+" by "+task.Type)
			return nil
		}))
	}
	require.NoError(t, r.Err())
	assert.Equal(t, []string{"a", "b", "old-a", "old-b"}, r.Types())
	for _, name := range r.Types() {
		require.NoError(t, r.handler().Handle(t.Context(), &driver.Task{Type: name}))
	}
	assert.Equal(t, []string{"a by a", "b by b", "a by old-a", "b by old-b"}, ran)
	for name, want := range map[string]bool{"a": true, "old-a": true, "A": false, "old": false, "": false} {
		policy, ok := r.Policy(name)
		assert.Equal(t, want, ok, name)
		if ok {
			assert.Equal(t, "a", policy.Type)
		}
	}
}

func TestRouterRefusesUnknownTypesBehindItsMiddleware(t *testing.T) {
	r := NewRouter()
	var seen error
	r.Use(func(next Handler) Handler {
		return HandlerFunc(func(ctx context.Context, task *driver.Task) error {
			seen = next.Handle(ctx, task)
			return seen
		})
	})
	err := r.handler().Handle(t.Context(), &driver.Task{Type: "x"})
	require.ErrorIs(t, err, driver.ErrUnknownType)
	require.ErrorContains(t, err, `"x": no handler is registered for it`)
	assert.Equal(t, err, seen)
}

func TestMiddlewareRunsInTheOrderItWasAdded(t *testing.T) {
	r := NewRouter()
	var order []string
	mark := func(name string) Middleware {
		return func(next Handler) Handler {
			return HandlerFunc(func(ctx context.Context, task *driver.Task) error {
				order = append(order, name)
				return next.Handle(ctx, task)
			})
		}
	}
	r.Use(mark("a"), mark("b"))
	r.Use(mark("c"))
	r.Handle(Policy{Type: "t"}, HandlerFunc(noop))
	require.NoError(t, r.handler().Handle(t.Context(), &driver.Task{Type: "t"}))
	require.NoError(t, r.handler().Handle(t.Context(), &driver.Task{Type: "t"}))
	assert.Equal(t, []string{"a", "b", "c", "a", "b", "c"}, order)
}

func TestRouterKeepsEveryMistakeOfRegistration(t *testing.T) {
	r := NewRouter()
	r.Handle(Policy{Type: "a"}, HandlerFunc(noop))
	r.Handle(Policy{Type: "b", Aliases: []string{"a"}}, HandlerFunc(noop))
	r.Handle(Policy{}, HandlerFunc(noop))
	r.Handle(Policy{Type: "c"}, nil)
	require.EqualError(t, r.Err(), `taskgen: "a" is registered twice, for "a" and "b"
taskgen: a handler is registered for an empty task type
taskgen: the handler of "c" is nil`)
	policy, _ := r.Policy("a")
	assert.Equal(t, "a", policy.Type, "the first registration stands")
}

func TestPolicyIsKnownInAHandlerByAliasToo(t *testing.T) {
	info, ok := TaskFromContext(context.WithValue(t.Context(), runKey{}, &execution{policy: &noPolicy}))
	assert.True(t, ok)
	assert.Empty(t, info.Policy)
	policy := Policy{Type: "greeting", Aliases: []string{"hello"}, Queue: "q"}
	info, ok = TaskFromContext(context.WithValue(t.Context(), runKey{}, &execution{policy: &policy}))
	assert.True(t, ok)
	assert.Equal(t, policy, info.Policy)
}
