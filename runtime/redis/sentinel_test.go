package redis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/internal/testserver"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// TestAPoolWorksOnThroughAFailover kills the primary under a pool and its
// producers. What the replica had been sent by then, and all that was
// acknowledged after, is run.
func TestAPoolWorksOnThroughAFailover(t *testing.T) {
	t.Parallel()
	primary := own(t)
	addr := strings.TrimPrefix(primary.URL, "redis://")
	host, port, _ := strings.Cut(addr, ":")
	own(t, "--replicaof", host, port)
	sentinel, err := testserver.RedisSentinel(addr)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, sentinel.Stop()) })
	watch := admin(t, strings.Replace(strings.Split(sentinel.URL, "?")[0], "redis+sentinel", "redis", 1))
	require.Eventually(t, func() bool {
		info, err := watch.Info(within(t), "sentinel").Result()
		return err == nil && strings.Contains(info, "slaves=1")
	}, 2*soon, 20*time.Millisecond, "the Sentinel knows the replica")

	p := open(t, sentinel.URL, WithLogger(slog.New(slog.DiscardHandler)))
	m := runtime.NewManager(runtime.ManagerConfig{})
	require.NoError(t, m.Open(within(t), p, driver.QueueConfig{Name: "q", Visibility: 3 * time.Second}))
	var (
		mu   sync.Mutex
		done = make(map[string]bool)
	)
	isDone := func(id string) bool {
		mu.Lock()
		defer mu.Unlock()
		return done[id]
	}
	r := runtime.NewRouter()
	r.Handle(runtime.Policy{Type: "t", Queue: "q"}, runtime.HandlerFunc(func(_ context.Context, task *driver.Task) error {
		mu.Lock()
		defer mu.Unlock()
		done[task.ID] = true
		return nil
	}))
	pool, err := runtime.NewPool(m, r, runtime.PoolConfig{Workers: 4, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)

	before := tasks(200)
	_, err = m.Enqueue(within(t), before)
	require.NoError(t, err)
	replicas, err := admin(t, primary.URL).Do(within(t), "WAIT", 1, 10_000).Int()
	require.NoError(t, err)
	require.Equal(t, 1, replicas, "the replica has what was enqueued")
	require.NoError(t, pool.Start(context.Background()))
	require.NoError(t, primary.Kill())

	ctx, cancel := context.WithTimeout(context.Background(), 3*soon)
	defer cancel()
	var after []*driver.Task
	for i := range 50 {
		sent := task(fmt.Sprintf("after-%d", i))
		for ctx.Err() == nil {
			_, err = m.Enqueue(ctx, []*driver.Task{sent})
			if err == nil || errors.Is(err, driver.ErrDuplicate) {
				break
			}
			sleep(ctx, 20*time.Millisecond)
		}
		after = append(after, sent)
	}
	require.NoError(t, ctx.Err(), "enqueueing goes on after the failover: %v", err)
	require.Eventually(t, func() bool {
		for _, task := range append(before, after...) {
			if !isDone(task.ID) {
				return false
			}
		}
		return true
	}, 2*soon, 10*time.Millisecond)
	require.NoError(t, pool.Stop(within(t)))
	q, err := m.Queue("q")
	require.NoError(t, err)
	s, err := q.Stats(within(t))
	require.NoError(t, err)
	require.Zero(t, s.Leased+s.Ready+s.Dead, "%+v", s)
	require.NoError(t, m.Close())
}
