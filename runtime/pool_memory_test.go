package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
)

// onMemory runs a pool over the memory provider in a bubble, until the given
// time has passed, and returns the queue's numbers at its end.
func onMemory(t *testing.T, cfg runtime.QueueConfig, policy runtime.Policy, tasks []*runtime.Task, h runtime.HandlerFunc, d time.Duration) driver.Stats {
	var stats driver.Stats
	synctest.Test(t, func(t *testing.T) {
		provider := memory.New()
		m := runtime.NewManager(runtime.ManagerConfig{})
		require.NoError(t, m.Open(t.Context(), provider, cfg))
		r := runtime.NewRouter()
		r.Handle(policy, h)
		for _, task := range tasks {
			task.Type, task.Queue, task.Payload = policy.Type, cfg.Name, []byte(`{}`)
		}
		_, err := m.Enqueue(t.Context(), tasks)
		require.NoError(t, err)
		p, err := runtime.NewPool(m, r, runtime.PoolConfig{Logger: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), d)
		defer cancel()
		require.NoError(t, p.Run(ctx))
		q, err := m.Queue(cfg.Name)
		require.NoError(t, err)
		stats, err = q.Stats(t.Context())
		require.NoError(t, err)
		require.NoError(t, m.Close())
		require.NoError(t, provider.Close())
	})
	return stats
}

func TestPoolKeepsTheOrderOfGroupsThroughRetries(t *testing.T) {
	var tasks []*runtime.Task
	for i := range 60 {
		tasks = append(tasks, &runtime.Task{ID: fmt.Sprintf("%02d", i), GroupKey: fmt.Sprint("g", i%3), MaxRetries: 5})
	}
	var mu sync.Mutex
	order, running := map[string][]string{}, map[string]int{}
	stats := onMemory(t, runtime.QueueConfig{Name: "q", Type: runtime.FIFO}, runtime.Policy{Type: "job", Queue: "q"}, tasks,
		func(ctx context.Context, task *runtime.Task) error {
			mu.Lock()
			running[task.GroupKey]++
			assert.Equal(t, 1, running[task.GroupKey], "one of a group at a time")
			mu.Unlock()
			time.Sleep(time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			running[task.GroupKey]--
			if info, _ := runtime.TaskFromContext(ctx); info.Attempt == 1 && task.ID[1] == '5' {
				return errors.New("once more")
			}
			order[task.GroupKey] = append(order[task.GroupKey], task.ID)
			return nil
		}, time.Minute)
	assert.Equal(t, driver.Stats{}, stats)
	for g := range 3 {
		var want []string
		for i := g; i < 60; i += 3 {
			want = append(want, fmt.Sprintf("%02d", i))
		}
		assert.Equal(t, want, order[fmt.Sprint("g", g)])
	}
}

func TestPoolBuriesWhatFailsForGoodOnMemory(t *testing.T) {
	tasks := []*runtime.Task{{ID: "a", MaxRetries: 2}, {ID: "b"}}
	var mu sync.Mutex
	attempts := map[string]int{}
	stats := onMemory(t, runtime.QueueConfig{Name: "q"}, runtime.Policy{Type: "job", Queue: "q"}, tasks,
		func(ctx context.Context, task *runtime.Task) error {
			info, _ := runtime.TaskFromContext(ctx)
			mu.Lock()
			defer mu.Unlock()
			attempts[task.ID]++
			assert.Equal(t, attempts[task.ID], info.Attempt)
			return errors.New("no")
		}, time.Minute)
	assert.Equal(t, map[string]int{"a": 3, "b": 1}, attempts)
	assert.Equal(t, driver.Stats{Dead: 2}, stats)
}

func TestPoolKeepsLeasesOnMemory(t *testing.T) {
	runs := 0
	stats := onMemory(t, runtime.QueueConfig{Name: "q", Visibility: time.Second}, runtime.Policy{Type: "job", Queue: "q"}, []*runtime.Task{{ID: "a"}},
		func(ctx context.Context, _ *runtime.Task) error {
			runs++
			time.Sleep(10 * time.Second)
			return ctx.Err()
		}, time.Minute)
	assert.Equal(t, 1, runs)
	assert.Equal(t, driver.Stats{}, stats)
}
