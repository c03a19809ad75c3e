package metrics_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/metrics"
	"github.com/taskgen/taskgen/runtime/observe"
)

// An env is a program with metrics: a manager with the queue mail, in memory.
type env struct {
	t        *testing.T
	metrics  *metrics.Metrics
	registry *prometheus.Registry
	provider *memory.Provider
	manager  *runtime.Manager
	router   *runtime.Router
}

func newEnv(t *testing.T, cfg metrics.Config, listeners ...*observe.Listener) *env {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	e := &env{t: t, metrics: metrics.New(cfg), registry: prometheus.NewPedanticRegistry(), provider: memory.New(), router: runtime.NewRouter()}
	require.NoError(t, e.registry.Register(e.metrics))
	e.manager = runtime.NewManager(runtime.ManagerConfig{Listeners: append(listeners, e.metrics.Listener())})
	require.NoError(t, e.manager.Open(t.Context(), e.provider, runtime.QueueConfig{Name: "mail", Types: []string{"welcome", "invoice"}}))
	t.Cleanup(func() { require.NoError(t, e.manager.Close()) })
	return e
}

// handle sets what handlers of the types welcome and invoice do.
func (e *env) handle(handler func(ctx context.Context, task *runtime.Task) error) {
	for _, name := range []string{"welcome", "invoice"} {
		e.router.Handle(runtime.Policy{Type: name, Queue: "mail"}, runtime.HandlerFunc(handler))
	}
}

func (e *env) pool() *runtime.Pool {
	e.t.Helper()
	p, err := runtime.NewPool(e.manager, e.router, runtime.PoolConfig{Name: "w1", Workers: 2, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(e.t, err)
	return p
}

func (e *env) drain() {
	e.t.Helper()
	_, err := e.pool().Drain(e.t.Context())
	require.NoError(e.t, err)
}

func (e *env) enqueue(tasks ...*runtime.Task) {
	e.t.Helper()
	_, err := e.manager.Enqueue(e.t.Context(), tasks)
	require.NoError(e.t, err)
}

func task(name string) *runtime.Task {
	return &runtime.Task{Type: name, Queue: "mail", Payload: []byte(`{"to":"ada"}`)}
}

// work makes every family have a series that counted something.
func (e *env) work() {
	e.t.Helper()
	again := errors.New("the mail server is busy")
	e.handle(func(_ context.Context, task *runtime.Task) error {
		switch {
		case task.Metadata["do"] == "die":
			return runtime.Skip(again)
		case task.Metadata["do"] == "retry" && task.RetryCount == 0:
			return runtime.RetryAfter(0, again)
		}
		return nil
	})
	die, retry, fired, unique := task("welcome"), task("welcome"), task("welcome"), task("welcome")
	die.Metadata = map[string]string{"do": "die"}
	retry.Metadata, retry.MaxRetries = map[string]string{"do": "retry"}, 1
	fired.Metadata = map[string]string{driver.MetaFiring: time.Now().Add(-time.Second).Format(time.RFC3339Nano)}
	unique.UniqueKey = "once"
	twice := unique.Clone()
	e.enqueue(die, retry, fired, unique, twice)
	e.drain()
	e.metrics.Listener().LeaseLost(&observe.Queue{Name: "mail", Provider: "memory"}, task("welcome"))
	e.metrics.Listener().Called(&observe.Call{Queue: &observe.Queue{Name: "mail", Provider: "memory"}, Op: observe.OpExtend, Err: driver.Unavailable(again)})
}

// read gathers all series: the values of counters and gauges, and the numbers of
// observations of histograms, by their names and labels.
func (e *env) read() map[string]float64 {
	e.t.Helper()
	families, err := e.registry.Gather()
	require.NoError(e.t, err)
	all := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			all[f.GetName()+labelsOf(m)] = valueOf(m)
		}
	}
	return all
}

func labelsOf(m *dto.Metric) string {
	var labels []string
	for _, l := range m.GetLabel() {
		labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
	}
	if labels == nil {
		return ""
	}
	return "{" + strings.Join(labels, ",") + "}"
}

func valueOf(m *dto.Metric) float64 {
	switch {
	case m.Counter != nil:
		return m.Counter.GetValue()
	case m.Gauge != nil:
		return m.Gauge.GetValue()
	default:
		return float64(m.Histogram.GetSampleCount())
	}
}

// require compares some of the series, which are named without the prefix taskgen_.
func (e *env) require(want map[string]float64) {
	e.t.Helper()
	got := e.read()
	for name, value := range want {
		actual, ok := got["taskgen_"+name]
		require.True(e.t, ok, "there is no %s", name)
		require.Equal(e.t, value, actual, name)
	}
}
