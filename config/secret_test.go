package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/config"
)

// printings of a value in every way that programs print one.
func printings(t *testing.T, v any) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "%p", "%t", "%U"} {
		all[verb] = fmt.Sprintf(verb, v)
	}
	text, err := json.Marshal(v)
	require.NoError(t, err)
	all["JSON"] = string(text)
	text, err = yaml.Marshal(v)
	require.NoError(t, err)
	all["YAML"] = string(text)
	for name, handler := range map[string]func(*bytes.Buffer) slog.Handler{
		"slog text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		"slog JSON": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	} {
		var b bytes.Buffer
		slog.New(handler(&b)).Info("printed", "v", v, slog.Group("g", "v", v))
		all[name] = b.String()
	}
	return all
}

// inner has secrets in fields that package fmt prints without calling their methods.
type inner struct {
	secret config.Secret
	url    config.URL
	config config.Config
}

func TestNothingPrintedShowsASecret(t *testing.T) {
	t.Setenv("TEST_CANARY", "CANARY")
	c := parse(t, `
providers:
  a: {url: "test://app:CANARY@host?prefix=shop"}
  b: {url: "test://app@host", password: CANARY}
  c: {url: "test://CANARY@host", password: "${TEST_CANARY}"}
  d: {url: "tests://a,app:CANARY@b"}
traces: {endpoint: "https://shop:CANARY@collector", headers: "Api-Key=CANARY"}
server: {listen: "127.0.0.1:0", tls_cert: x, tls_key: CANARY, tokens: {shop: {role: admin, secret: CANARY-0123456789}}}
`)
	for _, v := range []any{
		c, *c, c.Providers, c.Providers["a"], c.Providers["a"].URL, new(c.Providers["a"].URL), c.Providers["b"].Password, new(c.Providers["b"].Password), c.Traces, &c.Traces, c.Server, &c.Server, c.Server.Tokens, c.Server.Tokens["shop"],
		inner{c.Providers["b"].Password, c.Providers["a"].URL, *c},
		&inner{c.Providers["b"].Password, c.Providers["a"].URL, *c},
		[]config.Secret{config.NewSecret("CANARY")},
		map[string]config.URL{"a": config.NewURL("test://u:CANARY@h")},
	} {
		for how, text := range printings(t, v) {
			assert.NotContains(t, text, "CANARY", "%s of a %T", how, v)
			assert.NotContains(t, text, "43414e415259", "%s of a %T", how, v)
		}
	}
	assert.Equal(t, "CANARY", c.Providers["b"].Password.Reveal())
	assert.Contains(t, fmt.Sprint(c), "test://app:••••@host?prefix=shop", "the rest is shown")
}

func TestAURLShowsAllButItsSecrets(t *testing.T) {
	for url, want := range map[string]string{
		"":                                   "",
		"memory:":                            "memory:",
		"sqlite:tasks.db":                    "sqlite:tasks.db",
		"redis://host:6379/0?prefix=shop":    "redis://host:6379/0?prefix=shop",
		"redis://app:CANARY@host/0":          "redis://app:••••@host/0",
		"redis://:CANARY@host/0":             "redis://:••••@host/0",
		"nats://CANARY@host":                 "nats://••••@host",
		"nats://a:4222,nats://u:CANARY@b":    "nats://a:4222,nats://u:••••@b",
		"nats://a:4222,u:CANARY@b":           "nats://a:4222,nats://u:••••@b",
		"redis+sentinel://h?password=CANARY": "redis+sentinel://h?password=••••",
		"sqs://r?endpoint=http://u:CANARY%40h&wait=2s": "sqs://r?endpoint=••••&wait=2s",
		"amqp://u:12/CANARY@host":                      "••••",
		"user:CANARY":                                  "••••",
		"CANARY":                                       "••••",
	} {
		assert.Equal(t, want, config.NewURL(url).String(), url)
	}
}

func TestErrorsOfAFileShowNoSecret(t *testing.T) {
	for _, text := range []string{
		"providers: {a: {url: 'kafka://u:CANARY@h'}}", "providers: {a: {url: 'test://u:12/CANARY@h'}}", "providers: {a: {url: 'test://u:CANARY@h?nonsense=1'}}",
		"providers:\n  a:\n    urll: test://u:CANARY@h", "providers:\n  a:\n    url: test://h\n    pasword: CANARY", "providers: {a: {url: {CANARY: 1}, password: [CANARY]}}",
		"providers:\n  a:\n    url: test://h\n    password: CANARY: x", "providers:\n  a:\n    password: \"CANARY", "providers:\n  a:\n    password: 'CANARY' CANARY\n",
		"providers:\n  a:\n    password: CANARY${GONE}", "providers:\n  a:\n    url: test://u:CANARY@h\n    url: test://u:CANARY@h", "providers: {a: {url: 'test://u:CANARY@h', password: CANARY}}",
		"providers:\n  a:\n    password: {CANARY", "providers:\n  a:\n    url: \"\\xCANARY\"", "a: b: CANARY", "CANARY", "providers: {a: {url: 'test://h', options: {queues: {q: {url: 'http://u:CANARY@${GONE}'}}}}}", "%YAML CANARY\n---\na: b\n", "- CANARY", "providers:\n  a:\n\tpassword: CANARY", "providers:\n  a: CANARY",
		"traces: {endpoint: 'http://u:CANARY@h?x=1'}", "traces: {endpoint: 'kafka://u:CANARY@h'}", "traces: {endpoint: CANARY}", "traces: {headers: CANARY}", "traces: {headers: 'a b=CANARY'}", "traces: {headers: [CANARY]}", "traces: {header: CANARY}",
		"server: {listen: ':1', tokens: CANARY}", "server: {listen: ':1', tokens: {a: CANARY}}", "server: {listen: ':1', tokens: {a: {secret: CANARY}}}", "server: {listen: ':1', tokens: {a: {secrt: CANARY}}}", "server: {listen: ':1', tls_key: [CANARY]}",
		"providers:\n  a:\n    url: >\n      test://u:CANARY@h\n   x", "providers:\n  a:\n    password: &CANARY x", "providers:\n  a:\n    password: *CANARY", "providers:\n  a:\n    password: !CANARY x",
	} {
		_, err := config.Parse("tasks.yaml", []byte(text))
		require.Error(t, err, text)
		assert.NotContains(t, fmt.Sprintf("%v %+v %#v", err, err, err), "CANARY", text)
	}
}

// Options are printed with the Config, and those of a provider have a URL of another kind.
func TestAURLWithAUserIsNoOption(t *testing.T) {
	for text, want := range map[string]string{
		"providers:\n  a:\n    url: test://h\n    options:\n      queues:\n        q:\n          url: http://u:CANARY@h":    "tasks.yaml:7:11: providers.a.options.queues.q.url: a URL here has no user and no password: take them out",
		"providers:\n  a:\n    url: test://h\n    options:\n      queues:\n        q:\n          url: http://u:12/CANARY@h": "tasks.yaml:7:11: providers.a.options.queues.q.url: a URL here has no user and no password: take them out",
	} {
		_, err := config.Parse("tasks.yaml", []byte(text))
		require.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), "CANARY")
	}
	_, err := config.Parse("tasks.yaml", []byte("providers: {a: {url: 'test://h', options: {queues: {q: {url: 'http://h/a'}}}}}"))
	require.NoError(t, err)
}
