package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

func noop(context.Context, *Task) error { return nil }

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
		r.Handle(Policy{Type: name, Aliases: []string{"old-" + name}, Queue: "q"}, HandlerFunc(func(_ context.Context, task *Task) error {
			ran = append(ran, name+" by "+task.Type)
			return nil
		}))
	}
	require.NoError(t, r.Err())
	assert.Equal(t, []string{"a", "b", "old-a", "old-b"}, r.Types())
	for _, name := range r.Types() {
		require.NoError(t, r.handler().Handle(t.Context(), &Task{Type: name}))
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
		return HandlerFunc(func(ctx context.Context, task *Task) error {
			seen = next.Handle(ctx, task)
			return seen
		})
	})
	err := r.handler().Handle(t.Context(), &Task{Type: "x"})
	require.ErrorIs(t, err, driver.ErrUnknownType)
	require.ErrorContains(t, err, `"x": no handler is registered for it`)
	assert.Equal(t, err, seen)
}

func TestMiddlewareRunsInTheOrderItWasAdded(t *testing.T) {
	r := NewRouter()
	var order []string
	mark := func(name string) Middleware {
		return func(next Handler) Handler {
			return HandlerFunc(func(ctx context.Context, task *Task) error {
				order = append(order, name)
				return next.Handle(ctx, task)
			})
		}
	}
	r.Use(mark("a"), mark("b"))
	r.Use(mark("c"))
	r.Handle(Policy{Type: "t"}, HandlerFunc(noop))
	require.NoError(t, r.handler().Handle(t.Context(), &Task{Type: "t"}))
	require.NoError(t, r.handler().Handle(t.Context(), &Task{Type: "t"}))
	assert.Equal(t, []string{"a", "b", "c", "a", "b", "c"}, order)
}

func TestRouterKeepsEveryMistakeOfRegistration(t *testing.T) {
	r := NewRouter()
	r.Handle(Policy{Type: "a"}, HandlerFunc(noop))
	r.Handle(Policy{Type: "b", Aliases: []string{"a"}}, HandlerFunc(noop))
	r.Handle(Policy{}, HandlerFunc(noop))
	r.Handle(Policy{Type: "c"}, nil)
	Register(r, &Spec[greeting]{Type: "d"}, nil)
	RegisterWithResult[greeting, int](r, &Spec[greeting]{Type: "e"}, nil)
	require.EqualError(t, r.Err(), `taskgen: "a" is registered twice, for "a" and "b"
taskgen: a handler is registered for an empty task type
taskgen: the handler of "c" is nil
taskgen: the handler of "d" is nil
taskgen: the handler of "e" is nil`)
	policy, _ := r.Policy("a")
	assert.Equal(t, "a", policy.Type, "the first registration stands")
}

func TestRegisteredHandlerGetsThePayload(t *testing.T) {
	r := NewRouter()
	failure := errors.New("no")
	var got greeting
	Register(r, greetingSpec(), func(_ context.Context, g greeting) error {
		got = g
		return failure
	})
	require.Equal(t, failure, r.handler().Handle(t.Context(), &Task{Type: "hello", Payload: []byte(`{"name":"ada"}`)}))
	assert.Equal(t, greeting{Name: "ada"}, got)
	policy, _ := r.Policy("greeting")
	assert.False(t, policy.Result)

	got = greeting{}
	require.ErrorIs(t, r.handler().Handle(t.Context(), &Task{Type: "hello", Payload: []byte(`{}`)}), ErrInvalidTask)
	assert.Empty(t, got, "the handler sees valid payloads only")
}

// An inkling encodes itself by its pointer, as big.Int and generated messages do.
type inkling struct{ text string }

func (i *inkling) MarshalJSON() ([]byte, error) { return json.Marshal("*" + i.text) }
func (i *inkling) UnmarshalJSON(data []byte) error {
	err := json.Unmarshal(data, &i.text)
	i.text = strings.TrimPrefix(i.text, "*")
	return err
}

func TestResultThatEncodesItselfByItsPointerComesBack(t *testing.T) {
	type thought struct{ Of inkling }
	r, spec := NewRouter(), greetingSpec()
	RegisterWithResult(r, spec, func(context.Context, greeting) (thought, error) { return thought{inkling{"tea"}}, nil })
	running := new(run)
	err := r.handler().Handle(context.WithValue(t.Context(), runKey{}, running), &Task{ID: "a", Type: "greeting", Payload: []byte(`{"name":"ada"}`)})
	require.NoError(t, err)
	assert.Equal(t, `{"Of":"*tea"}`, string(running.stored()))
	got, err := Await[greeting, thought](t.Context(), resultsByID{"a": string(running.stored())}, spec, "a")
	require.NoError(t, err)
	assert.Equal(t, "tea", got.Of.text)
}

func TestPolicyIsKnownInAHandlerByAliasToo(t *testing.T) {
	_, ok := PolicyFromContext(t.Context())
	assert.False(t, ok)
	_, ok = PolicyFromContext(context.WithValue(t.Context(), runKey{}, &run{policy: &noPolicy}))
	assert.False(t, ok)
	policy := greetingSpec().Policy()
	got, ok := PolicyFromContext(context.WithValue(t.Context(), runKey{}, &run{policy: &policy}))
	assert.True(t, ok)
	assert.Equal(t, policy, got)
}

func TestRegisteredHandlersResultIsKept(t *testing.T) {
	r := NewRouter()
	failure := errors.New("no")
	RegisterWithResult(r, greetingSpec(), func(_ context.Context, g greeting) (any, error) {
		switch g.Name {
		case "nobody":
			return nil, failure
		case "odd":
			return func() {}, nil
		}
		return map[string]string{"said": g.Name}, nil
	})
	handle := func(payload string) ([]byte, error) {
		running := new(run)
		ctx := context.WithValue(t.Context(), runKey{}, running)
		err := r.handler().Handle(ctx, &Task{ID: "a", Type: "greeting", Payload: []byte(payload)})
		return running.stored(), err
	}
	result, err := handle(`{"name":"ada"}`)
	require.NoError(t, err)
	assert.Equal(t, `{"said":"ada"}`, string(result))
	policy, _ := r.Policy("greeting")
	assert.True(t, policy.Result)

	result, err = handle(`{"name":"nobody"}`)
	require.Equal(t, failure, err)
	assert.Nil(t, result)
	_, err = handle(`{"name":7}`)
	require.ErrorIs(t, err, ErrInvalidTask)
	_, err = handle(`{"name":"odd"}`)
	require.ErrorContains(t, err, "the result of task a (greeting) cannot be encoded")
	assert.False(t, DefaultRetryable(err), "it would be the same the next time")

	err = r.handler().Handle(t.Context(), &Task{Type: "greeting", Payload: []byte(`{"name":"ada"}`)})
	require.ErrorContains(t, err, "outside of a handler")
}
