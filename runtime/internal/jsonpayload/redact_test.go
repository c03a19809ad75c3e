package jsonpayload_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/taskgen/taskgen/runtime/internal/jsonpayload"
)

func TestRedactHidesWhatIsAtAPath(t *testing.T) {
	for _, c := range []struct{ payload, path, want string }{
		{`{"a":{"b":"s"},"c":1.50}`, "/a/b", `{"a":{"b":"••••"},"c":1.50}`},
		{`{"a":{"b":"s"},"c":1.50}`, "a.b", `{"a":{"b":"••••"},"c":1.50}`},
		{`{"a.b":"s","a":{"b":"s","c":1}}`, "a.b", `{"a":{"b":"••••","c":1},"a.b":"••••"}`},
		{`{"a.b":"s","a":{"b":1}}`, "/a.b", `{"a":{"b":1},"a.b":"••••"}`},
		{`{"*":"s","b":1}`, "/~2", `{"*":"••••","b":1}`},
		{`{"A":"s"}`, "/a", `{"A":"••••"}`},
		{`{"a":"s","A":"s"}`, "/a", `{"A":"••••","a":"••••"}`},
		{`{"a":"s","a":"t"}`, "/a", `{"a":"••••"}`},
		{`{"\u0061":"s"}`, "/a", `{"a":"••••"}`},
		{`{"a":[{"b":"s"},{"b":{"deep":"s"}}]}`, "/a/*/b", `{"a":[{"b":"••••"},{"b":"••••"}]}`},
		{`{"a":{"x":"s","y":"s"}}`, "/a/*", `{"a":{"x":"••••","y":"••••"}}`},
		{`{"a":null}`, "/a/b", `{"a":null}`},
		{`{"a":"user:s"}`, "/a/b", `{"a":"••••"}`}, // could not be decoded: the secret may be in it
		{`{"a":["s"]}`, "/a/b", `{"a":"••••"}`},
		{`["s"]`, "/a", `"••••"`},
		{`4711`, "/a", `"••••"`},
		{`{"a":"s"}`, "", `"••••"`},
		{`no JSON s`, "/a", `null`},
		{`{} {"a":"s"}`, "/a", `null`},
		{`{"a":"s"`, "/a", `null`},
	} {
		assert.Equal(t, c.want, string(jsonpayload.Redact([]byte(c.payload), []string{c.path})), "%s by %q", c.payload, c.path)
	}
}

func TestSecretBesideAndBelowAnotherIsHidden(t *testing.T) {
	got := jsonpayload.Redact([]byte(`{"a":{"b":"s","c":"s","d":1}}`), []string{"/a/b", "/a/c", "/a/b/x"})
	assert.Equal(t, `{"a":{"b":"••••","c":"••••","d":1}}`, string(got))
}
