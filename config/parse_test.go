package config_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/config"
)

const whole = `
# The program of the shop.
providers:
  main:
    url: test://app@host:1/db
    password: ${TEST_PASSWORD}
    options:
      prefix: shop
      loud: true
      create: ${TEST_CREATE:-false}
      polls: 3
      wait: 1d12h
      room: 1KiB
      servers: [a, "b,c"]
      queues:
        mail:
          url: "http://q"
          size: 7
  cache:
    url: "memory:"
queues:
  mail:
    provider: main
    visibility: 1m
    max_deliveries: 5
    dlq: mail-dead
    retention: 7d
    unknown: 0s
    capacity: 1000
    weight: 3
    concurrency: ${TEST_CONCURRENCY}
    rate: 100/s
  "2":
    provider: cache
pool:
  name: mailer
  workers: 20
  grace: 10s
  types: [mail, letter]
results:
  provider: cache
scheduler:
  provider: cache
  enabled: false
history:
  provider: cache
  retention: 720h
  max_bytes: 1GiB
fleet:
  provider: cache
metrics:
  listen: 127.0.0.1:9464
traces:
  enabled: true
  ratio: 0.01
  endpoint: https://shop:${TEST_PASSWORD_ESCAPED:-p}@collector:4318
  headers: Api-Key=${TEST_PASSWORD}
  service: shop
  parent_from_producer: true
  error_on_retry: true
log:
  level: warn
  format: json
`

func parse(t *testing.T, text string) *config.Config {
	t.Helper()
	c, err := config.Parse("tasks.yaml", []byte(text))
	require.NoError(t, err)
	return c
}

func TestAFileSetsEachKey(t *testing.T) {
	t.Setenv("TEST_PASSWORD", "p@ss/word")
	t.Setenv("TEST_CONCURRENCY", "4")
	c := parse(t, whole)
	assert.Equal(t, map[string]config.ProviderConfig{
		"main": {
			URL: config.NewURL("test://app@host:1/db"), Password: config.NewSecret("p@ss/word"),
			Options: options{Prefix: "shop", Loud: true, Create: new(false), Polls: 3, Wait: 36 * time.Hour, Room: 1024, Servers: []string{"a", "b,c"}, Queues: map[string]room{"mail": {URL: "http://q", Size: 7}}},
		},
		"cache": {URL: config.NewURL("memory:")},
	}, c.Providers)
	assert.Equal(t, map[string]config.QueueConfig{
		"mail": {
			Provider: "main", Visibility: time.Minute, MaxDeliveries: 5, DLQ: "mail-dead", Retention: new(7 * 24 * time.Hour), Unknown: new(time.Duration(0)), Capacity: new(1000),
			Weight: 3, Concurrency: 4, Rate: config.Rate{Limit: 100, Per: time.Second},
		},
		"2": {Provider: "cache"},
	}, c.Queues)
	assert.Equal(t, config.PoolConfig{Name: "mailer", Workers: 20, Grace: 10 * time.Second, Types: []string{"mail", "letter"}}, c.Pool)
	assert.Equal(t, config.ResultsConfig{Provider: "cache"}, c.Results)
	assert.Equal(t, config.SchedulerConfig{Provider: "cache", Enabled: new(false)}, c.Scheduler)
	assert.Equal(t, config.FleetConfig{Provider: "cache"}, c.Fleet)
	assert.Equal(t, config.HistoryConfig{Provider: "cache", Retention: 720 * time.Hour, MaxBytes: 1 << 30}, c.History)
	assert.Equal(t, config.MetricsConfig{Listen: "127.0.0.1:9464"}, c.Metrics)
	assert.Equal(t, config.TracesConfig{
		Enabled: new(true), Ratio: new(config.Ratio(0.01)), Endpoint: config.NewURL("https://shop:p@collector:4318"), Headers: config.NewSecret("Api-Key=p@ss/word"), Service: "shop",
		ParentFromProducer: true, ErrorOnRetry: true,
	}, c.Traces)
	assert.Equal(t, config.LogConfig{Level: "warn", Format: "json"}, c.Log)

	file := filepath.Join(t.TempDir(), "tasks.yaml")
	require.NoError(t, os.WriteFile(file, []byte(whole), 0o600))
	again, err := config.Load(file)
	require.NoError(t, err)
	assert.Equal(t, c.Queues, again.Queues)
	_, err = config.Load(file + ".gone")
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestRatesAreReadAsTheyAreWritten(t *testing.T) {
	for text, want := range map[string]config.Rate{"100/s": {Limit: 100, Per: time.Second}, "20/5m": {Limit: 20, Per: 5 * time.Minute}, "1/1d": {Limit: 1, Per: 24 * time.Hour}} {
		var got, again config.Rate
		require.NoError(t, got.UnmarshalText([]byte(text)), text)
		assert.Equal(t, want, got)
		written, err := got.MarshalText()
		require.NoError(t, err)
		require.NoError(t, again.UnmarshalText(written), "%s", written)
		assert.Equal(t, want, again)
	}
	for _, text := range []string{"", "100", "/s", "0/s", "-1/s", "1/0s", "1/", "x/s", "1/x"} {
		require.Error(t, new(config.Rate).UnmarshalText([]byte(text)), text)
	}
	none, err := config.Rate{}.MarshalText()
	require.NoError(t, err)
	assert.Empty(t, none)
}

func TestAnErrorInAValueOnItsOwnLine(t *testing.T) {
	_, err := config.Parse("tasks.yaml", []byte("pool:\n  grace: >\n    soon\n"))
	require.ErrorContains(t, err, "tasks.yaml:2:")
	require.ErrorContains(t, err, "pool.grace: write a duration")
}

func TestAnEmptyFileSetsNothing(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "---\n", "pool:\nqueues:\n", "pool: {}\n", "pool:\n  workers:\n"} {
		c := parse(t, text)
		assert.Equal(t, config.PoolConfig{}, c.Pool, text)
		assert.Empty(t, c.Queues)
	}
}

const broken = `providers:
  main:
    url: redis://host
    optoins: {prefix: S3CRET}
  other: {url: "memory:", options: {prefix: a}}
  test:
    url: test://host?prefx=1
    options:
      polls: many
      wait: 10
      mode: quick
      loud: yes
  empty: {}
queues:
  mail:
    provider: tset
    visibility: "soon"
    visibility: 1m
  post: {}
pool:
  workerz: 5
  workers: "5"
  types: mail
log: loud
colour: blue
`

func TestAllErrorsOfAFileComeAtOnce(t *testing.T) {
	_, err := config.Parse("tasks.yaml", []byte(broken))
	require.Error(t, err)
	t.Log(err)
	for _, want := range []string{
		"tasks.yaml:3:5: providers.main.url: the provider of redis: is not linked into this program: add import _ \"github.com/taskgen/taskgen/config/redis\"\n    3 |     url: ••••\n      |     ^\n",
		"tasks.yaml:4:5: there is no key \"optoins\" in providers.main: did you mean options? (there are url, url_file, password, password_file, options)\n    4 |     optoins: …\n      |     ^\n",
		"tasks.yaml:5:37: there is no key \"prefix\" in providers.other.options (nor any other)\n",
		"tasks.yaml:7:5: providers.test.url: there is no option \"prefx\": did you mean prefix? (",
		"tasks.yaml:9:14: providers.test.options.polls: write a whole number\n    9 |       polls: many\n      |              ^\n",
		"tasks.yaml:10:13: providers.test.options.wait: write a duration, like 20s, 5m or 1d12h\n   10 |       wait: 10\n",
		"tasks.yaml:11:13: providers.test.options.mode: write fast or safe\n",
		"tasks.yaml:12:13: providers.test.options.loud: write true or false\n",
		"tasks.yaml:13:3: provider empty has no url: set url or url_file\n",
		"tasks.yaml:16:5: there is no provider \"tset\": did you mean test? (the section providers has empty, main, other, test)\n",
		"tasks.yaml:17:17: queues.mail.visibility: write a duration, like 20s, 5m or 1d12h\n   17 |     visibility: \"soon\"\n",
		"tasks.yaml:18:5: the key \"visibility\" is there twice\n",
		"tasks.yaml:19:3: queue post names no provider: set its key provider to one of empty, main, other, test\n",
		"tasks.yaml:21:3: there is no key \"workerz\" in pool: did you mean workers? (there are name, workers, strict, grace, types)\n   21 |   workerz: …\n      |   ^\n",
		"tasks.yaml:22:12: pool.workers: write a whole number\n   22 |   workers: \"5\"\n      |            ^\n",
		"tasks.yaml:23:10: pool.types: write a list, like [a, b]\n",
		"tasks.yaml:24:6: log must be a mapping of keys to values",
		"tasks.yaml:25:1: there is no key \"colour\" (there are providers, queues, pool, results, scheduler, fleet, history, server, metrics, traces, log)\n   25 | colour: …\n      | ^",
	} {
		assert.Contains(t, err.Error()+"\n", want)
	}
	assert.NotContains(t, err.Error(), "S3CRET")
}

func TestWhatIsNotPlainYAMLIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"pool: [1":                           "tasks.yaml:1:7: this is not YAML",
		"pool:\n\tworkers: 1":                "this is not YAML",
		"pool: &p {workers: 1}":              "pool must be a mapping",
		"pool:\n  <<: {workers: 1}":          "no anchors, merges or tags",
		"- a":                                "the file must be a mapping",
		"just text":                          "the file must be a mapping",
		"pool: {}\n---\nlog: {}":             "tasks.yaml:3:1: a second document begins here",
		"pool:\n  name: 5":                   "put it in quotes",
		"pool:\n  name: [a]":                 "pool.name: write a text",
		"pool:\n  workers: -1":               "write a whole number",
		"pool:\n  workers: 1.5":              "write a whole number",
		"pool:\n  grace: -1s":                "write a duration",
		"pool:\n  types: [1]":                "each value of the list must be a text",
		"pool:\n  types: [\"${TEST_GONE}\"]": "the variable TEST_GONE is not set",
		"queues:\n  q: {rate: 100}":          "write a rate, like 100/s or 20/5m",
		"queues:\n  \"\": {}":                "a name in queues is empty",
		"pool: {strict: true}\nqueues: {q: {weight: 2}}": "queue q has a weight, and the pool is strict",
	} {
		_, err := config.Parse("tasks.yaml", []byte(text))
		require.ErrorContains(t, err, want, text)
	}
}

func TestVariablesCannotAddKeys(t *testing.T) {
	t.Setenv("TEST_NAME", "x\n  workers: 99 # \"${TEST_NAME}")
	c := parse(t, "pool:\n  name: ${TEST_NAME}\n  workers: ${TEST_WORKERS:-7}\n  strict: ${TEST_STRICT:-true}\n  grace: ${TEST_GRACE:-5s}\n  types: ${TEST_TYPES:-a,b}\n# ${TEST_GONE}\n")
	assert.Equal(t, config.PoolConfig{Name: "x\n  workers: 99 # \"${TEST_NAME}", Workers: 7, Strict: true, Grace: 5 * time.Second, Types: []string{"a", "b"}}, c.Pool)
	assert.Equal(t, "${HOME} $x", parse(t, "pool:\n  name: $${HOME} $x\n").Pool.Name)
	assert.Equal(t, "a\nb\n", parse(t, "pool:\n  name: |\n    a\n    b\n").Pool.Name)

	_, err := config.Parse("tasks.yaml", []byte("pool:\n  name: ${TEST_GONE}\n  workers: ${TEST_GONE:?how many handlers}\n  grace: ${TEST_GONE:-soon}\n"))
	require.ErrorContains(t, err, "tasks.yaml:2:9: pool.name: the variable TEST_GONE is not set: set it, or write ${TEST_GONE:-default}\n    2 |   name: ${TEST_GONE}\n      |         ^")
	require.ErrorContains(t, err, "tasks.yaml:3:12: pool.workers: the variable TEST_GONE is not set: how many handlers")
	require.ErrorContains(t, err, "tasks.yaml:4:10: pool.grace: write a duration")
}

func TestVariablesOverrideTheFile(t *testing.T) {
	for name, value := range map[string]string{
		"TASKGEN_POOL_WORKERS": "8", "TASKGEN_POOL_TYPES": "a,b", "TASKGEN_POOL_NAME": "", "TASKGEN_SCHEDULER_ENABLED": "true", "TASKGEN_LOG_LEVEL": "debug", "TASKGEN_CACHE": "off",
		"TASKGEN_QUEUES_MAIL_OUT_MAX_DELIVERIES": "9", "TASKGEN_QUEUES_NEW_ONE_RATE": "5/m", "TASKGEN_PROVIDERS_MAIN_URL": "test://b", "TASKGEN_PROVIDERS_MAIN_OPTIONS_PREFIX": "office", "TASKGEN_PROVIDERS_MAIN_OPTIONS_POLLS": "2",
	} {
		t.Setenv(name, value)
	}
	c := parse(t, "providers:\n  main: {url: 'test://a', options: {prefix: shop, loud: true}}\nqueues:\n  mail-out: {weight: 2}\npool: {workers: 1, name: kept}\n")
	assert.Equal(t, config.PoolConfig{Workers: 8, Types: []string{"a", "b"}, Name: "kept"}, c.Pool, "an empty variable is none")
	assert.Equal(t, config.QueueConfig{Weight: 2, MaxDeliveries: 9}, c.Queues["mail-out"])
	assert.Equal(t, config.QueueConfig{Rate: config.Rate{Limit: 5, Per: time.Minute}}, c.Queues["new_one"])
	assert.Equal(t, config.ProviderConfig{URL: config.NewURL("test://b"), Options: options{Prefix: "office", Loud: true, Polls: 2}}, c.Providers["main"])
	assert.Equal(t, "debug", c.Log.Level)
	assert.Equal(t, new(true), c.Scheduler.Enabled)
}

func TestTheEnvironmentAloneIsEnough(t *testing.T) {
	t.Setenv("TASKGEN_PROVIDERS_MAIN_URL", "memory:")
	c, err := config.FromEnvironment()
	require.NoError(t, err)
	assert.Equal(t, map[string]config.ProviderConfig{"main": {URL: config.NewURL("memory:")}}, c.Providers)
}

func TestAWrongVariableNamesTheNearest(t *testing.T) {
	for name, want := range map[string]string{
		"TASKGEN_POOL_WORKERZ":                  "environment: TASKGEN_POOL_WORKERZ: there is no such variable: did you mean TASKGEN_POOL_WORKERS? (there are NAME, WORKERS, STRICT, GRACE, TYPES)",
		"TASKGEN_POOL_WORKERS":                  "environment: TASKGEN_POOL_WORKERS: write a whole number",
		"TASKGEN_QUEUES_MAIL_COLOUR":            "environment: TASKGEN_QUEUES_MAIL_COLOUR: there is no such variable: write TASKGEN_QUEUES_NAME_ and one of PROVIDER, VISIBILITY",
		"TASKGEN_PROVIDERS_MAIN_OPTIONS_PREFX":  "there is no key \"prefx\" in providers.main.options: did you mean prefix?",
		"TASKGEN_PROVIDERS_MAIN_OPTIONS_POLLS":  "environment: TASKGEN_PROVIDERS_MAIN_OPTIONS_POLLS: write a whole number",
		"TASKGEN_PROVIDERS_OTHER_OPTIONS_POLLS": "environment: TASKGEN_PROVIDERS_OTHER_OPTIONS_POLLS: provider other has no url",
		"TASKGEN_RESULTS_PROVIDER":              "environment: TASKGEN_RESULTS_PROVIDER: there is no provider \"x\"",
		"TASKGEN_POOL_NAME_FILE":                "environment: TASKGEN_POOL_NAME_FILE: the variable TASKGEN_POOL_NAME_FILE: open x",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, "x")
			_, err := config.Parse("tasks.yaml", []byte("providers: {main: {url: 'test://a'}}\n"))
			require.ErrorContains(t, err, want)
		})
	}
}

func TestSecretsComeFromFiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(file, []byte("p@ss\n"), 0o600))
	t.Setenv("TEST_SECRET_FILE", file)
	t.Setenv("TEST_PATH", file)
	c := parse(t, "providers:\n  a: {url: 'test://h', password_file: '${TEST_PATH}'}\n  b: {url: 'test://h', password: '${TEST_SECRET}'}\n")
	assert.Equal(t, "p@ss", c.Providers["a"].Password.Reveal())
	assert.Equal(t, "p@ss", c.Providers["b"].Password.Reveal())

	t.Setenv("TASKGEN_PROVIDERS_A_PASSWORD_FILE", file)
	assert.Equal(t, "p@ss", parse(t, "providers:\n  a: {url: 'test://h', password: x}\n").Providers["a"].Password.Reveal())

	t.Setenv("TEST_SECRET", "both")
	for text, want := range map[string]string{
		"providers: {a: {url: 'test://h', password_file: /gone}}":          "providers.a.password: open /gone",
		"providers: {a: {url: 'test://h', password: a, password_file: b}}": "password and password_file are both set",
		"providers: {a: {url: 'test://h', password: '${TEST_SECRET}'}}":    "the variables TEST_SECRET and TEST_SECRET_FILE are both set",
		"providers: {a: {url: 'test://u:p@h', password: x}}":               "providers.a.password: the URL has a password, too",
		"pool: {name_file: x}": "there is no key \"name_file\"",
	} {
		_, err := config.Parse("tasks.yaml", []byte(text))
		require.ErrorContains(t, err, want, text)
	}
}
