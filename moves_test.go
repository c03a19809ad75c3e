package taskgen_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/internal/testserver"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/nats"
	"github.com/taskgen/taskgen/runtime/rabbitmq"
	"github.com/taskgen/taskgen/runtime/redis"
	"github.com/taskgen/taskgen/runtime/sqlite"
	"github.com/taskgen/taskgen/runtime/sqs"
)

// A place is a queue of one provider and its dead letter queue.
type place struct {
	name        string
	queue, dead driver.Queue
}

// places opens a queue of the same name on every provider.
func places(t *testing.T) []place {
	t.Helper()
	ctx := t.Context()
	t.Setenv("AWS_ACCESS_KEY_ID", "test") // an emulator takes any
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	serve := func(s *testserver.Server, err error) string {
		t.Helper()
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, s.Stop()) })
		return s.URL
	}
	var all []place
	add := func(p runtime.Provider, err error) {
		t.Helper()
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, p.Close()) })
		q, err := p.Open(ctx, runtime.QueueConfig{Name: "letters"})
		require.NoError(t, err)
		dead, err := p.Open(ctx, runtime.QueueConfig{Name: q.Config().DLQ})
		require.NoError(t, err)
		all = append(all, place{p.Name(), q, dead})
	}
	add(memory.New(), nil)
	add(sqlite.Open(ctx, filepath.Join(t.TempDir(), "tasks.db")))
	add(redis.Open(ctx, serve(testserver.Redis())))
	add(nats.Open(ctx, serve(testserver.NATS())))
	add(rabbitmq.Open(ctx, serve(testserver.RabbitMQ())))
	add(sqs.Open(ctx, "sqs://us-east-1?wait=1s&endpoint="+serve(testserver.SQS())))
	return all
}

// letter is a task in which everything is set that every provider keeps.
func letter(id string) *runtime.Task {
	return &runtime.Task{
		ID: id, Type: "letter", Queue: "letters",
		// As written: nothing is decoded and encoded again on the way.
		Payload:   []byte("{ \"b\":1e2,\"a\" : [null,\"\\u00e9\u00e9\u2028<&>\\/\" ], \"big\":12345678901234567890.10 }"),
		Metadata:  map[string]string{"tenant": "t 1", "é\u2028": "\"quoted\"\n\x00"},
		CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 678901234, time.UTC), MaxRetries: 3, RetryCount: 2,
		Timeout: 90 * time.Second, SchemaVersion: 7, Shape: "0123456789ab",
	}
}

// TestATaskMovesBetweenProvidersByteForByte lets a task die on one provider,
// moves it to the dead letter queue of the next, as a program does that changes
// its broker, and redrives it to the one after. What arrives is what was sent.
func TestATaskMovesBetweenProvidersByteForByte(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts every broker")
	}
	ring := places(t)
	for i, here := range ring {
		next, last := ring[(i+1)%len(ring)], ring[(i+2)%len(ring)]
		t.Run(here.name+" to "+next.name+" to "+last.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			want := letter("letter-" + here.name)
			_, err := here.queue.Enqueue(ctx, []*runtime.Task{want})
			require.NoError(t, err)

			d := take(ctx, t, here.queue)
			requireSame(t, want, d.Task)
			died := time.Date(2026, 1, 3, 0, 0, 0, 5000, time.UTC)
			for _, one := range []*runtime.Task{want, d.Task} {
				driver.RecordAttempt(one, 3, "worker-1", died, time.Second, assert.AnError)
				driver.RecordDeath(one, "letters", died, assert.AnError)
			}
			require.NoError(t, here.queue.DeadLetter(ctx, []*driver.Delivery{d}))

			d = take(ctx, t, here.dead)
			requireSame(t, want, d.Task)
			move(ctx, t, d, here.dead, next.dead)

			d = take(ctx, t, next.dead)
			requireSame(t, want, d.Task)
			driver.ClearDeath(want, "letters-dlq")
			driver.ClearDeath(d.Task, "letters-dlq")
			move(ctx, t, d, next.dead, last.queue)

			d = take(ctx, t, last.queue)
			requireSame(t, want, d.Task)
			require.NoError(t, last.queue.Complete(ctx, []*driver.Delivery{d}))
			for _, p := range ring {
				requireEmpty(ctx, t, p)
			}
		})
	}
}

// take leases the only task of a queue.
func take(ctx context.Context, t *testing.T, q driver.Queue) *driver.Delivery {
	t.Helper()
	for {
		ds, err := q.Dequeue(ctx, 10, time.Minute)
		if ctx.Err() == nil && err != nil {
			require.ErrorIs(t, err, driver.ErrNoTasks, "on %s", q.Config().Name)
			continue // the provider's own longest wait was over
		}
		require.NoError(t, err)
		require.Len(t, ds, 1)
		return ds[0]
	}
}

// move publishes before it acknowledges: a crash in between leaves the task in
// both places, never in none.
func move(ctx context.Context, t *testing.T, d *driver.Delivery, from, to driver.Queue) {
	t.Helper()
	_, err := to.Enqueue(ctx, []*runtime.Task{d.Task})
	require.NoError(t, err)
	require.NoError(t, from.Complete(ctx, []*driver.Delivery{d}))
}

// requireSame holds the envelopes of two tasks against each other, but for the
// queue, which is where the task is.
func requireSame(t *testing.T, want, got *runtime.Task) {
	t.Helper()
	require.Equal(t, string(want.Payload), string(got.Payload))
	there := *got
	there.Queue = want.Queue
	require.Equal(t, string(driver.AppendEnvelope(nil, want)), string(driver.AppendEnvelope(nil, &there)))
}

// requireEmpty waits until a provider counts nothing: SQS counts late.
func requireEmpty(ctx context.Context, t *testing.T, p place) {
	t.Helper()
	for _, q := range []driver.Queue{p.queue, p.dead} {
		require.EventuallyWithT(t, func(t *assert.CollectT) {
			stats, err := q.Stats(ctx)
			assert.NoError(t, err)
			assert.Equal(t, driver.Stats{}, stats, "on %s, %s", p.name, q.Config().Name)
		}, time.Minute, 20*time.Millisecond)
	}
}
