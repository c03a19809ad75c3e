package metrics_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/metrics"
	"github.com/taskgen/taskgen/runtime/observe"
)

const (
	mail    = `{provider="memory",queue="mail"}`
	welcome = `{provider="memory",queue="mail",type="welcome"}`
)

func TestEventsAreCounted(t *testing.T) {
	e := newEnv(t, metrics.Config{})
	e.work()
	e.require(map[string]float64{
		"tasks_enqueued_total" + welcome:                                                          4,
		`tasks_refused_total{provider="memory",queue="mail",reason="duplicate"}`:                  1,
		`tasks_refused_total{provider="memory",queue="mail",reason="queue_full"}`:                 0,
		"tasks_dequeued_total" + welcome:                                                          5,
		`tasks_completed_total{provider="memory",queue="mail",status="completed",type="welcome"}`: 3,
		`tasks_completed_total{provider="memory",queue="mail",status="retried",type="welcome"}`:   1,
		`tasks_completed_total{provider="memory",queue="mail",status="dead",type="welcome"}`:      1,
		`tasks_completed_total{provider="memory",queue="mail",status="snoozed",type="welcome"}`:   0,
		`tasks_completed_total{provider="memory",queue="mail",status="cancelled",type="welcome"}`: 0,
		`tasks_completed_total{provider="memory",queue="mail",status="released",type="welcome"}`:  0,
		`task_failures_total{provider="memory",queue="mail",reason="error",type="welcome"}`:       2,
		`task_failures_total{provider="memory",queue="mail",reason="panic",type="welcome"}`:       0,
		"task_processing_duration_seconds" + welcome:                                              5,
		"task_wait_seconds" + welcome:                                                             4,
		"task_end_to_end_seconds" + welcome:                                                       4,
		"task_attempts" + welcome:                                                                 4,
		"task_payload_bytes" + welcome:                                                            4,
		"lease_losses_total" + welcome:                                                            1,
		`provider_errors_total{operation="extend",provider="memory",queue="mail"}`:                1,
		`provider_errors_total{operation="enqueue",provider="memory",queue="mail"}`:               0,
		`provider_call_duration_seconds{operation="enqueue",provider="memory"}`:                   1,
		"scheduler_lag_seconds" + mail:                                                            1,
		`queue_depth{provider="memory",queue="mail",state="ready"}`:                               0,
		`queue_depth{provider="memory",queue="mail",state="scheduled"}`:                           0,
		`queue_depth{provider="memory",queue="mail",state="leased"}`:                              0,
		"dlq_depth" + mail:                1,
		"queue_oldest_age_seconds" + mail: 0,
		"queue_stats_up" + mail:           1,
		"worker_slots":                    0,
		"worker_slots_busy" + mail:        0,
	})
}

func TestATaskThatCouldNotBeSettledIsNotDone(t *testing.T) {
	e := newEnv(t, metrics.Config{})
	e.metrics.Listener().Settled(&observe.Settlement{Queue: &observe.Queue{Name: "mail", Provider: "memory"}, Items: []observe.Settled{
		{Task: task("welcome"), Outcome: driver.Completed},
		{Task: task("welcome"), Outcome: driver.Completed, Err: driver.ErrUnavailable},
		{Task: task("welcome"), Outcome: driver.Abandoned},
	}})
	done := 0.0
	for name, n := range e.read() {
		if strings.HasPrefix(name, "taskgen_tasks_completed_total") {
			done += n
		}
	}
	assert.Equal(t, 1.0, done)
}

func TestFailuresHaveAReason(t *testing.T) {
	e := newEnv(t, metrics.Config{})
	e.router.Handle(runtime.Policy{Type: "welcome", Queue: "mail", Timeout: time.Millisecond}, runtime.HandlerFunc(func(ctx context.Context, _ *runtime.Task) error {
		<-ctx.Done()
		return ctx.Err()
	}))
	e.router.Handle(runtime.Policy{Type: "invoice", Queue: "mail"}, runtime.HandlerFunc(func(context.Context, *runtime.Task) error { panic("nil map") }))
	e.enqueue(task("welcome"), task("invoice"))
	e.drain()
	e.require(map[string]float64{
		`task_failures_total{provider="memory",queue="mail",reason="timeout",type="welcome"}`: 1,
		`task_failures_total{provider="memory",queue="mail",reason="panic",type="invoice"}`:   1,
	})
}

// A task that dies without a run is no run that took no time.
func TestATaskThatDiesWithoutARunHasNoDuration(t *testing.T) {
	e := newEnv(t, metrics.Config{})
	require.NoError(t, e.manager.Open(t.Context(), e.provider, runtime.QueueConfig{Name: "strict", Unknown: runtime.BuryUnknown}))
	e.handle(func(context.Context, *runtime.Task) error { return nil })
	stray := task("made-up")
	stray.Queue = "strict"
	e.enqueue(stray)
	e.drain()
	const unknown = `{provider="memory",queue="strict",type="unknown"}`
	e.require(map[string]float64{
		`task_failures_total{provider="memory",queue="strict",reason="unknown_type",type="unknown"}`: 1,
		`tasks_completed_total{provider="memory",queue="strict",status="dead",type="unknown"}`:       1,
		"task_processing_duration_seconds" + unknown:                                                 0,
		"task_attempts" + unknown: 1,
	})

	e.router.Handle(runtime.Policy{Type: "parcel", Queue: "strict", Shape: "000000000002"}, runtime.HandlerFunc(func(context.Context, *runtime.Task) error { return nil }))
	newer := task("parcel")
	newer.Queue, newer.Shape = "strict", "000000000003"
	e.enqueue(newer)
	e.drain()
	const parcel = `{provider="memory",queue="strict",type="parcel"}`
	e.require(map[string]float64{
		`task_failures_total{provider="memory",queue="strict",reason="unknown_shape",type="parcel"}`: 1,
		"task_processing_duration_seconds" + parcel:                                                  0,
	})
}

func TestSeriesAreThereBeforeTheFirstEvent(t *testing.T) {
	e := newEnv(t, metrics.Config{})
	e.require(map[string]float64{
		"tasks_enqueued_total" + welcome: 0,
		`tasks_completed_total{provider="memory",queue="mail",status="dead",type="invoice"}`: 0,
		"task_processing_duration_seconds" + welcome:                                         0,
		`provider_errors_total{operation="dequeue",provider="memory",queue="mail"}`:          0,

		"worker_slots_busy" + mail: 0,
		"worker_slots":             0,
	})
	e.router.Handle(runtime.Policy{Type: "report"}, runtime.HandlerFunc(func(context.Context, *runtime.Task) error { return nil }))
	e.handle(func(context.Context, *runtime.Task) error { return nil })
	e.drain() // which starts a pool, with nothing to do
	e.require(map[string]float64{`tasks_completed_total{provider="memory",queue="mail",status="dead",type="report"}`: 0})
}

func TestTypesThatNobodyKnowsShareOneLabel(t *testing.T) {
	e := newEnv(t, metrics.Config{})
	for _, name := range []string{"a", "b", "c"} {
		e.enqueue(task("made-up-" + name))
	}
	e.require(map[string]float64{`tasks_enqueued_total{provider="memory",queue="mail",type="unknown"}`: 3})
	for name := range e.read() {
		assert.NotContains(t, name, "made-up")
	}
}

func TestAnAliasIsCountedAsItsType(t *testing.T) {
	e := newEnv(t, metrics.Config{})
	e.router.Handle(runtime.Policy{Type: "welcome", Queue: "mail", Aliases: []string{"hello"}}, runtime.HandlerFunc(func(context.Context, *runtime.Task) error { return nil }))
	e.router.Handle(runtime.Policy{Type: "invoice", Queue: "mail"}, runtime.HandlerFunc(func(context.Context, *runtime.Task) error { return nil }))
	e.enqueue(task("hello"))
	e.drain()
	e.require(map[string]float64{
		"tasks_dequeued_total" + welcome: 1, "task_processing_duration_seconds" + welcome: 1,
		`tasks_completed_total{provider="memory",queue="mail",status="completed",type="welcome"}`: 1,
	})
	e.enqueue(task("hello"))
	e.require(map[string]float64{"tasks_enqueued_total" + welcome: 1})
}

func TestBusyWorkersAreCountedWhileTheyWork(t *testing.T) {
	e := newEnv(t, metrics.Config{})
	begun, end := make(chan struct{}), make(chan struct{})
	e.handle(func(context.Context, *runtime.Task) error {
		begun <- struct{}{}
		<-end
		return nil
	})
	e.enqueue(task("welcome"))
	p := e.pool()
	require.NoError(t, p.Start(t.Context()))
	<-begun
	e.require(map[string]float64{"worker_slots": 2, "queue_workers" + mail: 2, "worker_slots_busy" + mail: 1, `queue_depth{provider="memory",queue="mail",state="leased"}`: 1})
	close(end)
	require.NoError(t, p.Stop(t.Context()))
	e.require(map[string]float64{"worker_slots": 0, "queue_workers" + mail: 0, "worker_slots_busy" + mail: 0})
}

func TestAWorkerWithoutAPoolIsCountedByItsTasksAlone(t *testing.T) {
	e := newEnv(t, metrics.Config{})
	e.handle(func(context.Context, *runtime.Task) error { return nil })
	l, q := e.metrics.Listener(), &observe.Queue{Name: "mail", Provider: "memory"}
	run := &observe.Run{Queue: q, Worker: "shop", Type: "welcome", Task: task("welcome"), Attempt: 1, Outcome: driver.Completed}
	ctx := l.RunStart(t.Context(), run)
	e.require(map[string]float64{"worker_slots_busy" + mail: 0})
	l.RunEnd(ctx, run)
	e.require(map[string]float64{"worker_slots_busy" + mail: 0, "task_processing_duration_seconds" + welcome: 1})
}

func TestTypesThatAServerKnowsHaveALabel(t *testing.T) {
	e := newEnv(t, metrics.Config{})
	l, q := e.metrics.Listener(), &observe.Queue{Name: "mail", Provider: "memory"}
	l.TypesLearned([]observe.Type{{Name: "parcel", Aliases: []string{"packet"}, Queue: "mail"}, {Name: "elsewhere", Queue: "none"}})
	const parcels = `{provider="memory",queue="mail",type="parcel"}`
	e.require(map[string]float64{"tasks_dequeued_total" + parcels: 0})
	l.Dequeued(q, []*observe.Delivery{{Task: task("packet")}, {Task: task("parcel")}, {Task: task("invented")}})
	e.require(map[string]float64{
		"tasks_dequeued_total" + parcels:                                      2,
		`tasks_dequeued_total{provider="memory",queue="mail",type="unknown"}`: 1,
	})
}

func TestAClosedQueueHasNoGauges(t *testing.T) {
	e := newEnv(t, metrics.Config{})
	other := runtime.NewManager(runtime.ManagerConfig{Listeners: []*observe.Listener{e.metrics.Listener()}})
	require.NoError(t, other.Open(t.Context(), e.provider, runtime.QueueConfig{Name: "jobs"}))
	jobs := func() (gauges, counters int) {
		for name := range e.read() {
			switch {
			case !strings.Contains(name, `queue="jobs"`):
			case strings.HasPrefix(name, "taskgen_queue_workers"):
			case strings.HasPrefix(name, "taskgen_queue_"), strings.HasPrefix(name, "taskgen_dlq_"):
				gauges++
			default:
				counters++
			}
		}
		return gauges, counters
	}
	gauges, before := jobs()
	assert.Equal(t, 6, gauges)
	require.NoError(t, other.Close())
	gauges, after := jobs()
	assert.Zero(t, gauges)
	assert.Equal(t, before, after, "what was counted stays counted")
	e.require(map[string]float64{"queue_stats_up" + mail: 1})
	// A batch may be settled after the manager has closed the queue.
	e.metrics.Listener().LeaseLost(&observe.Queue{Name: "jobs", Provider: "memory"}, task("welcome"))
	e.require(map[string]float64{`lease_losses_total{provider="memory",queue="jobs",type="welcome"}`: 1})
}

// A fixedQueue is a queue with other capabilities and counts than those of memory.
type fixedQueue struct {
	driver.Queue
	can   driver.Capabilities
	stats driver.Stats
	err   error
}

func (q *fixedQueue) Capabilities() driver.Capabilities           { return q.can }
func (q *fixedQueue) Stats(context.Context) (driver.Stats, error) { return q.stats, q.err }

func TestWhatAProviderCannotCountIsLeftOut(t *testing.T) {
	e := newEnv(t, metrics.Config{})
	e.metrics.Listener().QueueOpened(&observe.Queue{Name: "far", Provider: "sqs", Driver: &fixedQueue{stats: driver.Stats{Ready: 3, Dead: 2}}})
	e.require(map[string]float64{
		`queue_depth{provider="sqs",queue="far",state="ready"}`: 3,
		`dlq_depth{provider="sqs",queue="far"}`:                 2,
		`queue_stats_up{provider="sqs",queue="far"}`:            1,
	})
	got := e.read()
	for _, name := range []string{
		`taskgen_queue_depth{provider="sqs",queue="far",state="scheduled"}`,
		`taskgen_queue_depth{provider="sqs",queue="far",state="leased"}`,
		`taskgen_queue_oldest_age_seconds{provider="sqs",queue="far"}`,
	} {
		assert.NotContains(t, got, name)
	}
}

func TestABrokerThatFailsHasNoGaugesButOne(t *testing.T) {
	e := newEnv(t, metrics.Config{})
	e.metrics.Listener().QueueOpened(&observe.Queue{Name: "far", Provider: "redis", Driver: &fixedQueue{err: errors.New("no route"), stats: driver.Stats{Ready: 3}}})
	e.require(map[string]float64{`queue_stats_up{provider="redis",queue="far"}`: 0, "queue_stats_up" + mail: 1})
	for name := range e.read() {
		assert.False(t, strings.Contains(name, `queue="far"`) && (strings.HasPrefix(name, "taskgen_queue_depth") || strings.HasPrefix(name, "taskgen_dlq_depth") || strings.HasPrefix(name, "taskgen_queue_oldest")), name)
	}
}

func TestMetricsAreNamedAsPrometheusWantsThem(t *testing.T) {
	e := newEnv(t, metrics.Config{})
	e.work()
	problems, err := testutil.GatherAndLint(e.registry)
	require.NoError(t, err)
	assert.Empty(t, problems)
}

func TestBucketsAreThoseOfTheConfig(t *testing.T) {
	e := newEnv(t, metrics.Config{Buckets: []float64{1, 7200}})
	e.work()
	families, err := e.registry.Gather()
	require.NoError(t, err)
	for _, f := range families {
		switch f.GetName() {
		case "taskgen_task_processing_duration_seconds", "taskgen_task_wait_seconds", "taskgen_task_end_to_end_seconds":
			h := f.GetMetric()[0].GetHistogram()
			require.Len(t, h.GetBucket(), 2, f.GetName())
			assert.Equal(t, 7200.0, h.GetBucket()[1].GetUpperBound())
			assert.NotNil(t, h.Schema, "%s has no native buckets", f.GetName())
		}
	}
	assert.Panics(t, func() { metrics.New(metrics.Config{Buckets: []float64{2, 1}}) })
}

func TestTwoMetricsDoNotShareSeries(t *testing.T) {
	a, b := newEnv(t, metrics.Config{}), newEnv(t, metrics.Config{})
	a.enqueue(task("welcome"))
	a.require(map[string]float64{"tasks_enqueued_total" + welcome: 1})
	b.require(map[string]float64{"tasks_enqueued_total" + welcome: 0})
}

func TestEnqueuesThatFailAreCountedByReason(t *testing.T) {
	e := newEnv(t, metrics.Config{})
	require.NoError(t, e.manager.Open(t.Context(), memory.New(), runtime.QueueConfig{Name: "small", Capacity: 1}))
	small := func() *runtime.Task { t := task("welcome"); t.Queue = "small"; return t }
	nowhere := task("welcome")
	nowhere.Queue = "nowhere"
	invalid := task("welcome")
	invalid.Payload = []byte("{")
	_, err := e.manager.Enqueue(t.Context(), []*runtime.Task{small(), small(), nil, nowhere, invalid, task("welcome")})
	require.Error(t, err)
	e.require(map[string]float64{
		`tasks_enqueued_total{provider="memory",queue="small",type="welcome"}`:      1,
		`tasks_refused_total{provider="memory",queue="small",reason="queue_full"}`:  1,
		`tasks_refused_total{provider="memory",queue="mail",reason="invalid_task"}`: 1,
		"tasks_enqueued_total" + welcome:                                            1,
	})
}
