package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/generated"
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
				return generated.Missing("greeting", "name")
			}
			return nil
		},
		Secrets: []string{"to"}, Concurrency: 3, Rate: Rate{Limit: 5, Per: time.Second}, Retention: time.Hour, SchemaVersion: 6, Shape: "0123456789ab", Reads: []string{"00fe5a9d0b1c"},
	}
}

// shouting is a codec that differs visibly from the default one.
type shouting struct{ Codec }

func (s shouting) Marshal(v any) ([]byte, error) {
	data, err := s.Codec.Marshal(v)
	return []byte(strings.ToUpper(string(data))), err
}

func TestSpecFillsATask(t *testing.T) {
	now := time.Unix(5, 0)
	task := new(Task)
	require.NoError(t, greetingSpec().fill(task, &greeting{Name: "ada"}, now))
	want := &Task{
		Type: "greeting", Queue: "q", Priority: 2, GroupKey: "g-ada", UniqueKey: "u-ada",
		UniqueFor: time.Hour, CreatedAt: now, MaxRetries: 4, Timeout: time.Minute, SchemaVersion: 6, Shape: "0123456789ab",
	}
	driver.SetJSON(want, []byte(`{"name":"ada"}`))
	assert.Equal(t, want, task)
}

func TestSpecUsesItsCodec(t *testing.T) {
	spec := &Spec[greeting]{Type: "t", Queue: "q", Codec: shouting{JSON}}
	task := new(Task)
	require.NoError(t, spec.fill(task, &greeting{Name: "ada"}, time.Unix(5, 0)))
	assert.Equal(t, `{"NAME":"ADA"}`, string(task.Payload))
	got, err := spec.Decode(task)
	require.NoError(t, err)
	assert.Equal(t, greeting{Name: "ADA"}, got)
}

func TestWhatACodecOfOnesOwnWritesIsValidated(t *testing.T) {
	task := &Task{ID: "a"}
	require.NoError(t, (&Spec[greeting]{Type: "t", Queue: "q", Codec: mumbling{JSON}}).fill(task, &greeting{}, time.Unix(5, 0)))
	assert.ErrorIs(t, task.Validate(), ErrInvalidTask)
}

// mumbling is a codec that writes no JSON.
type mumbling struct{ Codec }

func (mumbling) Marshal(any) ([]byte, error) { return []byte("hm"), nil }

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
		"it is no JSON, from byte 0 of 0":   {ID: "c", Type: "greeting"},
		"array stands where a runtime.gree": {ID: "d", Type: "greeting", Payload: []byte(`[]`)},
	} {
		_, err := greetingSpec().Decode(task)
		require.ErrorIs(t, err, ErrInvalidTask)
		require.ErrorContains(t, err, says)
	}
	open := greetingSpec()
	open.Secrets = nil
	_, err := open.Decode(&Task{Payload: []byte(`{"name":7}`)})
	var detail *json.UnmarshalTypeError
	require.ErrorAs(t, err, &detail)
}

// A confession has secrets of all kinds of type.
type confession struct {
	Expiry  time.Time           `json:"expiry"`
	PIN     int8                `json:"pin"`
	Quoted  int                 `json:"quoted,string"`
	Key     [2]byte             `json:"api.key"`
	ByYear  map[int]int         `json:"by_year"`
	ByName  map[string]int      `json:"by_name"`
	Blamed  blamed              `json:"blamed"`
	Persons []struct{ Age int } `json:"persons"`
}

// A blamed quotes what it cannot read, and what it cannot write.
type blamed struct{ text string }

func (b blamed) MarshalText() ([]byte, error) { return nil, errors.New("bad value: " + b.text) }
func (b *blamed) UnmarshalText(text []byte) error {
	return fmt.Errorf("bad value: %s", text)
}

func TestErrorsOfTheCodecQuoteNothingOfATypeWithSecrets(t *testing.T) {
	spec := &Spec[confession]{Type: "confession", Queue: "q", Secrets: []string{"/expiry"}}
	for payload, want := range map[string]string{
		`{"expiry":"hunter2"}`:            `expiry: an error of type *time.ParseError, whose text is left out for it may quote a secret`,
		`{"pin":47110815}`:                `pin: number stands where a int8 is due`,
		`{"pin":"hunter2"}`:               `pin: string stands where a int8 is due`,
		`{"quoted":"hunter2"}`:            `an error of type *errors.errorString, whose text is left out for it may quote a secret`,
		`{"api.key":"hunter2"}`:           `api.key: string stands where a [2]uint8 is due`,
		`{"by_year":{"hunter2":1}}`:       `by_year: number stands where a int is due`,
		`{"by_name":{"hunter2":true}}`:    `by_name: bool stands where a int is due`,
		`{"blamed":"hunter2"}`:            `blamed: an error of type *errors.errorString`,
		`{"persons":[{"Age":"hunter2"}]}`: `persons.Age: string stands where a int is due`,
		`{"pin":1,hunter2}`:               `it is no JSON, from byte 10 of 17 on`,
		`"hunter2"`:                       `string stands where a runtime.confession is due`,
		`{"pin":47110815`:                 `it is no JSON, from byte 15 of 15 on`,
	} {
		v, err := spec.Decode(&Task{ID: "a", Type: "confession", Payload: []byte(payload)})
		require.ErrorIs(t, err, ErrInvalidTask, payload)
		assert.ErrorContains(t, err, "the payload of task a (confession): ", payload)
		assert.ErrorContains(t, err, want, payload)
		for _, secret := range []string{"hunter2", "47110815"} {
			for _, verb := range []string{"%v", "%+v", "%#v"} {
				assert.NotContains(t, fmt.Sprintf(verb, err), secret, payload)
			}
			assert.NotContains(t, fmt.Sprint(v), secret, "half of a payload")
		}
		var detail *json.UnmarshalTypeError
		assert.False(t, errors.As(err, &detail), "the codec's own error holds the value")
	}
	err := spec.fill(new(Task), &confession{Blamed: blamed{"hunter2"}}, time.Unix(5, 0))
	require.ErrorIs(t, err, ErrInvalidTask)
	assert.NotContains(t, err.Error(), "hunter2", "what cannot be written is not quoted either")

	tagged := &Spec[struct {
		PIN int8 `json:"pin" task:"secret"`
	}]{Type: "tagged", Queue: "q"}
	_, err = tagged.Decode(&Task{Payload: []byte(`{"pin":4711}`)})
	assert.NotContains(t, err.Error(), "4711", "a tag says it, too")
}

// A touchy value panics with what it cannot read.
type touchy struct{}

func (*touchy) UnmarshalText(text []byte) error { panic("bad value: " + string(text)) }

func TestPanicOfADecoderQuotesNothingOfATypeWithSecrets(t *testing.T) {
	r, spec := NewRouter(), &Spec[struct {
		Card touchy `json:"card" task:"secret"`
	}]{Type: "pay", Queue: "q", Secrets: []string{"/card"}}
	Register(r, spec, func(context.Context, struct {
		Card touchy `json:"card" task:"secret"`
	},
	) error {
		return nil
	})
	_, err := handled(t, r, &Task{ID: "a", Type: "pay", Payload: []byte(`{"card":"hunter2"}`)})
	require.ErrorIs(t, err, ErrPanic)
	assert.NotContains(t, err.Error(), "hunter2")
	text, stack := err.Error(), driver.PanicStack(err)
	assert.Equal(t, "the payload of task a (pay): taskgen: the handler panicked: a value of type string, whose text is left out for it may quote a secret", text)
	assert.Contains(t, stack, "touchy")
}

// A shy value panics with what it cannot write.
type shy string

func (s shy) MarshalText() ([]byte, error) { panic("bad value: " + string(s)) }

func TestPanicOfAnEncoderQuotesNothingOfATypeWithSecrets(t *testing.T) {
	type pay struct {
		Card shy `json:"card,omitempty" task:"secret"`
	}
	spec := &Spec[pay]{Type: "pay", Queue: "q", Secrets: []string{"/card"}}
	err := spec.fill(new(Task), &pay{"hunter2"}, time.Unix(5, 0))
	require.ErrorIs(t, err, ErrInvalidTask)
	assert.EqualError(t, err, "taskgen: invalid task: the payload of a task of type pay: its codec panicked: a value of type string, whose text is left out for it may quote a secret")

	r := NewRouter()
	RegisterWithResult(r, spec, func(context.Context, pay) (pay, error) { return pay{"hunter2"}, nil })
	_, err = handled(t, r, &Task{ID: "a", Type: "pay", Payload: []byte(`{}`)})
	require.ErrorIs(t, err, ErrPanic)
	assert.EqualError(t, err, "the result of task a (pay): taskgen: the handler panicked: a value of type string, whose text is left out for it may quote a secret")
	assert.Contains(t, driver.PanicStack(err), "shy")
}

func TestStackShowsNoArguments(t *testing.T) {
	r, spec := NewRouter(), &Spec[pin]{Type: "t", Queue: "q"}
	Register(r, spec, func(_ context.Context, p pin) error { panicWith(p); return nil })
	_, err := handled(t, r, &Task{ID: "a", Type: "t", Payload: []byte(`{"Digits":[3735928559,3735928559,3735928559]}`)})
	stack := driver.PanicStack(err)
	assert.NotContains(t, stack, "0xdeadbeef")
	assert.Contains(t, stack, "runtime.panicWith(...)\n")
	assert.Contains(t, stack, "spec_test.go:")
}

// A pin is passed in memory: what was in registers is not in a stack.
type pin struct{ Digits [3]int64 }

//go:noinline
func panicWith(pin) { panic("no") }

func TestPanicOfAnEncoderIsTheCallersWithoutSecrets(t *testing.T) {
	spec := &Spec[shy]{Type: "t", Queue: "q"}
	v := shy("a")
	assert.PanicsWithValue(t, "bad value: a", func() { _ = spec.fill(new(Task), &v, time.Unix(5, 0)) })
}

// A pretender returns the decoder's own kind of error.
type pretender struct{}

func (*pretender) UnmarshalText(text []byte) error {
	return &json.UnmarshalTypeError{Value: "number " + string(text), Field: "a." + string(text)}
}

func TestErrorThatPretendsToBeOfTheDecoderQuotesNothing(t *testing.T) {
	spec := &Spec[struct {
		Card pretender `json:"card" task:"secret"`
	}]{Type: "pay", Queue: "q"}
	_, err := spec.Decode(&Task{ID: "a", Type: "pay", Payload: []byte(`{"card":"hunter2"}`)})
	assert.EqualError(t, err, "taskgen: invalid task: the payload of task a (pay): card.*.*: number stands where another kind of value is due")
}

func TestDecodeRefusesAShapeThatTheTypeDoesNotRead(t *testing.T) {
	for _, shape := range []string{"", "0123456789ab", "00fe5a9d0b1c"} {
		got, err := greetingSpec().Decode(&Task{ID: "a", Type: "greeting", Payload: []byte(`{"name":"ada"}`), Shape: shape})
		require.NoError(t, err, shape)
		assert.Equal(t, greeting{Name: "ada"}, got)
	}
	other := &Task{ID: "a", Type: "hello", Payload: []byte(`{"name":"ada"}`), Shape: "ba9876543210"}
	got, err := greetingSpec().Decode(other)
	require.ErrorIs(t, err, driver.ErrUnknownShape)
	assert.EqualError(t, err, `task a: taskgen: unknown payload shape: the payload of the type "hello" has the shape ba9876543210, and the handler reads 0123456789ab, 00fe5a9d0b1c`)
	assert.Zero(t, got)

	without := greetingSpec()
	without.Shape = ""
	_, err = without.Decode(other)
	assert.NoError(t, err)
}

func TestPolicyIsTheWorkersSideOfASpec(t *testing.T) {
	got := greetingSpec().Policy()
	assert.NotNil(t, got.Template, "how tasks are made without its code")
	got.Template = nil
	assert.Equal(t, Policy{
		Type: "greeting", Aliases: []string{"hello"}, Queue: "q", Timeout: time.Minute, Retry: RetryPolicy{Max: 4}, Concurrency: 3,
		Rate: Rate{Limit: 5, Per: time.Second}, Secrets: []string{"to"}, Shape: "0123456789ab", Reads: []string{"00fe5a9d0b1c"}, Retention: time.Hour,
	}, got)
}

func TestDefaultCodecsOddPayloadsAreValidated(t *testing.T) {
	deep := any(1)
	for range 10_001 {
		deep = []any{deep}
	}
	for name, v := range map[string]any{"too deep": deep, "no UTF-8": json.RawMessage("\"\xff\"")} {
		t.Run(name, func(t *testing.T) {
			task := Task{ID: "a"}
			spec := &Spec[any]{Type: "t", Queue: "q"}
			if err := spec.fill(&task, &v, time.Unix(1, 0)); err != nil {
				require.ErrorIs(t, err, ErrInvalidTask)
				return
			}
			require.ErrorIs(t, task.Validate(), ErrInvalidTask)
		})
	}
}
