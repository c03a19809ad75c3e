package runtime_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/observe"
)

// A contextLog writes the values that a record's context has under a key.
type contextLog struct {
	slog.Handler
	key  any
	mu   sync.Mutex
	seen map[string]any // by message
}

func (l *contextLog) Enabled(context.Context, slog.Level) bool { return true }

func (l *contextLog) Handle(ctx context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen[r.Message] = ctx.Value(l.key)
	return nil
}

func TestWhatAListenerPutsIntoTheContextReachesEverybodyBehindIt(t *testing.T) {
	type key struct{}
	seen := make(map[string]any)
	put := func(ctx context.Context, v string) context.Context { return context.WithValue(ctx, key{}, v) }
	listener := &observe.Listener{
		EnqueueStart: func(ctx context.Context, tasks []*runtime.Task) context.Context {
			driver.SetMeta(tasks[0], "from", tasks[0].ID)
			return put(ctx, "sends")
		},
		EnqueueEnd: func(ctx context.Context, _ *observe.Enqueue) { seen["EnqueueEnd"] = ctx.Value(key{}) },
		RunStart:   func(ctx context.Context, _ *observe.Run) context.Context { return put(ctx, "runs") },
		RunEnd: func(ctx context.Context, r *observe.Run) {
			seen["RunEnd"] = ctx.Value(key{})
			driver.SetMeta(r.Task, "last", "attempt 1")
		},
	}
	spec := &runtime.Spec[string]{Type: "welcome", Queue: "mail"}
	m := runtime.NewManager(runtime.ManagerConfig{
		Listeners: []*observe.Listener{nil, listener},
		Middleware: []runtime.EnqueueMiddleware{func(next runtime.Enqueuer) runtime.Enqueuer {
			return runtime.EnqueuerFunc(func(ctx context.Context, tasks []*runtime.Task) ([]runtime.Enqueued, error) {
				seen["enqueue middleware"] = ctx.Value(key{})
				return next.Enqueue(ctx, tasks)
			})
		}},
	})
	p := memory.New()
	require.NoError(t, m.Open(t.Context(), p, runtime.QueueConfig{Name: "mail"}))
	defer m.Close()
	r := runtime.NewRouter()
	r.Use(func(next runtime.Handler) runtime.Handler {
		return runtime.HandlerFunc(func(ctx context.Context, task *runtime.Task) error {
			seen["middleware"] = ctx.Value(key{})
			return next.Handle(ctx, task)
		})
	})
	runtime.Register(r, spec, func(ctx context.Context, _ string) error {
		info, ok := runtime.TaskFromContext(ctx)
		require.True(t, ok)
		seen["handler"], seen["metadata"] = ctx.Value(key{}), info.Metadata["from"]
		return runtime.Skip(errors.New("nobody there"))
	})
	runtime.OnDead(r, spec, func(ctx context.Context, _ string, _ error) error {
		seen["dead hook"] = ctx.Value(key{})
		return ctx.Err()
	})
	log := &contextLog{key: key{}, seen: make(map[string]any)}
	pool, err := runtime.NewPool(m, r, runtime.PoolConfig{Workers: 1, Logger: slog.New(log)})
	require.NoError(t, err)
	_, err = runtime.Enqueue(t.Context(), m, spec, new(string), runtime.WithID("t1"))
	require.NoError(t, err)
	_, err = pool.Drain(t.Context())
	require.NoError(t, err)

	assert.Equal(t, map[string]any{
		"enqueue middleware": "sends", "EnqueueEnd": "sends",
		"middleware": "runs", "handler": "runs", "RunEnd": "runs", "dead hook": "runs", "metadata": "t1",
	}, seen)
	assert.Equal(t, "runs", log.seen["task is dead"])
	q, err := m.Queue("mail")
	require.NoError(t, err)
	dead, _, err := q.(driver.Browser).Browse(t.Context(), driver.Dead, "", 10)
	require.NoError(t, err)
	assert.Equal(t, "attempt 1", dead[0].Metadata["last"], "what RunEnd wrote travels along")
}

func TestListenersHearOfQueuesPoolsAndCalls(t *testing.T) {
	var (
		mu    sync.Mutex
		heard []string
		calls = make(map[observe.Op]int)
		taken int
		pools []*observe.Pool
	)
	hear := func(s string) {
		mu.Lock()
		defer mu.Unlock()
		heard = append(heard, s)
	}
	listener := &observe.Listener{
		QueueOpened: func(q *observe.Queue) {
			hear("opened " + q.Name + " on " + q.Provider + " for " + strings.Join(q.Types, " "))
		},
		QueueClosed: func(q *observe.Queue) { hear("closed " + q.Name) },
		PoolStarted: func(p *observe.Pool) { pools = append(pools, p); hear("started " + p.Name) },
		PoolStopped: func(p *observe.Pool) { hear("stopped " + p.Name) },
		Dequeued: func(_ *observe.Queue, ds []*driver.Delivery) {
			mu.Lock()
			defer mu.Unlock()
			taken += len(ds)
		},
		Called: func(c *observe.Call) {
			assert.NoError(t, c.Err)
			assert.Equal(t, "mail", c.Queue.Name)
			mu.Lock()
			defer mu.Unlock()
			calls[c.Op] += c.Tasks
		},
	}
	m := runtime.NewManager(runtime.ManagerConfig{Listeners: []*observe.Listener{listener}})
	require.NoError(t, m.Open(t.Context(), memory.New(), runtime.QueueConfig{Name: "mail", Types: []string{"welcome"}}))
	r := runtime.NewRouter()
	r.Handle(runtime.Policy{Type: "welcome", Queue: "mail", Aliases: []string{"hello"}}, runtime.HandlerFunc(func(_ context.Context, task *runtime.Task) error {
		if task.RetryCount == 0 {
			return runtime.RetryAfter(0, errors.New("again"))
		}
		return nil
	}))
	p, err := runtime.NewPool(m, r, runtime.PoolConfig{Name: "w1", Workers: 3})
	require.NoError(t, err)
	tasks := []*runtime.Task{{Type: "welcome", Queue: "mail", MaxRetries: 1, Payload: []byte("1")}, {Type: "welcome", Queue: "mail", Payload: []byte("1")}}
	_, err = m.Enqueue(t.Context(), tasks)
	require.NoError(t, err)
	_, err = p.Drain(t.Context())
	require.NoError(t, err)
	require.NoError(t, m.Close())

	assert.Equal(t, []string{"opened mail on memory for welcome", "started w1", "stopped w1", "closed mail"}, heard)
	assert.Equal(t, map[observe.Op]int{observe.OpEnqueue: 2, observe.OpDequeue: 3, observe.OpRelease: 1, observe.OpComplete: 1, observe.OpDeadLetter: 1}, calls)
	assert.Equal(t, 3, taken)
	require.Len(t, pools, 1)
	assert.Equal(t, 3, pools[0].Workers)
	assert.Equal(t, []observe.Type{{Name: "welcome", Aliases: []string{"hello"}, Queue: "mail"}}, pools[0].Types)
	assert.False(t, pools[0].Orders.Cancel("nobody"))
	assert.Equal(t, "mail", pools[0].Queues[0].Name)
}

func TestAnEnqueueIsReportedWithItsAnswers(t *testing.T) {
	var enqueues []observe.Enqueue
	m := runtime.NewManager(runtime.ManagerConfig{Listeners: []*observe.Listener{{
		EnqueueEnd: func(_ context.Context, e *observe.Enqueue) { enqueues = append(enqueues, *e) },
	}}})
	require.NoError(t, m.Open(t.Context(), memory.New(), runtime.QueueConfig{Name: "mail"}))
	defer m.Close()
	tasks := []*runtime.Task{{Type: "welcome", Queue: "mail", Payload: []byte("1")}, {Type: "welcome", Queue: "nowhere", Payload: []byte("1")}, {Queue: "mail"}}
	answers, err := m.Enqueue(t.Context(), tasks)
	require.Error(t, err)
	require.Len(t, enqueues, 1)
	assert.Equal(t, tasks, enqueues[0].Tasks)
	assert.Equal(t, answers, enqueues[0].Answers)
	assert.Equal(t, err, enqueues[0].Err)
	assert.NoError(t, driver.ErrorAt(enqueues[0].Err, 0))
	assert.ErrorIs(t, driver.ErrorAt(enqueues[0].Err, 1), runtime.ErrUnknownQueue)
	assert.ErrorIs(t, driver.ErrorAt(enqueues[0].Err, 2), runtime.ErrInvalidTask)
	assert.Equal(t, "memory", enqueues[0].Queue("mail").Provider)
	assert.Nil(t, enqueues[0].Queue("nowhere"))
}

func TestACallThatFailsIsReportedWithItsError(t *testing.T) {
	var failed []observe.Call
	m := runtime.NewManager(runtime.ManagerConfig{Listeners: []*observe.Listener{{
		Called: func(c *observe.Call) { failed = append(failed, *c) },
	}}})
	p := memory.New()
	require.NoError(t, m.Open(t.Context(), p, runtime.QueueConfig{Name: "mail"}))
	require.NoError(t, p.Close())
	_, err := m.Enqueue(t.Context(), []*runtime.Task{{Type: "welcome", Queue: "mail", Payload: []byte("1")}})
	require.ErrorIs(t, err, runtime.ErrClosed)
	require.Len(t, failed, 1)
	assert.Equal(t, observe.OpEnqueue, failed[0].Op)
	assert.ErrorIs(t, failed[0].Err, runtime.ErrClosed)
}
