package runtime_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	goruntime "runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/observe"
)

// farQueue is a queue behind a network: each call takes a round trip, whatever
// the size of its batch.
type farQueue struct {
	driver.Queue
	trip time.Duration
}

func (q farQueue) wait() {
	if q.trip > 0 {
		time.Sleep(q.trip)
	}
}

func (q farQueue) Dequeue(ctx context.Context, limit int, lease time.Duration) ([]*driver.Delivery, error) {
	q.wait()
	return q.Queue.Dequeue(ctx, limit, lease)
}

func (q farQueue) Complete(ctx context.Context, ds []*driver.Delivery) error {
	q.wait()
	return q.Queue.Complete(ctx, ds)
}

func (q farQueue) Release(ctx context.Context, ds []*driver.Delivery) error {
	q.wait()
	return q.Queue.Release(ctx, ds)
}

type farProvider struct {
	runtime.Provider
	trip time.Duration
}

func (p farProvider) Open(ctx context.Context, cfg runtime.QueueConfig) (driver.Queue, error) {
	q, err := p.Provider.Open(ctx, cfg)
	return farQueue{q, p.trip}, err
}

const (
	benchBatch = 500
	benchAhead = 20_000 // tasks that wait on the queue at most
)

// benchmarkPool enqueues b.N tasks in batches, while a pool runs them.
func benchmarkPool(b *testing.B, trip time.Duration, work func(), listeners ...*observe.Listener) {
	m := runtime.NewManager(runtime.ManagerConfig{Listeners: listeners})
	require.NoError(b, m.Open(b.Context(), farProvider{memory.New(), trip}, runtime.QueueConfig{Name: "q", Capacity: 1 << 20}))
	defer m.Close()
	r := runtime.NewRouter()
	var done atomic.Int64
	all := make(chan struct{})
	r.Handle(runtime.Policy{Type: "job", Queue: "q"}, runtime.HandlerFunc(func(context.Context, *runtime.Task) error {
		if work != nil {
			work()
		}
		if done.Add(1) == int64(b.N) {
			close(all)
		}
		return nil
	}))
	p, err := runtime.NewPool(m, r, runtime.PoolConfig{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	require.NoError(b, err)

	// The tasks and payloads are the user's: they are made beforehand, and used
	// again by each batch, for a queue copies what it is given.
	payload := []byte(`{"text":"what is enqueued","model":"small","agent_id":"a1"}`)
	tasks := make([]*runtime.Task, benchBatch)
	room := make([]runtime.Task, benchBatch)

	b.ReportAllocs()
	b.ResetTimer()
	require.NoError(b, p.Start(b.Context()))
	for left := b.N; left > 0; left -= benchBatch {
		for int64(b.N-left)-done.Load() > benchAhead {
			goruntime.Gosched()
		}
		for i := range tasks {
			room[i] = runtime.Task{Type: "job", Queue: "q", Payload: payload}
			tasks[i] = &room[i]
		}
		_, err := m.Enqueue(b.Context(), tasks[:min(left, benchBatch)])
		require.NoError(b, err)
	}
	<-all
	require.NoError(b, p.Stop(context.Background()))
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tasks/s")
	q, err := m.Queue("q")
	require.NoError(b, err)
	stats, err := q.Stats(b.Context())
	require.NoError(b, err)
	require.Equal(b, driver.Stats{}, stats)
}

func BenchmarkPoolNoOp(b *testing.B) { benchmarkPool(b, 0, nil) }

// BenchmarkPoolNoOpObserved is what a listener with functions that do nothing costs.
func BenchmarkPoolNoOpObserved(b *testing.B) {
	benchmarkPool(b, 0, nil, &observe.Listener{
		EnqueueStart: func(ctx context.Context, _ []*runtime.Task) context.Context { return ctx },
		EnqueueEnd:   func(context.Context, *observe.Enqueue) {},
		Dequeued:     func(*observe.Queue, []*driver.Delivery) {},
		RunStart:     func(ctx context.Context, _ *observe.Run) context.Context { return ctx },
		RunEnd:       func(context.Context, *observe.Run) {},
		Settled:      func(*observe.Settlement) {},
		Called:       func(*observe.Call) {},
	})
}

func BenchmarkPoolNoOpFar(b *testing.B) { benchmarkPool(b, time.Millisecond, nil) }
func BenchmarkPoolSleep1ms(b *testing.B) {
	benchmarkPool(b, 0, func() { time.Sleep(time.Millisecond) })
}

func BenchmarkPoolSleep1msFar(b *testing.B) {
	benchmarkPool(b, time.Millisecond, func() { time.Sleep(time.Millisecond) })
}

// benchmarkFailing runs tasks whose handler fails once, then fails them for good, and
// logs both.
func benchmarkFailing(b *testing.B, log *slog.Logger) {
	m := runtime.NewManager(runtime.ManagerConfig{})
	require.NoError(b, m.Open(b.Context(), memory.New(), runtime.QueueConfig{Name: "q", Capacity: 1 << 30}))
	defer m.Close()
	r := runtime.NewRouter()
	fails := errors.New("the mail server says no")
	r.Handle(runtime.Policy{Type: "job", Queue: "q"}, runtime.HandlerFunc(func(context.Context, *runtime.Task) error {
		return runtime.RetryAfter(0, fails)
	}))
	p, err := runtime.NewPool(m, r, runtime.PoolConfig{Logger: log})
	require.NoError(b, err)
	payload := []byte(`{"text":"what is enqueued","model":"small","agent_id":"a1"}`)
	tasks := make([]*runtime.Task, b.N)
	for i := range tasks {
		tasks[i] = &runtime.Task{Type: "job", Queue: "q", Payload: payload, MaxRetries: 1}
	}
	_, err = m.Enqueue(b.Context(), tasks)
	require.NoError(b, err)
	b.ReportAllocs()
	b.ResetTimer()
	runs, err := p.Drain(b.Context())
	require.NoError(b, err)
	require.Equal(b, 2*b.N, runs)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tasks/s")
}

func BenchmarkPoolFailing(b *testing.B) {
	b.Run("silent", func(b *testing.B) { benchmarkFailing(b, slog.New(slog.DiscardHandler)) })
	b.Run("logged", func(b *testing.B) { benchmarkFailing(b, slog.New(slog.NewTextHandler(io.Discard, nil))) })
	b.Run("logged to a file", func(b *testing.B) {
		f, err := os.Create(filepath.Join(b.TempDir(), "log"))
		require.NoError(b, err)
		defer f.Close()
		benchmarkFailing(b, slog.New(slog.NewTextHandler(f, nil)))
	})
}
