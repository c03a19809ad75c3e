package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/config"
)

func TestWhatIsWrongInTheSectionsThatWatch(t *testing.T) {
	const providers = "providers: {main: {url: 'memory:'}}\n"
	for text, want := range map[string]string{
		"metrics: {}":                         "tasks.yaml:2:1: the section metrics has no address: set its key listen, to 127.0.0.1:9464, say\n    2 | metrics: …\n      | ^",
		"metrics:":                            "the section metrics has no address",
		"metrics:\n  listen: localhost":       "tasks.yaml:3:3: metrics.listen: write a host and a port, like 127.0.0.1:9464, or :9464 for all addresses\n    3 |   listen: localhost\n      |   ^",
		"metrics: {listen: 9464}":             "metrics.listen: this is a number or a switch to YAML: put it in quotes",
		"metrics: {listen: '::1:80'}":         "metrics.listen: write a host and a port",
		"metrics: {listen: 'a:http'}":         "metrics.listen: write a host and a port",
		"metrics: {listen: 'a:70000'}":        "metrics.listen: write a host and a port",
		"metrics: {listen: 'http://a:1'}":     "metrics.listen: write a host and a port",
		"metrics: {listen: '[::1:80'}":        "metrics.listen: write a host and a port",
		"metrics: {address: ':1'}":            "there is no key \"address\" in metrics (there are listen)",
		"fleet: {}":                           "tasks.yaml:2:1: the section fleet names no provider: set its key provider to one of main\n    2 | fleet: …\n      | ^",
		"history: {retention: 1h}":            "tasks.yaml:2:1: the section history names no provider: set its key provider to one of main",
		"history: {provider: mian}":           "there is no provider \"mian\": did you mean main?",
		"fleet: {provider: mian}":             "tasks.yaml:2:9: there is no provider \"mian\": did you mean main? (the section providers has main)",
		"traces:\n  ratio: 1.5":               "tasks.yaml:3:10: traces.ratio: write a number from 0 to 1, like 0.01\n    3 |   ratio: 1.5\n      |          ^",
		"traces: {ratio: -0.1}":               "traces.ratio: write a number from 0 to 1",
		"traces: {ratio: .nan}":               "traces.ratio: write a number from 0 to 1",
		"traces: {ratio: '0.1'}":              "traces.ratio: write a number from 0 to 1",
		"traces: {ratio: often}":              "traces.ratio: write a number from 0 to 1",
		"traces: {enabled: maybe}":            "traces.enabled: write true or false",
		"traces: {sampler: 1}":                "there is no key \"sampler\" in traces (there are enabled, ratio, endpoint, endpoint_file, headers, headers_file, service, parent_from_producer, error_on_retry)",
		"traces:\n  endpoint: collector:4318": "tasks.yaml:3:3: traces.endpoint: the URL of a collector begins with http:// or https://, and has a host and no parameters: https://collector:4318\n    3 |   endpoint: ••••\n      |   ^",
		"traces: {endpoint: 'grpc://a:4317'}": "traces.endpoint: the URL of a collector begins with",
		"traces: {endpoint: 'http://:4318'}":  "traces.endpoint: the URL of a collector begins with",
		"traces: {endpoint: 'http://a?b=c'}":  "traces.endpoint: the URL of a collector begins with",
		"traces: {endpoint: 'http://a?'}":     "traces.endpoint: the URL of a collector begins with",
		"traces: {endpoint: 'http://a#b'}":    "traces.endpoint: the URL of a collector begins with",
		"traces: {endpoint: 'http://u:p/@a'}": "traces.endpoint: the URL cannot be parsed: in a user name or password, write",
		"traces:\n  headers: abc":             "tasks.yaml:3:3: traces.headers: headers are NAME=VALUE with commas between them; in a value, % and the comma are %25 and %2C\n    3 |   headers: ••••\n      |   ^",
		"traces: {headers: 'a b=c'}":          "traces.headers: headers are",
		"traces: {headers: '=c'}":             "traces.headers: headers are",
		"traces: {headers: 'a=%zz'}":          "traces.headers: headers are",
		"traces: {headers: 'a=b%0d%0ac: d'}":  "traces.headers: headers are",
	} {
		_, err := config.Parse("tasks.yaml", []byte(providers+text))
		require.ErrorContains(t, err, want, text)
	}
	for _, listen := range []string{":0", ":9464", "127.0.0.1:1", "localhost:65535", "[::1]:80", "0.0.0.0:80", "metrics.internal:80"} {
		assert.Equal(t, listen, parse(t, "metrics: {listen: '"+listen+"'}").Metrics.Listen)
	}
	for text, want := range map[string]config.Ratio{"0": 0, "1": 1, "0.01": 0.01, "'${TEST_GONE:-0.5}'": 0.5} {
		assert.Equal(t, new(want), parse(t, "traces: {ratio: "+text+"}").Traces.Ratio, text)
	}
}

func TestAConfigMadeInCodeIsWatchedByTheSameRules(t *testing.T) {
	for want, c := range map[string]config.Config{
		"config: configuration: metrics.listen: write a host and a port": {Metrics: config.MetricsConfig{Listen: "here"}},
		"config: configuration: traces.endpoint: the URL of a collector": {Traces: config.TracesConfig{Endpoint: config.NewURL("here")}},
		"config: configuration: traces.headers: headers are NAME=VALUE":  {Traces: config.TracesConfig{Headers: config.NewSecret("here")}},
		"the URL begins with no scheme":                                  {Fleet: config.FleetConfig{Provider: "gone"}},
	} {
		c.Providers = map[string]config.ProviderConfig{"main": {URL: config.NewURL("memory:")}}
		c.Queues = map[string]config.QueueConfig{"mail": {Provider: "main"}, "post": {Provider: "main"}}
		_, err := c.Build(within(t), mailCode(sent))
		require.ErrorContains(t, err, want)
	}
}

func TestVariablesOverrideTheSectionsThatWatch(t *testing.T) {
	file := filepath.Join(t.TempDir(), "headers")
	require.NoError(t, os.WriteFile(file, []byte("Api-Key=CANARY\n"), 0o600))
	for name, value := range map[string]string{
		"TASKGEN_METRICS_LISTEN": ":1", "TASKGEN_FLEET_PROVIDER": "other", "TASKGEN_TRACES_RATIO": "0.5", "TASKGEN_TRACES_HEADERS_FILE": file, "TASKGEN_TRACES_PARENT_FROM_PRODUCER": "true",
	} {
		t.Setenv(name, value)
	}
	c := parse(t, "providers: {main: {url: 'memory:'}, other: {url: 'memory:'}}\nmetrics: {listen: ':2'}\nfleet: {provider: main}\ntraces: {ratio: 1, service: shop}\n")
	assert.Equal(t, config.MetricsConfig{Listen: ":1"}, c.Metrics)
	assert.Equal(t, config.FleetConfig{Provider: "other"}, c.Fleet)
	assert.Equal(t, config.TracesConfig{Ratio: new(config.Ratio(0.5)), Headers: config.NewSecret("Api-Key=CANARY"), Service: "shop", ParentFromProducer: true}, c.Traces)

	for name, want := range map[string]string{
		"TASKGEN_METRICS_LISTN":   "environment: TASKGEN_METRICS_LISTN: there is no such variable: did you mean TASKGEN_METRICS_LISTEN? (there are LISTEN)",
		"TASKGEN_METRICS_LISTEN":  "environment: TASKGEN_METRICS_LISTEN: metrics.listen: write a host and a port",
		"TASKGEN_TRACES_RATIO":    "environment: TASKGEN_TRACES_RATIO: write a number from 0 to 1, like 0.01",
		"TASKGEN_TRACES_ENDPOINT": "environment: TASKGEN_TRACES_ENDPOINT: traces.endpoint: the URL of a collector begins with",
		"TASKGEN_FLEET_PROVIDER":  "environment: TASKGEN_FLEET_PROVIDER: there is no provider \"x\"",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, "x")
			_, err := config.Parse("tasks.yaml", []byte("providers: {main: {url: 'memory:'}, other: {url: 'memory:'}}\n"))
			require.ErrorContains(t, err, want)
		})
	}
}

func TestACollectorIsItsURLAndItsHeaders(t *testing.T) {
	for _, c := range []struct {
		endpoint, headers string
		url               string
		want              map[string]string
	}{
		{},
		{endpoint: "http://collector:4318", url: "http://collector:4318/v1/traces"},
		{endpoint: "https://collector/otel/", url: "https://collector/otel/v1/traces"},
		{endpoint: "https://shop:p%25ss@collector", url: "https://collector/v1/traces", want: map[string]string{"Authorization": "Basic c2hvcDpwJXNz"}},
		{headers: "Api-Key=k%2C%25, x = y z ,empty=", want: map[string]string{"Api-Key": "k,%", "x": "y z", "empty": ""}},
		{endpoint: "https://token@collector", headers: "a=b=c", url: "https://collector/v1/traces", want: map[string]string{"Authorization": "Basic dG9rZW46", "a": "b=c"}},
	} {
		traces := config.TracesConfig{Endpoint: config.NewURL(c.endpoint), Headers: config.NewSecret(c.headers)}
		url, headers, err := traces.Collector()
		require.NoError(t, err)
		assert.Equal(t, c.url, url)
		assert.Equal(t, c.want, headers)
	}
	for _, bad := range []config.TracesConfig{{Endpoint: config.NewURL("CANARY")}, {Headers: config.NewSecret("CANARY")}} {
		_, _, err := bad.Collector()
		require.Error(t, err)
		assert.NotContains(t, err.Error(), "CANARY")
	}
}
