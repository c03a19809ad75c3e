package runtime

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// resultsByID is a Results of what is there already.
type resultsByID map[string]string

func (r resultsByID) Await(_ context.Context, id string) ([]byte, error) {
	if data, ok := r[id]; ok {
		return []byte(data), nil
	}
	return nil, ErrTaskFailed
}

func TestAwaitDecodesTheResult(t *testing.T) {
	from := resultsByID{"a": `{"name":"ada"}`, "b": `{"name":7}`}
	got, err := Await[greeting, greeting](t.Context(), from, greetingSpec(), "a")
	require.NoError(t, err)
	assert.Equal(t, greeting{Name: "ada"}, got)
	_, err = Await[greeting, greeting](t.Context(), from, greetingSpec(), "b")
	require.ErrorContains(t, err, "the result of task b (greeting): name: number stands where a string is due")
	_, err = Await[greeting, greeting](t.Context(), from, greetingSpec(), "c")
	require.ErrorIs(t, err, ErrTaskFailed)
}

func TestTaskAndResultBelongToAHandler(t *testing.T) {
	_, ok := TaskFromContext(t.Context())
	assert.False(t, ok)
	require.EqualError(t, SetResult(t.Context(), []byte("1")), "taskgen: SetResult is called outside of a handler")

	running := &run{info: TaskInfo{Task: &Task{ID: "a"}, Attempt: 2}}
	ctx := context.WithValue(t.Context(), runKey{}, running)
	info, ok := TaskFromContext(ctx)
	require.True(t, ok)
	assert.Equal(t, "a", info.ID)
	assert.Equal(t, 2, info.Attempt)
	require.NoError(t, SetResult(ctx, []byte("1")))
	assert.Equal(t, "1", string(running.stored()))
}

// upper and starred are encodings of results.
func upper(t *Task) *Task   { return t.Encoded("upper", bytes.ToUpper(t.Payload)) }
func starred(t *Task) *Task { return t.Encoded("starred", append([]byte(t.ID+"*"), t.Payload...)) }

func unstarred(t *Task) (*Task, error) {
	if t.LastEncoding() != "starred" {
		return t, nil
	}
	rest, ok := bytes.CutPrefix(t.Payload, []byte(t.ID+"*"))
	if !ok {
		return nil, errors.New("it belongs to another task")
	}
	return t.Decoded(rest), nil
}

func TestEncodedResultsAreToldFromPlainOnes(t *testing.T) {
	running := &run{info: TaskInfo{Task: &Task{ID: "a", Type: "greeting"}}}
	ctx := context.WithValue(t.Context(), runKey{}, running)
	EncodeResult(ctx, starred)
	EncodeResult(ctx, upper)
	assert.Nil(t, running.stored(), "there is no result to be encoded")
	require.NoError(t, SetResult(ctx, []byte(`{"name":"ada"}`)))
	from := resultsByID{"a": string(running.stored()), "b": `{"name":"bob"}`, "c": string(running.stored()), "odd": "\x00"}
	assert.Equal(t, "\x00upper,starred\x00a*{\"NAME\":\"ADA\"}", from["a"], "the innermost encodes first")

	_, err := Await[greeting, greeting](t.Context(), from, greetingSpec(), "a")
	require.ErrorContains(t, err, `the result of task a (greeting) is encoded as "upper,starred"`)
	opened := DecodeResults(from, unstarred)
	_, err = Await[greeting, greeting](t.Context(), opened, greetingSpec(), "a")
	require.ErrorContains(t, err, `is encoded as "upper"`)
	opened = DecodeResults(opened, func(t *Task) (*Task, error) {
		if t.Encoding == "" {
			return t, nil
		}
		return t.Decoded(bytes.ToLower(t.Payload)), nil
	})
	for id, want := range map[string]string{"a": "ada", "b": "bob"} {
		got, err := Await[greeting, greeting](t.Context(), opened, greetingSpec(), id)
		require.NoError(t, err)
		assert.Equal(t, greeting{Name: want}, got)
	}
	_, err = opened.Await(t.Context(), "c")
	require.EqualError(t, err, "it belongs to another task")
	_, err = opened.Await(t.Context(), "d")
	require.ErrorIs(t, err, ErrTaskFailed)
	_, err = Await[greeting, greeting](t.Context(), opened, greetingSpec(), "odd")
	require.ErrorContains(t, err, "it is no JSON")
	EncodeResult(t.Context(), starred) // outside of a handler nothing happens
}

// slowResults is a store that takes its time.
type slowResults struct {
	driver.ResultStore
	takes time.Duration
}

func (s slowResults) PutResult(context.Context, string, []byte, string, time.Duration) error {
	time.Sleep(s.takes)
	return nil
}

func TestStoringAResultTakesNothingFromTheNextTasksTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		b.r.Handle(Policy{Type: "job", Queue: "q", Result: true, Timeout: 2 * time.Second}, HandlerFunc(func(ctx context.Context, task *Task) error {
			info, _ := TaskFromContext(ctx)
			assert.Equal(t, 2*time.Second, time.Until(info.Deadline), task.ID)
			time.Sleep(time.Second)
			return ctx.Err()
		}))
		b.put("a", "b", "c")
		assert.Equal(t, 3, b.drain(PoolConfig{Workers: 1, Results: slowResults{takes: 5 * time.Second}}))
		assert.Equal(t, []string{"a", "b", "c"}, b.q().completed())
	})
}

func TestPanicOfAResultsDecoderQuotesNothingOfATypeWithSecrets(t *testing.T) {
	type token struct {
		Value touchyResult `json:"value" task:"secret"`
	}
	_, err := Await[string, token](t.Context(), resultsByID{"a": `{"value":"hunter2"}`}, &Spec[string]{Type: "login"}, "a")
	assert.EqualError(t, err, "the result of task a (login): its codec panicked: a value of type string, whose text is left out for it may quote a secret")
}

// A touchyResult panics with what it cannot read.
type touchyResult struct{}

func (*touchyResult) UnmarshalText(text []byte) error { panic("bad value: " + string(text)) }
