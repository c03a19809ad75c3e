package runtime

import (
	"bytes"
	"context"
	"errors"
	"testing"

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

func TestEncodedResultsAreDistinguishedFromPlainOnes(t *testing.T) {
	encoded := func(result []byte) string {
		r := NewRouter()
		r.Handle(Policy{Type: "greeting", Result: true}, HandlerFunc(func(ctx context.Context, _ *Task) error {
			EncodeResult(ctx, starred)
			EncodeResult(ctx, upper)
			if result == nil {
				return nil
			}
			return SetResult(ctx, result)
		}))
		stored, err := handled(t, r, &Task{ID: "a", Type: "greeting", Payload: []byte("1")})
		require.NoError(t, err)
		return string(stored)
	}
	assert.Empty(t, encoded(nil), "there is no result to be encoded")
	data := encoded([]byte(`{"name":"ada"}`))
	from := resultsByID{"a": data, "b": `{"name":"bob"}`, "c": data, "odd": "\x00"}
	assert.Equal(t, "\x00upper,starred\x00a*{\"NAME\":\"ADA\"}", from["a"], "the innermost encodes first")

	_, err := Await[greeting, greeting](t.Context(), from, greetingSpec(), "a")
	require.ErrorContains(t, err, `the result of task a (greeting) is encoded as "upper,starred"`)
	opened := driver.DecodeResults(from, unstarred)
	_, err = Await[greeting, greeting](t.Context(), opened, greetingSpec(), "a")
	require.ErrorContains(t, err, `is encoded as "upper"`)
	opened = driver.DecodeResults(opened, func(t *Task) (*Task, error) {
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
