package sqs

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/sqs/sqstest"
)

// TestAMessageThatIsDeliveredTwiceIsRunAgainAtMostAndThenGone is about what standard queues
// may do without cause. The laws of leases and of what is done do not hold then, so that the
// suite is run on a fake that does not.
func TestAMessageThatIsDeliveredTwiceIsRunAgainAtMostAndThenGone(t *testing.T) {
	t.Parallel()
	for _, kind := range []driver.QueueType{driver.Standard, driver.Priority} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			const tasks, levels = 200, 3
			fake := sqstest.New(nil)
			fake.Shuffle, fake.DeliverTwice = true, 4
			fake.SetHook(missing)
			require.NoError(t, fake.Start())
			t.Cleanup(fake.Stop)
			p, err := New(client(fake.URL()), WithWait(time.Second)) // Stop waits for the polls
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, p.Close()) })
			m := runtime.NewManager(runtime.ManagerConfig{})
			require.NoError(t, m.Open(within(t), p, driver.QueueConfig{Name: "q", Type: kind}))
			var (
				mu    sync.Mutex
				runs  = make(map[string]int)
				alone = make(map[string]bool) // what runs
			)
			r := runtime.NewRouter()
			r.Handle(runtime.Policy{Type: "x"}, runtime.HandlerFunc(func(_ context.Context, task *driver.Task) error {
				mu.Lock()
				runs[task.ID]++
				assert.False(t, alone[task.ID], "a pool runs a task once at a time")
				alone[task.ID] = true
				mu.Unlock()
				<-time.After(10 * time.Millisecond)
				mu.Lock()
				defer mu.Unlock()
				delete(alone, task.ID)
				assert.Zero(t, task.RetryCount, "nobody is charged for it")
				return nil
			}))
			pool, err := runtime.NewPool(m, r, runtime.PoolConfig{Logger: slog.New(slog.DiscardHandler)})
			require.NoError(t, err)
			require.NoError(t, pool.Start(within(t)))
			level := func(i int) int {
				if kind == driver.Priority {
					return i % levels
				}
				return 0
			}
			for i, id := range numbered(tasks) {
				_, err := m.Enqueue(within(t), []*driver.Task{{ID: id, Type: "x", Queue: "q", Priority: level(i), Payload: []byte("{}")}})
				require.NoError(t, err)
			}
			q, err := m.Queue("q")
			require.NoError(t, err)
			require.Eventually(t, func() bool {
				s, err := q.Stats(t.Context())
				require.NoError(t, err)
				return s == driver.Stats{}
			}, 6*soon, 10*time.Millisecond)
			require.NoError(t, pool.Stop(within(t)))
			require.NoError(t, m.Close())
			assert.Len(t, runs, tasks)
			sum := 0
			for _, n := range runs {
				sum += n
			}
			assert.Greater(t, sum, tasks, "some came twice")
		})
	}
}
