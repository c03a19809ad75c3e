package config

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
)

// delayOf runs a task once with a policy, which fails with err, and returns the delay of its
// retry.
func delayOf(t *testing.T, cl *classic, policy runtime.RetryPolicy, err error) time.Duration {
	t.Helper()
	p := memory.New()
	defer p.Close()
	m := runtime.NewManager(runtime.ManagerConfig{Middleware: []runtime.EnqueueMiddleware{cl.enqueue}})
	require.NoError(t, m.Open(t.Context(), p, runtime.QueueConfig{Name: "q"}))
	defer m.Close()
	r := runtime.NewRouter()
	r.Use(cl.handle)
	r.Handle(runtime.Policy{Type: "t", Queue: "q", Retry: policy}, runtime.HandlerFunc(func(context.Context, *runtime.Task) error { return err }))
	pool, bad := runtime.NewPool(m, r, runtime.PoolConfig{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, bad)
	_, bad = m.Enqueue(t.Context(), []*runtime.Task{{ID: "a", Type: "t", Queue: "q", Payload: []byte("{}")}})
	require.NoError(t, bad)
	before := time.Now()
	_, bad = pool.Drain(t.Context())
	require.NoError(t, bad)
	q, bad := m.Queue("q")
	require.NoError(t, bad)
	found, bad := q.(driver.Finder).Find(t.Context(), "a")
	require.NoError(t, bad)
	require.Len(t, found, 1)
	if found[0].State != driver.Scheduled {
		return -1
	}
	return found[0].DueAt.Sub(before).Round(time.Minute)
}

func TestClassicDelaysTakeTheCodesPlace(t *testing.T) {
	failed := errors.New("it failed")
	policy := runtime.RetryPolicy{Base: time.Hour, Cap: 2 * time.Hour}
	with := func(base, most time.Duration) *classic {
		return &classic{maxRetries: new(1), baseDelay: base, maxDelay: most}
	}
	assert.Equal(t, time.Hour, delayOf(t, with(0, 0), policy, failed))
	assert.Equal(t, 5*time.Minute, delayOf(t, with(5*time.Minute, 0), policy, failed))
	assert.Equal(t, 10*time.Minute, delayOf(t, with(0, 10*time.Minute), policy, failed))
	assert.Equal(t, 30*time.Minute, delayOf(t, with(5*time.Minute, 10*time.Minute), policy, runtime.RetryAfter(30*time.Minute, failed)), "the handler knows best")
	assert.Equal(t, -time.Duration(1), delayOf(t, with(5*time.Minute, 0), policy, runtime.Skip(failed)))
	assert.Equal(t, -time.Duration(1), delayOf(t, &classic{maxRetries: new(0), baseDelay: time.Minute}, policy, failed))
	assert.Equal(t, 20*time.Minute, delayOf(t, with(5*time.Minute, 0), policy, runtime.Snooze(20*time.Minute)))
}

func TestAClassicURLSaysWhereTheQueueIs(t *testing.T) {
	for queueURL, want := range map[string]string{
		"https://sqs.eu-central-1.amazonaws.com/1/mail":  "sqs://eu-central-1?queues.q.url=https%3A%2F%2Fsqs.eu-central-1.amazonaws.com%2F1%2Fmail",
		"https://sqs.cn-north-1.amazonaws.com.cn/1/mail": "sqs://cn-north-1?queues.q.url=https%3A%2F%2Fsqs.cn-north-1.amazonaws.com.cn%2F1%2Fmail",
		"http://localhost:4566/000000000000/mail":        "sqs://?endpoint=http%3A%2F%2Flocalhost%3A4566&queues.q.url=http%3A%2F%2Flocalhost%3A4566%2F000000000000%2Fmail",
	} {
		assert.Equal(t, want, (&classic{queueURL: queueURL}).provider("q"), queueURL)
	}
	for _, bad := range []string{"mail", "arn:aws:sqs:eu-central-1:1:mail", "https://user:pass@host/1/mail", "ftp://host/1/mail", "http://%"} {
		_, _, err := (&classic{queueURL: bad}).server()
		require.Error(t, err, bad)
	}
}
