package config_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/config"
	memoryconfig "github.com/taskgen/taskgen/config/memory"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
)

// options has a field of each kind.
type options struct {
	Prefix  string          `config:"prefix" doc:"a text"`
	Mode    string          `config:"mode" enum:"fast,safe" default:"safe" doc:"one of two"`
	Loud    bool            `config:"loud" doc:"a switch"`
	Create  *bool           `config:"create" default:"true" doc:"a switch that is on by default"`
	Polls   int             `config:"polls" doc:"a number"`
	Wait    time.Duration   `config:"wait" doc:"a time"`
	Room    config.Bytes    `config:"room" doc:"a size"`
	Servers []string        `config:"servers" doc:"a list"`
	Queues  map[string]room `config:"queues" doc:"more, by name"`
}

type room struct {
	URL  string `config:"url" doc:"a text"`
	Size int    `config:"size" doc:"a number"`
}

// opened is what the provider of these tests was opened with last.
var opened struct {
	url  string
	o    options
	deps config.Deps
}

var errOpen = errors.New("the server is away")

func init() {
	open := func(_ context.Context, rawURL string, o options, deps config.Deps) (driver.Provider, error) {
		opened.url, opened.o, opened.deps = rawURL, o, deps
		if o.Prefix == "away" {
			return nil, errOpen
		}
		return memory.New(), nil
	}
	config.Register("test", []config.URLForm{
		{Scheme: "test", Example: "test://host", Text: "a test", Parameters: []string{"timeout"}},
		{Scheme: "tests", Example: "tests://host1,tests://host2", Text: "several", List: true},
	}, open)
}

func open(t *testing.T, url string, opts ...config.OpenOption) error {
	t.Helper()
	p, err := config.OpenProvider(t.Context(), url, opts...)
	if err == nil {
		require.NoError(t, p.Close())
	}
	return err
}

func TestOptionsComeFromTheURL(t *testing.T) {
	require.NoError(t, open(t, "test://app:p%40ss@host:1/db?prefix=shop&mode=fast&loud=true&create=false&polls=3&wait=1d12h&room=1.5KiB&servers=a,b&timeout=5s&queues.mail.url=http%3A%2F%2Fq&queues.mail.size=7&queues.a.b.size=1"))
	assert.Equal(t, "test://app:p%40ss@host:1/db?timeout=5s", opened.url, "what is the client's stays in the URL")
	assert.Equal(t, options{
		Prefix: "shop", Mode: "fast", Loud: true, Create: new(false), Polls: 3, Wait: 36 * time.Hour, Room: 1536, Servers: []string{"a", "b"},
		Queues: map[string]room{"mail": {URL: "http://q", Size: 7}, "a.b": {Size: 1}},
	}, opened.o)

	require.NoError(t, open(t, "TEST://host/?timeout=%35s"))
	assert.Equal(t, "TEST://host/?timeout=%35s", opened.url, "a URL without options goes on as it was written")
	assert.Equal(t, options{}, opened.o)
}

func TestAURLMayListServers(t *testing.T) {
	require.NoError(t, open(t, "tests://u:p@a:1, b:2 ,tests://c?prefix=shop"))
	assert.Equal(t, "tests://u:p@a:1,tests://b:2,tests://c", opened.url)
	assert.Equal(t, "shop", opened.o.Prefix)
	require.ErrorContains(t, open(t, "tests://a?prefix=shop,tests://b?prefix=shop"), "option prefix is given twice")
	require.NoError(t, open(t, "test://a,b"), "elsewhere a comma is a comma")
	assert.Equal(t, "test://a,b", opened.url)
}

func TestFieldsOverrideTheURL(t *testing.T) {
	require.NoError(t, open(t, "test://host?prefix=shop&polls=3&create=true", config.WithOptions(options{Prefix: "office", Create: new(false)})))
	assert.Equal(t, options{Prefix: "office", Polls: 3, Create: new(false)}, opened.o)
	require.NoError(t, open(t, "test://host", config.WithOptions(&options{Mode: "fast"})))
	assert.Equal(t, options{Mode: "fast"}, opened.o)
	require.ErrorContains(t, open(t, "test://host", config.WithOptions(options{Mode: "quick"})), "option mode: write fast or safe")
	for _, wrong := range []any{memoryconfig.Options{}, 7, (*options)(nil)} {
		require.ErrorContains(t, open(t, "test://host", config.WithOptions(wrong)), "give Options of github.com/taskgen/taskgen/config_test")
	}
}

func TestTheLoggerReachesTheProvider(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	require.NoError(t, open(t, "test://host", config.WithLogger(log)))
	assert.Same(t, log, opened.deps.Logger)
}

func TestAnUnknownSchemeNamesTheNearest(t *testing.T) {
	for url, want := range map[string]string{
		"tset://host":           "there is no provider for URLs that begin with tset://: did you mean test?",
		"redis://host":          `add import _ "github.com/taskgen/taskgen/config/redis"`,
		"rediss+cluster://host": `add import _ "github.com/taskgen/taskgen/config/redis"`,
		"AMQPS://host":          `add import _ "github.com/taskgen/taskgen/config/rabbitmq"`,
		"reddis://host":         `did you mean redis? Then add import _ "github.com/taskgen/taskgen/config/redis"`,
		"kafka://host":          "there is no provider for URLs that begin with kafka://: linked into this program are ledger, memory, test, tests",
		"localhost:6379":        "the URL begins with no scheme: linked into this program are ledger, memory, test, tests",
		"":                      "the URL begins with no scheme",
		"memry:":                "the URL begins with no scheme: did you mean memory?",
		"://host":               "the URL begins with no scheme",
		"my host://":            "the URL begins with no scheme",
	} {
		require.ErrorContains(t, open(t, url), want, url)
	}
}

func TestAnUnknownOptionNamesTheNearestAndAllThatThereAre(t *testing.T) {
	const all = "(test has prefix, mode, loud, create, polls, wait, room, servers, queues.NAME.url, queues.NAME.size; its client has timeout)"
	err := open(t, "test://host?prefx=shop&poll=1&timout=1s&frobnicate=1")
	for _, want := range []string{
		`there is no option "prefx": did you mean prefix? ` + all, `there is no option "poll": did you mean polls? ` + all,
		`there is no option "timout": did you mean timeout? ` + all, `there is no option "frobnicate" ` + all,
	} {
		assert.ErrorContains(t, err, want, "all at once")
	}
	for _, name := range []string{"queues", "queues.mail", "queues.mail.colour", "queues..url", "prefix.a.b"} {
		assert.ErrorContains(t, open(t, "test://host?"+name+"=1"), `there is no option "`+name+`"`)
	}
	assert.ErrorContains(t, open(t, "memory:?prefix=shop"), `there is no option "prefix" (memory has no options)`)
}

func TestABadValueSaysWhichAndWhatIsWanted(t *testing.T) {
	err := open(t, "test://host?mode=S3CRET&loud=S3CRET&create=S3CRET&polls=S3CRET&wait=S3CRET&room=S3CRET&queues.a.size=S3CRET")
	for _, want := range []string{
		"option mode: write fast or safe", "option loud: write true or false", "option create: write true or false", "option polls: write a whole number",
		"option wait: write a duration, like 20s, 5m or 1d12h", "option room: write an amount of bytes, like 512MiB", "option queues.a.size: write a whole number",
	} {
		assert.ErrorContains(t, err, want)
	}
	assert.NotContains(t, err.Error(), "S3CRET")
	assert.ErrorContains(t, open(t, "test://host?polls=1&polls=2"), "option polls is given twice")
}

func TestWhatAURLCannotHold(t *testing.T) {
	assert.ErrorContains(t, open(t, "test://host#prefix=shop"), "%23")
	assert.ErrorContains(t, open(t, "test://host?prefix=%zz"), "the parameters of the URL cannot be parsed")
	assert.ErrorContains(t, open(t, "test://app:12?S3=CRET@host"), "%40")
	assert.ErrorContains(t, open(t, "test://app:1/2@host"), "%2F")
	assert.ErrorContains(t, open(t, "memory://host"), "memory has no address")
	assert.ErrorContains(t, open(t, "memory:file"), "memory has no address")
}

func TestTheErrorOfTheProviderIsPassedOn(t *testing.T) {
	err := open(t, "test://host?prefix=away")
	require.ErrorIs(t, err, errOpen)
	require.EqualError(t, err, "config: open test: the server is away")
}

func TestRegisterRefusesWhatIsRegisteredOrNoTable(t *testing.T) {
	form := []config.URLForm{{Scheme: "other"}}
	require.PanicsWithValue(t, "config: the provider test is registered twice", func() { register[options]("test", form) })
	require.PanicsWithValue(t, "config: the scheme tests of other is registered already, by test", func() { register[options]("other", []config.URLForm{{Scheme: "tests"}}) })
	require.Panics(t, func() { register[string]("other", form) })
	require.Panics(t, func() {
		register[struct {
			Untagged string
		}]("other", form)
	})
	require.Panics(t, func() {
		register[struct {
			A string `config:"a" doc:"it"`
			B string `config:"a" doc:"it again"`
		}]("other", form)
	})
	require.Panics(t, func() {
		register[struct {
			A func() `config:"a" doc:"no value"`
		}]("other", form)
	})
	require.Panics(t, func() {
		register[struct {
			A room `config:"a" doc:"a struct"`
		}]("other", form)
	})
	require.ErrorContains(t, open(t, "other://host"), "no provider", "nothing of it is registered")
}

func register[O any](name string, forms []config.URLForm) {
	config.Register(name, forms, func(context.Context, string, O, config.Deps) (driver.Provider, error) { return memory.New(), nil })
}

func TestParseBytes(t *testing.T) {
	for text, want := range map[string]config.Bytes{
		"0": 0, "1000": 1000, "7B": 7, "1kB": 1000, "2MB": 2e6, "1GB": 1e9, "1TB": 1e12, "1KiB": 1 << 10, "3 MiB": 3 << 20, "1.5GiB": 3 << 29, "1TiB": 1 << 40, "9223372036854775807": 1<<63 - 1,
	} {
		got, err := config.ParseBytes(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "B", "-1", "1e3", "1 kb", "KiB", "NaN", "Inf", "9223372036854775808", "9000000TiB", "0x10"} {
		_, err := config.ParseBytes(text)
		assert.Error(t, err, text)
	}
}

func TestReferenceListsWhatIsRegistered(t *testing.T) {
	text := config.Reference()
	for _, want := range []string{
		"### memory\n\n    import _ \"github.com/taskgen/taskgen/config/memory\"\n", "There are no options.",
		"| `tests://host1,tests://host2` | several |", "| `mode` | `fast`, `safe` | safe | one of two |", "| `create` | bool | true |",
		"| `room` | bytes |", "| `wait` | duration |", "| `servers` | list |", "| `queues.NAME.size` | int |",
		"Parameters of the client in a URL with `test`: `timeout`.",
	} {
		assert.Contains(t, text, want)
	}
}
