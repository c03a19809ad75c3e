package jsonvalue

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type record struct {
	Name  string         `json:"name"`
	Count int64          `json:"count"`
	Any   any            `json:"any"`
	More  map[string]any `json:"more"`
	Exact json.Number    `json:"exact"`
	Raw   json.RawMessage
}

func TestAnIntegerThatWouldBecomeAnotherIsRefused(t *testing.T) {
	for data, at := range map[string]string{
		`{"any":12345678901234567890}`:                     "any",
		`{"any":9007199254740993}`:                         "any", // 1<<53 + 1, which becomes 1<<53
		`{"any":-9007199254740993}`:                        "any",
		`{"any":[1,{"id":9007199254740993}]}`:              "any",
		`{"more":{"secret":9007199254740993}}`:             "more{}",
		`{"any":0.5,"more":{"a":[123456789012345678901]}}`: "more{}",
	} {
		err := Decode([]byte(data), new(record), false)
		require.ErrorContains(t, err, at+" holds an integer", data)
		assert.NotContains(t, err.Error(), "secret")
	}
}

func TestANumberThatStaysTheSameIsRead(t *testing.T) {
	for _, data := range []string{
		`{"any":9007199254740992}`, `{"any":9007199254740994}`, `{"any":0.12345678901234567890}`, `{"any":"12345678901234567890"}`,
		`{"count":9007199254740993,"any":1}`, `{"exact":12345678901234567890,"any":1}`, `{"Raw":12345678901234567890,"any":1}`, `{"any":1e20}`,
	} {
		require.NoError(t, Decode([]byte(data), new(record), false), data)
	}
	var got record
	require.NoError(t, Decode([]byte(`{"any":9007199254740992}`), &got, false))
	assert.Equal(t, float64(1<<53), got.Any, "as json.Unmarshal reads it")
}

func TestOneValueIsReadAndNothingElse(t *testing.T) {
	for data, says := range map[string]string{
		``: "EOF", `{"name":"a"} {}`: "there is more behind the JSON value", `{"name":"a"} x`: "there is more behind the JSON value",
		`{"names":1}`: `unknown field "names"`, `{"name":1}`: "cannot unmarshal number",
	} {
		require.ErrorContains(t, Decode([]byte(data), new(record), false), says, data)
	}
}

func TestAnErrorAboutASecretQuotesNothing(t *testing.T) {
	for data, says := range map[string]string{
		`{"name":"a"} hunter2`:                  "there is more behind the JSON value",
		`{"hunter2":1}`:                         "whose text is left out",
		`{"name":{"hunter2":1}}`:                "name: object stands where a string is due",
		`hunter2`:                               "it is no JSON, from byte 1 of 7 on",
		`{"more":{"hunter2":9007199254740993}}`: "more{} holds an integer",
	} {
		err := Decode([]byte(data), new(record), true)
		require.ErrorContains(t, err, says, data)
		assert.NotContains(t, err.Error(), "hunter2", data)
	}
}
