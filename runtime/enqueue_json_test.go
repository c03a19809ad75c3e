package runtime

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNewTaskJSONMakesTheTaskThatNewTaskMakes(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	for name, spec := range map[string]*Spec[greeting]{
		"the default codec":  greetingSpec(),
		"a codec of its own": {Type: "greeting", Queue: "q", Codec: shouting{JSON}, UniqueKey: func(g *greeting) string { return g.Name }},
	} {
		want, err := NewTask(spec, &greeting{Name: "ada", To: "bob"}, now, WithID("a"), WithDelay(time.Hour))
		require.NoError(t, err, name)
		got, err := spec.NewTaskJSON([]byte("{ \"to\": \"bob\",\n\"name\": \"ada\" }\n"), now, WithID("a"), WithDelay(time.Hour))
		require.NoError(t, err, name)
		assert.Equal(t, want, got, name)
	}
}

func TestNewTaskJSONRefusesWhatNobodyWouldRead(t *testing.T) {
	spec := greetingSpec()
	spec.Secrets = nil
	for payload, says := range map[string]string{
		``:                              "EOF",
		`{"name":"ada"`:                 "unexpected EOF",
		`{"name":7}`:                    "cannot unmarshal number",
		`{"name":"ada","nickname":"a"}`: `unknown field "nickname"`,
		`{"name":"ada"} {}`:             "there is more behind the JSON value",
		`{"name":"ada"} hm`:             "there is more behind the JSON value",
		`{}`:                            `needs "name"`,
	} {
		got, err := spec.NewTaskJSON([]byte(payload), time.Unix(5, 0))
		require.ErrorIs(t, err, ErrInvalidTask, payload)
		require.ErrorContains(t, err, says, payload)
		assert.ErrorContains(t, err, "greeting", payload)
		assert.Nil(t, got, payload)
	}
	rhymes := errors.New("it does not rhyme")
	spec.Validate = func(*greeting) error { return rhymes }
	_, err := spec.NewTaskJSON([]byte(`{"name":"ada"}`), time.Unix(5, 0))
	require.ErrorIs(t, err, rhymes)
}

func TestNewTaskJSONQuotesNothingOfATypeWithSecrets(t *testing.T) {
	for _, payload := range []string{
		`{"name":"ada","hunter2":1}`, `{"name":{"hunter2":1}}`, `{"name":"ada"} hunter2`, `hunter2`, `{"name":"hunter2`, `"hunter2"`, `["hunter2"]`,
	} {
		_, err := greetingSpec().NewTaskJSON([]byte(payload), time.Unix(5, 0))
		require.ErrorIs(t, err, ErrInvalidTask, payload)
		assert.NotContains(t, err.Error(), "hunter2", payload)
	}
	spec := &Spec[struct {
		Card touchy `json:"card" task:"secret"`
	}]{Type: "pay", Queue: "q"}
	_, err := spec.NewTaskJSON([]byte(`{"card":"hunter2"}`), time.Unix(5, 0))
	require.ErrorIs(t, err, ErrInvalidTask, "a decoder that panics")
	assert.NotContains(t, err.Error(), "hunter2")
}
