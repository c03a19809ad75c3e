package otelmetrics_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/metrics/otelmetrics"
	"github.com/taskgen/taskgen/runtime/observe"
)

// An env is a program with metrics, and a reader in place of an exporter.
type env struct {
	t       *testing.T
	reader  *sdk.ManualReader
	metrics *otelmetrics.Metrics
	manager *runtime.Manager
	router  *runtime.Router
}

func newEnv(t *testing.T) *env {
	t.Helper()
	e := &env{t: t, reader: sdk.NewManualReader(), router: runtime.NewRouter()}
	provider := sdk.NewMeterProvider(sdk.WithReader(e.reader))
	var err error
	e.metrics, err = otelmetrics.New(otelmetrics.Config{MeterProvider: provider, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	e.manager = runtime.NewManager(runtime.ManagerConfig{Listeners: []*observe.Listener{e.metrics.Listener()}})
	require.NoError(t, e.manager.Open(t.Context(), memory.New(), runtime.QueueConfig{Name: "mail", Types: []string{"welcome"}}))
	t.Cleanup(func() { require.NoError(t, e.manager.Close()) })
	return e
}

// work makes every instrument measure something.
func (e *env) work() {
	e.t.Helper()
	again := errors.New("the mail server is busy")
	e.router.Handle(runtime.Policy{Type: "welcome", Queue: "mail"}, runtime.HandlerFunc(func(_ context.Context, task *runtime.Task) error {
		switch {
		case task.Metadata["do"] == "die":
			panic("nobody there")
		case task.Metadata["do"] == "retry" && task.RetryCount == 0:
			return runtime.RetryAfter(0, again)
		}
		return nil
	}))
	task := func(do string) *runtime.Task {
		return &runtime.Task{Type: "welcome", Queue: "mail", Payload: []byte(`{"to":"ada"}`), Metadata: map[string]string{"do": do}}
	}
	die, retry, fired, unique := task("die"), task("retry"), task(""), task("")
	retry.MaxRetries = 1
	fired.Metadata[driver.MetaFiring] = time.Now().Add(-time.Second).Format(time.RFC3339Nano)
	unique.UniqueKey = "once"
	_, err := e.manager.Enqueue(e.t.Context(), []*runtime.Task{die, retry, fired, unique, unique.Clone()})
	require.NoError(e.t, err)
	pool, err := runtime.NewPool(e.manager, e.router, runtime.PoolConfig{Workers: 2, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(e.t, err)
	_, err = pool.Drain(e.t.Context())
	require.NoError(e.t, err)
	mail := &observe.Queue{Name: "mail", Provider: "memory"}
	e.metrics.Listener().LeaseLost(mail, task(""))
	e.metrics.Listener().Called(&observe.Call{Queue: mail, Op: observe.OpExtend, Err: driver.Unavailable(again)})
	e.metrics.Listener().Called(&observe.Call{Queue: mail, Op: observe.OpComplete, Err: again})
}

func (e *env) collect() metricdata.ScopeMetrics {
	e.t.Helper()
	var data metricdata.ResourceMetrics
	require.NoError(e.t, e.reader.Collect(context.Background(), &data))
	require.Len(e.t, data.ScopeMetrics, 1)
	return data.ScopeMetrics[0]
}

// read returns the values of counters and gauges, and the numbers of measurements of
// histograms, by the names and attributes of the series.
func (e *env) read() map[string]float64 {
	e.t.Helper()
	all := make(map[string]float64)
	for _, m := range e.collect().Metrics {
		switch data := m.Data.(type) {
		case metricdata.Sum[int64]:
			for _, p := range data.DataPoints {
				all[m.Name+labels(p.Attributes)] = float64(p.Value)
			}
		case metricdata.Gauge[int64]:
			for _, p := range data.DataPoints {
				all[m.Name+labels(p.Attributes)] = float64(p.Value)
			}
		case metricdata.Gauge[float64]:
			for _, p := range data.DataPoints {
				all[m.Name+labels(p.Attributes)] = p.Value
			}
		case metricdata.Histogram[int64]:
			for _, p := range data.DataPoints {
				all[m.Name+labels(p.Attributes)] = float64(p.Count)
			}
		case metricdata.Histogram[float64]:
			for _, p := range data.DataPoints {
				all[m.Name+labels(p.Attributes)] = float64(p.Count)
			}
		default:
			e.t.Fatalf("%s is a %T", m.Name, data)
		}
	}
	return all
}

// labels are the attributes of a series but those that all have in common.
func labels(set attribute.Set) string {
	var all []string
	for _, kv := range set.ToSlice() {
		if kv.Key != "messaging.system" && kv.Key != "messaging.destination.name" {
			all = append(all, fmt.Sprintf("%s=%s", kv.Key, kv.Value.String()))
		}
	}
	return "{" + strings.Join(all, ",") + "}"
}

func TestEventsAreMeasured(t *testing.T) {
	e := newEnv(t)
	e.work()
	got := e.read()
	const welcome = "taskgen.task.type=welcome"
	for name, want := range map[string]float64{
		"messaging.client.sent.messages{messaging.operation.name=send,messaging.operation.type=send," + welcome + "}":                      4,
		"messaging.client.sent.messages{error.type=duplicate,messaging.operation.name=send,messaging.operation.type=send," + welcome + "}": 1,
		"messaging.client.consumed.messages{messaging.operation.name=receive,messaging.operation.type=receive," + welcome + "}":            5,
		"messaging.client.operation.duration{messaging.operation.name=send,messaging.operation.type=send}":                                 1,
		"messaging.client.operation.duration{error.type=unavailable,messaging.operation.name=extend}":                                      1,
		"messaging.client.operation.duration{error.type=_OTHER,messaging.operation.name=ack,messaging.operation.type=settle}":              1,
		"messaging.process.duration{messaging.operation.name=process,messaging.operation.type=process," + welcome + "}":                    3,
		"messaging.process.duration{error.type=_OTHER,messaging.operation.name=process,messaging.operation.type=process," + welcome + "}":  1,
		"messaging.process.duration{error.type=panic,messaging.operation.name=process,messaging.operation.type=process," + welcome + "}":   1,
		"taskgen.tasks.completed{taskgen.task.outcome=completed," + welcome + "}":                                                          3,
		"taskgen.tasks.completed{taskgen.task.outcome=retried," + welcome + "}":                                                            1,
		"taskgen.tasks.completed{taskgen.task.outcome=dead," + welcome + "}":                                                               1,
		"taskgen.task.wait.duration{" + welcome + "}":                                                                                      4,
		"taskgen.task.end_to_end.duration{" + welcome + "}":                                                                                4,
		"taskgen.task.attempts{" + welcome + "}":                                                                                           4,
		"taskgen.task.payload.size{" + welcome + "}":                                                                                       4,
		"taskgen.lease.losses{" + welcome + "}":                                                                                            1,
		"taskgen.scheduler.lag{}":                                                                                                          1,
		"taskgen.worker.slots{}":                                                                                                           0,
		"taskgen.worker.busy{}":                                                                                                            0,
		"taskgen.queue.depth{taskgen.queue.state=ready}":                                                                                   0,
		"taskgen.queue.depth{taskgen.queue.state=scheduled}":                                                                               0,
		"taskgen.queue.depth{taskgen.queue.state=leased}":                                                                                  0,
		"taskgen.dlq.depth{}":        1,
		"taskgen.queue.oldest_age{}": 0,
		"taskgen.queue.stats.up{}":   1,
	} {
		actual, ok := got[name]
		assert.True(t, ok, "there is no %s", name)
		assert.Equal(t, want, actual, name)
	}
}

func TestQueuesAreNamedByTheConventions(t *testing.T) {
	e := newEnv(t)
	e.metrics.Listener().Dequeued(&observe.Queue{Name: "far", Provider: "sqs"}, []*observe.Delivery{{Task: &driver.Task{Type: "made-up"}}})
	scope := e.collect()
	assert.Equal(t, "https://opentelemetry.io/schemas/1.45.0", scope.Scope.SchemaURL)
	for _, m := range scope.Metrics {
		if m.Name == "messaging.client.consumed.messages" {
			points := m.Data.(metricdata.Sum[int64]).DataPoints
			require.Len(t, points, 1)
			for key, want := range map[attribute.Key]string{"messaging.system": "aws_sqs", "messaging.destination.name": "far", "taskgen.task.type": "unknown"} {
				got, _ := points[0].Attributes.Value(key)
				assert.Equal(t, want, got.AsString())
			}
		}
	}
}

func TestATaskThatCouldNotBeSettledIsNotDone(t *testing.T) {
	e := newEnv(t)
	mail, task := &observe.Queue{Name: "mail", Provider: "memory"}, &driver.Task{Type: "welcome"}
	e.metrics.Listener().Settled(&observe.Settlement{Queue: mail, Items: []observe.Settled{
		{Task: task, Outcome: driver.Completed},
		{Task: task, Outcome: driver.Completed, Err: driver.ErrUnavailable},
		{Task: task, Outcome: driver.Abandoned},
	}})
	done := 0.0
	for name, n := range e.read() {
		if strings.HasPrefix(name, "taskgen.tasks.completed") {
			done += n
		}
	}
	assert.Equal(t, 1.0, done)
}

// A farQueue is a queue of a provider that counts little, or nothing at all.
type farQueue struct {
	driver.Queue
	err error
}

func (q *farQueue) Capabilities() driver.Capabilities { return driver.Capabilities{} }
func (q *farQueue) Stats(context.Context) (driver.Stats, error) {
	return driver.Stats{Ready: 3, Dead: 2}, q.err
}

func TestWhatIsNotCountedIsLeftOut(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want map[string]float64
	}{
		"a provider that counts little": {nil, map[string]float64{"taskgen.queue.depth{taskgen.queue.state=ready}": 3, "taskgen.dlq.depth{}": 2, "taskgen.queue.stats.up{}": 1}},
		"a broker that is away":         {driver.ErrUnavailable, map[string]float64{"taskgen.queue.stats.up{}": 0}},
	} {
		t.Run(name, func(t *testing.T) {
			reader := sdk.NewManualReader()
			m, err := otelmetrics.New(otelmetrics.Config{MeterProvider: sdk.NewMeterProvider(sdk.WithReader(reader)), Logger: slog.New(slog.DiscardHandler)})
			require.NoError(t, err)
			far := &observe.Queue{Name: "far", Provider: "fake", Driver: &farQueue{err: c.err}}
			m.Listener().QueueOpened(far)
			e := &env{t: t, reader: reader, metrics: m}
			assert.Equal(t, c.want, e.read())
			m.Listener().QueueClosed(far)
			var data metricdata.ResourceMetrics
			require.NoError(t, reader.Collect(context.Background(), &data))
			assert.Empty(t, data.ScopeMetrics, "a closed queue has no gauges")
		})
	}
}

func TestCloseEndsTheGauges(t *testing.T) {
	e := newEnv(t)
	e.work()
	assert.Contains(t, e.read(), "taskgen.queue.stats.up{}")
	require.NoError(t, e.metrics.Close())
	assert.NotContains(t, e.read(), "taskgen.queue.stats.up{}")
}

func TestNobodyListensToTheGlobalProviderByDefault(t *testing.T) {
	m, err := otelmetrics.New(otelmetrics.Config{})
	require.NoError(t, err)
	m.Listener().QueueOpened(&observe.Queue{Name: "far", Provider: "fake", Driver: &farQueue{}, Types: []string{"welcome"}})
	require.NoError(t, m.Close())
}

// TestATaskCostsNoAllocationOfOurs measures without an SDK, whose cost is its own.
func TestATaskCostsNoAllocationOfOurs(t *testing.T) {
	m, err := otelmetrics.New(otelmetrics.Config{})
	require.NoError(t, err)
	q := &observe.Queue{Name: "mail", Provider: "memory", Types: []string{"welcome"}, Driver: &farQueue{}}
	l := m.Listener()
	l.QueueOpened(q)
	task := &driver.Task{Type: "welcome", Queue: "mail", CreatedAt: time.Now()}
	deliveries := []*driver.Delivery{{Task: task}}
	run := &observe.Run{Queue: q, Pool: &observe.Pool{}, Type: task.Type, Task: task, Attempt: 1, At: time.Now(), Outcome: driver.Completed}
	settlement := &observe.Settlement{Queue: q, Items: []observe.Settled{{Task: task, Outcome: driver.Completed}}}
	ctx := context.Background()
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		l.Dequeued(q, deliveries)
		l.RunEnd(l.RunStart(ctx, run), run)
		l.Settled(settlement)
	}))
}
