package dlq

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/internal/jsonpayload"
)

func TestWhatIsShownAndSentBackIsAsItWas(t *testing.T) {
	secrets := []string{"/password", "keys.*.value", "/login/token", "/pairs/*/*"}
	rapid.Check(t, func(rt *rapid.T) {
		text := func(name string) string {
			return strings.ReplaceAll(rapid.StringMatching(`[a-b ]{0,2}`).Draw(rt, name), "•", "")
		}
		keys, pairs := make([]any, rapid.IntRange(0, 4).Draw(rt, "n")), make([]any, rapid.IntRange(0, 3).Draw(rt, "m"))
		for i := range keys {
			keys[i] = map[string]any{"name": text("name"), "value": text("value")}
		}
		for i := range pairs {
			pairs[i] = []any{text("one"), text("two")}
		}
		before := mustJSON(map[string]any{"password": text("password"), "keys": keys, "login": map[string]any{"token": text("token")}, "n": 1, "pairs": pairs})
		after, err := edit(before, jsonpayload.Redact(before, secrets), &runtime.Policy{Secrets: secrets})
		if err != nil {
			rt.Fatal(err)
		}
		assert.Equal(rt, string(before), string(after))
	})
}

func TestSecretsOfAListGoWithTheirElements(t *testing.T) {
	const old = `{"to":[{"n":"ann","t":"of-ann"},{"n":"bob","t":"of-bob"},{"n":"bob","t":"of-bob2"},{"n":"cy","t":"same"},{"n":"cy","t":"same"}]}`
	policy := &runtime.Policy{Secrets: []string{"/to/*/t"}}
	for _, c := range []struct{ about, edited, want string }{
		{"taken out", `[{"n":"cy","t":"••••"}]`, `[{"n":"cy","t":"same"}]`},
		{"moved", `[{"n":"cy","t":"••••"},{"n":"ann","t":"••••"}]`, `[{"n":"cy","t":"same"},{"n":"ann","t":"of-ann"}]`},
		{"typed anew", `[{"n":"bob","t":"new"},{"n":"ann","t":"••••"}]`, `[{"n":"bob","t":"new"},{"n":"ann","t":"of-ann"}]`},
		{"typed beside it", `[{"n":"ann","t":"typed"},{"n":"ann","t":"••••"}]`, `[{"n":"ann","t":"typed"},{"n":"ann","t":"of-ann"}]`},
		{
			"alike, in their places", `[{"n":"dan","t":"typed"},{"n":"bob","t":"••••"},{"n":"bob","t":"••••"}]`,
			`[{"n":"dan","t":"typed"},{"n":"bob","t":"of-bob"},{"n":"bob","t":"of-bob2"}]`,
		},
		{
			"one of those alike typed anew", `[{"n":"ann","t":"••••"},{"n":"bob","t":"typed"},{"n":"bob","t":"••••"}]`,
			`[{"n":"ann","t":"of-ann"},{"n":"bob","t":"typed"},{"n":"bob","t":"of-bob2"}]`,
		},
	} {
		got, err := edit([]byte(old), []byte(`{"to":`+c.edited+`}`), policy)
		if assert.NoError(t, err, c.about) {
			assert.Equal(t, `{"to":`+c.want+`}`, string(got), c.about)
		}
	}
	for about, edited := range map[string]string{
		"one of those alike taken out": `[{"n":"ann","t":"••••"},{"n":"bob","t":"••••"}]`,
		"those alike moved":            `[{"n":"bob","t":"••••"},{"n":"bob","t":"••••"}]`,
		"copied":                       `[{"n":"ann","t":"••••"},{"n":"ann","t":"••••"}]`,
		"a new one":                    `[{"n":"dan","t":"••••"}]`,
		"changed beside its secret":    `[{"n":"anna","t":"••••"},{"n":"bob","t":"••••"},{"n":"bob","t":"••••"}]`,
		"not there":                    `[{"n":"ann","t":"of-ann","x":"••••"}]`,
	} {
		_, err := edit([]byte(old), []byte(`{"to":`+edited+`}`), policy)
		assert.ErrorIs(t, err, ErrInvalidPayload, about)
		assert.ErrorContains(t, err, `at "/to/`, about)
		assert.NotContains(t, err.Error(), "of-", about)
	}
}

func TestElementsThatAreSecretsKeepTheirPlaces(t *testing.T) {
	policy := &runtime.Policy{Secrets: []string{"/codes/*"}}
	got, err := edit([]byte(`{"codes":["one","two"]}`), []byte(`{"codes":["••••","new"]}`), policy)
	assert.NoError(t, err)
	assert.Equal(t, `{"codes":["one","new"]}`, string(got))
	for _, edited := range []string{`["••••"]`, `["••••","••••","••••"]`, `["new","••••","••••"]`} {
		_, err := edit([]byte(`{"codes":["one","two"]}`), []byte(`{"codes":`+edited+`}`), policy)
		assert.ErrorIs(t, err, ErrInvalidPayload, edited)
	}
}

func TestRedactedNeverTravels(t *testing.T) {
	policy := &runtime.Policy{Secrets: []string{"/a", "/m/*/x", "/old/b"}}
	for about, c := range map[string][2]string{
		"in a renamed member":        {`{"a":"s"}`, `{"b":"••••"}`},
		"in other case":              {`{"a":"s"}`, `{"A":"••••"}`},
		"below a secret":             {`{"a":{"x":"s"}}`, `{"a":{"x":"••••"}}`},
		"for null":                   {`{"a":null}`, `{"a":"••••"}`},
		"for nothing":                {`{}`, `{"a":"••••"}`},
		"of a payload that was none": {`no JSON`, `{"a":"••••"}`},
		"under another key of a map": {`{"m":{"k":{"x":"s"}}}`, `{"m":{"l":{"x":"••••"}}}`},
		"for the whole":              {`{"a":"s"}`, `"••••"`},
		"in a list that was none":    {`{"old":{"b":"s"}}`, `{"old":["••••"]}`},
		"for itself":                 {`{"a":"••••"}`, `{"a":"••••"}`},
		"for what holds it":          {`{"a":{"b":["••••"]}}`, `{"a":"••••"}`},
		"in the place of another": {
			`{"m":{"k":{"n":"ann","x":"s"},"l":{"n":"bob","x":"t"}}}`,
			`{"m":{"k":{"n":"bob","x":"••••"},"l":{"n":"ann","x":"••••"}}}`,
		},
	} {
		_, err := edit([]byte(c[0]), []byte(c[1]), policy)
		assert.ErrorIs(t, err, ErrInvalidPayload, about)
	}
	got, err := edit([]byte(`{"note":"••••","l":["••••"],"a":"s"}`), []byte(`{"note":"••••","l":["••••"],"a":"••••"}`), policy)
	assert.NoError(t, err, "what was not hidden is as it was")
	assert.Equal(t, `{"a":"s","l":["••••"],"note":"••••"}`, string(got))
	got, err = edit([]byte(`{"m":"of an old shape: s"}`), []byte(`{"m":"••••"}`), policy)
	assert.NoError(t, err, "what was hidden as a whole comes back as a whole")
	assert.Equal(t, `{"m":"of an old shape: s"}`, string(got))
	got, err = edit([]byte(`{"x":1}`), []byte(`"••••"`), &runtime.Policy{Secrets: []string{""}})
	assert.NoError(t, err)
	assert.Equal(t, `{"x":1}`, string(got))
}

func TestErrorsOfTheSchemaShowNoSecret(t *testing.T) {
	policy := &runtime.Policy{
		Secrets: []string{"/pin", "/born", "/m", "/to/*/code"},
		Schema: `{"type":"object","properties":{
			"pin":{"type":"integer","maximum":9999},"born":{"type":"string","format":"date-time"},
			"m":{"type":"object","additionalProperties":{"type":"integer"}},
			"to":{"type":"array","items":{"type":"object","properties":{"code":{"enum":["a"]}},"required":["name"]}},
			"open":{"type":"string","pattern":"^x"}},"additionalProperties":false}`,
	}
	for edited, want := range map[string]string{
		`{"pin":987654}`:               `at "/pin": maximum`,
		`{"pin":"hunter2"}`:            `at "/pin": type: integer, and it is string`,
		`{"born":"hunter2"}`:           `at "/born": format: date-time`,
		`{"m":{"hunter2":"x"}}`:        `at "/m": type: integer, and it is string`,
		`{"to":[{"code":"hunter2"}]}`:  `at "/to/0": required: name; at "/to/0/code": enum`,
		`{"to":{"hunter2":"hunter2"}}`: `at "/to": type: array, and it is object`,
		`{"hunter2":1}`:                `at "": additionalProperties`,
		`{"open":"hunter2"}`:           `at "/open": pattern`,
		`{"pin":hunter2}`:              `it is not JSON, from byte 8 on`,
	} {
		_, err := edit([]byte(`{}`), []byte(edited), policy)
		assert.EqualError(t, err, "taskgen: invalid payload: "+want, edited)
		var library *jsonschema.ValidationError
		assert.False(t, errors.As(err, &library), "the library's error holds values")
	}
	policy.Secrets = nil
	_, err := edit([]byte(`{}`), []byte(`{"open":"shown"}`), policy)
	assert.ErrorContains(t, err, "shown", "a type without secrets has nothing to hide")
}

func TestErrorsThatDifferInDetailsHaveOnePattern(t *testing.T) {
	for _, c := range [][2]string{
		{"dial tcp 10.1.2.3:443: timeout", "dial tcp 10.9.9.9:80: timeout"},
		{"task 0195a2f4-6e8b-7c1d-9a34-5b1f0e2d3c4b is gone", "task 0195a2f4-6e8b-7c1d-9a34-5b1f0e2d3c4c is gone"},
		{`no user "anna"`, `no user "bert ram"`},
		{"at 0xc000123400", "at 0x1"},
		{"blob deadbeef01 is away", "blob 12ab is away"},
		{"panicked: index 3\ngoroutine 1", "panicked: index 4\ngoroutine 99"},
	} {
		assert.Equal(t, pattern(c[0]), pattern(c[1]))
		assert.Equal(t, GroupID("t", c[0]), GroupID("t", c[1]))
		assert.NotEqual(t, GroupID("t", c[0]), GroupID("u", c[0]))
	}
	assert.NotEqual(t, pattern("the face is dead"), pattern("the cafe is dead"), "words are no numbers")
	assert.LessOrEqual(t, len(pattern(strings.Repeat("ä", 1000))), maxPattern)
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
