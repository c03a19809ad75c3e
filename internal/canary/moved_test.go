package canary

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/dlq"
	"github.com/taskgen/taskgen/runtime/encrypt"
	"github.com/taskgen/taskgen/runtime/memory"
)

// A ciphertext is bound to its queue: the name must be the same wherever the task goes
// by itself. It is delayed, fails, is retried, dies, and is put off and done on the dead
// letter queue; another one is redriven from there, dies again, and is redriven from a
// store.
func TestEncryptedTaskIsReadWhereverItGoes(t *testing.T) {
	all := maps.Clone(envs)
	for name, open := range brokers {
		all[name] = func(t *testing.T) env {
			p := open(t)
			t.Cleanup(func() { require.NoError(t, p.Close()) })
			return env{provider: p, letters: memory.NewLetters()}
		}
	}
	for name, build := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := build(t)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			ring, err := encrypt.NewKeyRing("k", map[string][]byte{"k": bytes.Repeat([]byte{7}, encrypt.KeySize)}, encrypt.RequireAll())
			require.NoError(t, err)
			open := func(name string) *runtime.Manager {
				m := runtime.NewManager(runtime.ManagerConfig{Middleware: []runtime.EnqueueMiddleware{ring.Enqueue}})
				require.NoError(t, m.Open(ctx, w.provider, runtime.QueueConfig{Name: name}))
				t.Cleanup(func() { require.NoError(t, m.Close()) })
				return m
			}
			m, dead := open("q"), open("q-dlq")
			spec := &runtime.Spec[string]{Type: "t", Queue: "q"}
			var outcomes []error
			router := runtime.NewRouter()
			router.Use(ring.Handle)
			runtime.Register(router, spec, func(_ context.Context, got string) error {
				require.Equal(t, "hunter2", got)
				err := outcomes[0]
				outcomes = outcomes[1:]
				return err
			})
			run := func(m *runtime.Manager, want ...error) {
				t.Helper()
				outcomes = want
				pool, err := runtime.NewPool(m, router, runtime.PoolConfig{Workers: 1})
				require.NoError(t, err)
				for len(outcomes) > 0 { // what is delayed is not drained
					_, err = pool.Drain(ctx)
					require.NoError(t, err)
				}
			}
			failed := errors.New("no")
			again := runtime.RetryAfter(time.Millisecond, failed)

			card := "hunter2"
			_, err = runtime.Enqueue(ctx, m, spec, &card, runtime.WithDelay(time.Millisecond), runtime.WithMaxRetries(1))
			require.NoError(t, err)
			run(m, again, failed)
			run(dead, runtime.Snooze(time.Millisecond), nil)

			sent, err := runtime.Enqueue(ctx, m, spec, &card, runtime.WithMaxRetries(1))
			require.NoError(t, err)
			run(m, again, failed)
			box, err := dlq.Open(m, "q", dlq.Config{Router: router, Provider: w.provider})
			require.NoError(t, err)
			done, err := box.Redrive(ctx, dlq.Redrive{})
			require.NoError(t, err)
			require.Equal(t, 1, done.Moved)
			run(m, again, failed)

			q, err := dead.Queue("q-dlq")
			require.NoError(t, err)
			ds, err := q.Dequeue(ctx, 10, time.Minute)
			require.NoError(t, err)
			require.Len(t, ds, 1)
			require.NoError(t, w.letters.Put(ctx, []*runtime.Task{ds[0].Task}))
			require.NoError(t, q.Complete(ctx, ds))
			done, err = dlq.OpenStore(m, w.letters, dlq.Config{Router: router}).Redrive(ctx, dlq.Redrive{IDs: []string{sent.ID}})
			require.NoError(t, err)
			require.Equal(t, 1, done.Moved)
			run(m, nil)
		})
	}
}
