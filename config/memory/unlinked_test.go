package memory_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/config"
	"github.com/taskgen/taskgen/runtime"
)

// This program imports none of config/metrics, config/traces and config/server.
func TestASectionWhosePackageIsNotLinkedSaysWhatToImport(t *testing.T) {
	_, err := config.Parse("tasks.yaml", []byte("providers: {main: {url: 'memory:'}}\nmetrics:\n  listen: 127.0.0.1:9464\ntraces:\n  ratio: 0.5\n"))
	require.EqualError(t, err, `config: tasks.yaml:2:1: what the section metrics needs is not linked into this program: add import _ "github.com/taskgen/taskgen/config/metrics"`+
		"\n    2 | metrics: …\n      | ^\n"+
		`tasks.yaml:4:1: what the section traces needs is not linked into this program: add import _ "github.com/taskgen/taskgen/config/traces"`+
		"\n    4 | traces: …\n      | ^")

	c, err := config.Parse("tasks.yaml", []byte("providers: {main: {url: 'memory:'}}\nmetrics: {listen: \"\"}\ntraces: {enabled: false, ratio: 0.5}\n"))
	require.NoError(t, err, "what is turned off needs no package")
	c.Metrics.Listen = "127.0.0.1:0"
	_, err = c.Build(t.Context(), config.Code{Queues: []runtime.QueueConfig{{Name: "mail"}}})
	require.ErrorContains(t, err, `add import _ "github.com/taskgen/taskgen/config/metrics"`)
}

func TestAServerWhosePackageIsNotLinkedSaysWhatToImport(t *testing.T) {
	_, err := config.Parse("tasks.yaml", []byte("providers: {main: {url: 'memory:'}}\nserver:\n  listen: 127.0.0.1:7460\n"))
	require.EqualError(t, err, `config: tasks.yaml:2:1: what the section server needs is not linked into this program: add import _ "github.com/taskgen/taskgen/config/server"`+
		"\n    2 | server: …\n      | ^")
	_, err = config.Parse("tasks.yaml", []byte("providers: {main: {url: 'memory:'}}\nserver: {listen: \"\", tokens: {shop: {}}}\n"))
	require.NoError(t, err, "what is turned off needs no package, and no token")
}

func TestTheEnvironmentNeedsThePackageOfASectionToo(t *testing.T) {
	t.Setenv("TASKGEN_PROVIDERS_MAIN_URL", "memory:")
	t.Setenv("TASKGEN_TRACES_ENABLED", "true")
	_, err := config.FromEnvironment()
	require.EqualError(t, err, `config: environment: TASKGEN_TRACES_ENABLED: what the section traces needs is not linked into this program: add import _ "github.com/taskgen/taskgen/config/traces"`)
}
