package metrics_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/metrics"
	"github.com/taskgen/taskgen/runtime/observe"
)

// events are what a listener hears of one task that is enqueued, run and completed.
func events(l *observe.Listener, q *observe.Queue) func() {
	t := &driver.Task{ID: "1", Type: "welcome", Queue: "mail", Payload: []byte(`{"to":"ada"}`), CreatedAt: time.Now()}
	enqueue := &observe.Enqueue{Tasks: []*driver.Task{t}, Answers: make([]driver.Enqueued, 1), Queue: func(string) *observe.Queue { return q }}
	deliveries := []*driver.Delivery{{Task: t}}
	run := &observe.Run{Queue: q, Pool: &observe.Pool{}, Type: t.Type, Task: t, Attempt: 1, At: t.CreatedAt.Add(30 * time.Millisecond), Took: 3 * time.Millisecond, Outcome: driver.Completed}
	settlement := &observe.Settlement{Queue: q, Items: []observe.Settled{{Task: t, Outcome: driver.Completed, Ran: true}}}
	call := &observe.Call{Queue: q, Op: observe.OpComplete, Tasks: 1, Took: time.Millisecond}
	ctx := context.Background()
	return func() {
		l.EnqueueEnd(ctx, enqueue)
		l.Dequeued(q, deliveries)
		l.RunEnd(l.RunStart(ctx, run), run)
		l.Settled(settlement)
		l.Called(call)
	}
}

func mailQueue() *observe.Queue {
	return &observe.Queue{Name: "mail", Provider: "memory", Types: []string{"welcome"}, Driver: &fixedQueue{}}
}

// BenchmarkTask is what the metrics of one task cost.
func BenchmarkTask(b *testing.B) {
	m, q := metrics.New(metrics.Config{}), mailQueue()
	m.Listener().QueueOpened(q)
	do := events(m.Listener(), q)
	b.ReportAllocs()
	for b.Loop() {
		do()
	}
}

func TestATaskCostsNoAllocation(t *testing.T) {
	m, q := metrics.New(metrics.Config{}), mailQueue()
	m.Listener().QueueOpened(q)
	do := events(m.Listener(), q)
	do() // makes the native buckets
	require.Zero(t, testing.AllocsPerRun(1000, do))
}

// BenchmarkPool is a pool of no-op handlers, with metrics and without.
func BenchmarkPool(b *testing.B) {
	b.Run("without", func(b *testing.B) { benchmarkPool(b) })
	b.Run("with", func(b *testing.B) { benchmarkPool(b, metrics.New(metrics.Config{}).Listener()) })
}

func benchmarkPool(b *testing.B, listeners ...*observe.Listener) {
	const batch = 500
	m := runtime.NewManager(runtime.ManagerConfig{Listeners: listeners})
	require.NoError(b, m.Open(b.Context(), memory.New(), runtime.QueueConfig{Name: "mail", Types: []string{"welcome"}, Capacity: 1 << 30}))
	defer m.Close()
	r := runtime.NewRouter()
	r.Handle(runtime.Policy{Type: "welcome", Queue: "mail"}, runtime.HandlerFunc(func(context.Context, *runtime.Task) error { return nil }))
	p, err := runtime.NewPool(m, r, runtime.PoolConfig{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(b, err)
	payload := []byte(`{"to":"ada"}`)
	tasks, room := make([]*runtime.Task, batch), make([]runtime.Task, batch)
	b.ReportAllocs()
	b.ResetTimer()
	for left := b.N; left > 0; left -= batch {
		for i := range tasks {
			room[i] = runtime.Task{Type: "welcome", Queue: "mail", Payload: payload}
			tasks[i] = &room[i]
		}
		_, err := m.Enqueue(b.Context(), tasks[:min(left, batch)])
		require.NoError(b, err)
	}
	n, err := p.Drain(b.Context())
	require.NoError(b, err)
	require.Equal(b, b.N, n)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tasks/s")
}

// BenchmarkFailure is what the metrics of a run that fails cost.
func BenchmarkFailure(b *testing.B) {
	m, q := metrics.New(metrics.Config{}), mailQueue()
	m.Listener().QueueOpened(q)
	run := &observe.Run{Queue: q, Type: "welcome", Task: &driver.Task{Type: "welcome"}, Attempt: 1, Outcome: driver.Retried, Err: errors.New("busy")}
	b.ReportAllocs()
	for b.Loop() {
		m.Listener().RunEnd(context.Background(), run)
	}
}
