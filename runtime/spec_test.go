package runtime

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type greeting struct {
	Name string `json:"name"`
	To   string `json:"to,omitempty"`
}

func greetingSpec() *Spec[greeting] {
	return &Spec[greeting]{
		Type: "greeting", Aliases: []string{"hello"}, Queue: "q", Timeout: time.Minute, Priority: 2, Retry: RetryPolicy{Max: 4},
		UniqueKey: func(g *greeting) string { return "u-" + g.Name }, UniqueFor: time.Hour,
		GroupKey: func(g *greeting) string { return "g-" + g.Name },
		Validate: func(g *greeting) error {
			if g.Name == "" {
				return Missing("greeting", "name")
			}
			return nil
		},
		Secrets: []string{"to"}, Concurrency: 3, Rate: Rate{5, time.Second}, Retention: time.Hour, SchemaVersion: 6,
	}
}

// shouting is a codec that is told apart from the default one.
type shouting struct{ Codec }

func (s shouting) Marshal(v any) ([]byte, error) {
	data, err := s.Codec.Marshal(v)
	return []byte(strings.ToUpper(string(data))), err
}

func TestSpecFillsATask(t *testing.T) {
	now := time.Unix(5, 0)
	task := new(Task)
	require.NoError(t, greetingSpec().fill(task, &greeting{Name: "ada"}, now))
	task.checked = nil
	assert.Equal(t, &Task{
		Type: "greeting", Queue: "q", Payload: []byte(`{"name":"ada"}`), Priority: 2, GroupKey: "g-ada", UniqueKey: "u-ada",
		UniqueFor: time.Hour, CreatedAt: now, MaxRetries: 4, Timeout: time.Minute, SchemaVersion: 6,
	}, task)
}

func TestSpecUsesItsCodec(t *testing.T) {
	spec := &Spec[greeting]{Type: "t", Queue: "q", Codec: shouting{JSON}}
	task := new(Task)
	require.NoError(t, spec.fill(task, &greeting{Name: "ada"}, time.Unix(5, 0)))
	assert.Equal(t, `{"NAME":"ADA"}`, string(task.Payload))
	assert.False(t, task.knownJSON(), "what another codec writes is validated")
	got, err := spec.Decode(task)
	require.NoError(t, err)
	assert.Equal(t, greeting{Name: "ADA"}, got)
}

func TestSpecRefusesWhatItCannotEncode(t *testing.T) {
	cyclic := map[string]any{}
	cyclic["self"] = cyclic
	task := new(Task)
	err := (&Spec[map[string]any]{Type: "t"}).fill(task, &cyclic, time.Unix(5, 0))
	require.ErrorIs(t, err, ErrInvalidTask)
	require.ErrorContains(t, err, "a task of type t")
	assert.Equal(t, &Task{}, task)
}

func TestSpecValidatesOnBothSides(t *testing.T) {
	spec := greetingSpec()
	err := spec.fill(new(Task), &greeting{}, time.Unix(5, 0))
	require.ErrorIs(t, err, ErrInvalidTask)
	require.EqualError(t, err, `taskgen: invalid task: a task of type greeting needs "name"`)
	_, err = spec.Decode(&Task{Payload: []byte("{}")})
	require.ErrorIs(t, err, ErrInvalidTask)

	foreign := errors.New("it does not rhyme")
	spec.Validate = func(*greeting) error { return foreign }
	_, err = spec.Decode(&Task{Payload: []byte("{}")})
	require.ErrorIs(t, err, ErrInvalidTask, "whatever the error, a retry cannot mend it")
	require.ErrorIs(t, err, foreign)
}

func TestDecodeNamesTheTask(t *testing.T) {
	for says, task := range map[string]*Task{
		"the payload of task a (greeting)":  {ID: "a", Type: "greeting", Payload: []byte(`{"name":7}`)},
		"task b (greeting) is encoded as":   {ID: "b", Type: "greeting", Payload: []byte(`{"name":"x"}`), Encoding: "zstd,aes-gcm"},
		`encoded as "zstd,aes-gcm"`:         {ID: "b", Type: "greeting", Payload: []byte(`{"name":"x"}`), Encoding: "zstd,aes-gcm"},
		"unexpected end of JSON input":      {ID: "c", Type: "greeting"},
		"cannot unmarshal array into Go va": {ID: "d", Type: "greeting", Payload: []byte(`[]`)},
	} {
		_, err := greetingSpec().Decode(task)
		require.ErrorIs(t, err, ErrInvalidTask)
		require.ErrorContains(t, err, says)
	}
	_, err := greetingSpec().Decode(&Task{Payload: []byte(`{"name":7}`)})
	var detail *json.UnmarshalTypeError
	require.ErrorAs(t, err, &detail)
}

func TestPolicyIsTheWorkersSideOfASpec(t *testing.T) {
	assert.Equal(t, Policy{
		Type: "greeting", Aliases: []string{"hello"}, Queue: "q", Timeout: time.Minute, Retry: RetryPolicy{Max: 4}, Concurrency: 3,
		Rate: Rate{5, time.Second}, Secrets: []string{"to"}, Retention: time.Hour,
	}, greetingSpec().Policy())
}

func TestShallowSeesDepthWithoutReading(t *testing.T) {
	assert.True(t, shallow([]byte(strings.Repeat("[", 20_000))), "too short to be valid and deep")
	assert.False(t, shallow([]byte(strings.Repeat("[", 10_001)+strings.Repeat("]", 10_001))))
	assert.True(t, shallow(fmt.Appendf(nil, "%q", strings.Repeat("a", 100_000))))
}
