package dlq

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

func TestRedactHidesWhatIsAtAPath(t *testing.T) {
	for _, c := range []struct{ payload, path, want string }{
		{`{"a":{"b":"s"},"c":1.50}`, "a.b", `{"a":{"b":"••••"},"c":1.50}`},
		{`{"A":"s"}`, "a", `{"A":"••••"}`},
		{`{"a":[{"b":"s"},{"b":{"deep":"s"}}]}`, "a.*.b", `{"a":[{"b":"••••"},{"b":"••••"}]}`},
		{`{"a":{"x":"s","y":"s"}}`, "a.*", `{"a":{"x":"••••","y":"••••"}}`},
		{`{"a":null}`, "a.b", `{"a":null}`},
		{`{"a":"user:s"}`, "a.b", `{"a":"••••"}`}, // could not be decoded: the secret may be in it
		{`{"a":["s"]}`, "a.b", `{"a":"••••"}`},
		{`["s"]`, "a", `"••••"`},
		{`no JSON s`, "a", `null`},
		{`{} {"a":"s"}`, "a", `null`},
	} {
		assert.Equal(t, c.want, string(redact([]byte(c.payload), []string{c.path})), c.payload)
	}
}

func TestWhatIsShownAndSentBackIsAsItWas(t *testing.T) {
	secrets := []string{"password", "keys.*.value", "login.token"}
	rapid.Check(t, func(rt *rapid.T) {
		text := func(name string) string {
			return strings.ReplaceAll(rapid.StringMatching(`[a-z ]{0,9}`).Draw(rt, name), "•", "")
		}
		keys := make([]any, rapid.IntRange(0, 4).Draw(rt, "n"))
		for i := range keys {
			keys[i] = map[string]any{"name": text("name"), "value": text("value")}
		}
		old := func() any {
			v, err := decodeJSON(mustJSON(map[string]any{"password": text("password"), "keys": keys, "login": map[string]any{"token": text("token")}, "n": 1}))
			if err != nil {
				rt.Fatal(err)
			}
			return v
		}()
		before := mustJSON(old)
		shown, err := decodeJSON(redact(before, secrets))
		if err != nil {
			rt.Fatal(err)
		}
		for _, path := range secrets {
			shown = keepSecrets(shown, old, strings.Split(path, "."))
		}
		assert.Equal(rt, string(before), string(mustJSON(shown)))
	})
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
		assert.Equal(t, fingerprint("t", c[0]), fingerprint("t", c[1]))
		assert.NotEqual(t, fingerprint("t", c[0]), fingerprint("u", c[0]))
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
