package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
)

// An onlyResult is a store that keeps the last result.
type onlyResult struct {
	driver.ResultStore
	result []byte
}

func (s *onlyResult) PutResult(_ context.Context, _ string, result []byte, _ string, _ time.Duration) error {
	s.result = result
	return nil
}

// handled has a pool run one task, and returns its result and what came out of its handler.
func handled(t *testing.T, r *Router, task *Task) (result []byte, err error) {
	t.Helper()
	provider, m := memory.New(), NewManager(ManagerConfig{})
	require.NoError(t, m.Open(t.Context(), provider, QueueConfig{Name: "q"}))
	r.Use(func(next Handler) Handler {
		return HandlerFunc(func(ctx context.Context, task *Task) error {
			err = next.Handle(ctx, task)
			return err
		})
	})
	store := new(onlyResult)
	p, perr := NewPool(m, r, PoolConfig{Results: store, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, perr)
	task.Queue = "q"
	_, perr = m.Enqueue(t.Context(), []*Task{task})
	require.NoError(t, perr)
	runs, perr := p.Drain(t.Context())
	require.NoError(t, perr)
	require.Equal(t, 1, runs)
	require.NoError(t, errors.Join(m.Close(), provider.Close()))
	return store.result, err
}

func TestRegisteringNoHandlerIsAMistake(t *testing.T) {
	r := NewRouter()
	Register(r, &Spec[greeting]{Type: "d"}, nil)
	RegisterWithResult[greeting, int](r, &Spec[greeting]{Type: "e"}, nil)
	require.EqualError(t, r.Err(), `taskgen: the handler of "d" is nil
taskgen: the handler of "e" is nil`)
}

func TestRegisteredHandlerGetsThePayload(t *testing.T) {
	failure := errors.New("no")
	var got greeting
	router := func() *Router {
		r := NewRouter()
		Register(r, greetingSpec(), func(_ context.Context, g greeting) error {
			got = g
			return failure
		})
		policy, _ := r.Policy("greeting")
		assert.False(t, policy.Result)
		return r
	}
	_, err := handled(t, router(), &Task{Type: "hello", Payload: []byte(`{"name":"ada"}`)})
	require.Equal(t, failure, err)
	assert.Equal(t, greeting{Name: "ada"}, got)

	got = greeting{}
	_, err = handled(t, router(), &Task{Type: "hello", Payload: []byte(`{}`)})
	require.ErrorIs(t, err, ErrInvalidTask)
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
	r := NewRouter()
	RegisterWithResult(r, greetingSpec(), func(context.Context, greeting) (thought, error) { return thought{inkling{"tea"}}, nil })
	result, err := handled(t, r, &Task{ID: "a", Type: "greeting", Payload: []byte(`{"name":"ada"}`)})
	require.NoError(t, err)
	assert.Equal(t, `{"Of":"*tea"}`, string(result))
	got, err := Await[greeting, thought](t.Context(), resultsByID{"a": string(result)}, greetingSpec(), "a")
	require.NoError(t, err)
	assert.Equal(t, "tea", got.Of.text)
}

func TestRegisteredHandlersResultIsKept(t *testing.T) {
	failure := errors.New("no")
	handle := func(payload string) ([]byte, error) {
		r := NewRouter()
		RegisterWithResult(r, greetingSpec(), func(_ context.Context, g greeting) (any, error) {
			switch g.Name {
			case "nobody":
				return nil, failure
			case "odd":
				return func() {}, nil
			}
			return map[string]string{"said": g.Name}, nil
		})
		policy, _ := r.Policy("greeting")
		assert.True(t, policy.Result)
		return handled(t, r, &Task{ID: "a", Type: "greeting", Payload: []byte(payload)})
	}
	result, err := handle(`{"name":"ada"}`)
	require.NoError(t, err)
	assert.Equal(t, `{"said":"ada"}`, string(result))

	result, err = handle(`{"name":"nobody"}`)
	require.Equal(t, failure, err)
	assert.Nil(t, result)
	_, err = handle(`{"name":7}`)
	require.ErrorIs(t, err, ErrInvalidTask)
	_, err = handle(`{"name":"odd"}`)
	require.ErrorContains(t, err, "the result of task a (greeting) cannot be encoded")
	assert.False(t, DefaultRetryable(err), "it would be the same the next time")
}
