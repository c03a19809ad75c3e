package runtime

import (
	"context"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type lossyText string

func (t lossyText) MarshalText() ([]byte, error) { return []byte(t), nil }

type lossyPart struct {
	Note string `json:"note,omitempty"`
}

type lossyPayload struct {
	Text  string            `json:"text"`
	Parts []lossyPart       `json:"parts"`
	Keys  map[string]string `json:"keys"`
	Own   lossyText         `json:"own"`
	Raw   json.RawMessage   `json:"raw,omitempty"`
	Bytes []byte            `json:"bytes"`
	Any   any               `json:"any"`
	More  map[string]any    `json:"more"`
	Big   int64             `json:"big"`
	Skip  string            `json:"-"`
	*lossyPart
}

func lossOf(t *testing.T, v lossyPayload) error {
	t.Helper()
	spec := &Spec[lossyPayload]{Type: "lossy", Queue: "q"}
	_, err := NewTask(spec, &v, time.Unix(0, 0))
	return err
}

func TestWhatJSONChangesInSilenceIsRefused(t *testing.T) {
	const bad = "caf\xe9"
	for where, v := range map[string]lossyPayload{
		"text is not valid UTF-8":         {Text: bad},
		"parts[].note is not valid UTF-8": {Parts: []lossyPart{{}, {Note: bad}}},
		"keys{} is not valid UTF-8":       {Keys: map[string]string{bad: ""}},
		"own is not valid UTF-8":          {Own: bad},
		"any[] is not valid UTF-8":        {Any: []string{bad}},
		"note is not valid UTF-8":         {lossyPart: &lossyPart{Note: bad}},
		"any holds an integer":            {Any: int64(1<<53 + 1)},
		"more{} holds an integer":         {More: map[string]any{"id": []uint64{math.MaxUint64}}},
		"any holds an integer in an":      {Any: struct{ ID int64 }{math.MaxInt64}},
	} {
		err := lossOf(t, v)
		require.ErrorIs(t, err, ErrInvalidTask, where)
		require.ErrorContains(t, err, strings.Split(where, " is")[0])
		assert.NotContains(t, err.Error(), "caf", "the value itself stays out of the error")
		assert.ErrorContains(t, err, where)
	}
}

func TestWhatJSONKeepsIsNotRefused(t *testing.T) {
	for name, v := range map[string]lossyPayload{
		"the replacement character":        {Text: "\ufffd", Own: "\ufffd"},
		"an escape that somebody sends":    {Raw: json.RawMessage(`"\ufffd"`)},
		"bytes":                            {Bytes: []byte("caf\xe9")},
		"a field that stays":               {Skip: "caf\xe9"},
		"a backslash before it":            {Text: `\ufffd`},
		"a long number with a type":        {Big: math.MaxInt64, Any: "x"},
		"a long number that is a float":    {Any: int64(1) << 60, Big: math.MaxInt64},
		"a long row of digits in a string": {Any: "90071992547409931234"},
		"a fraction":                       {Any: 0.1234567890123456789},
	} {
		require.NoError(t, lossOf(t, v), name)
	}
}

func TestAResultThatJSONChangesFailsItsTask(t *testing.T) {
	r, spec := NewRouter(), &Spec[struct{}]{Type: "t", Queue: "q"}
	RegisterWithResult(r, spec, func(context.Context, struct{}) (string, error) { return "caf\xe9", nil })
	_, err := handled(t, r, &Task{ID: "a", Type: "t", Payload: []byte("{}")})
	require.ErrorContains(t, err, "the result of task a (t): the value is not valid UTF-8")
}
