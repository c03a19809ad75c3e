package redis

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// ownCPU is the processor time that this process has used.
func ownCPU(tb testing.TB) time.Duration {
	var u syscall.Rusage
	require.NoError(tb, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkManyQueues has one pool work on many queues. It reports what the process
// and the server use while all are empty, in percent of a core, the connections of
// the server, how long a task of a queue that was idle waits, and how fast one busy
// queue is drained. Its time is mostly that of waiting.
func BenchmarkManyQueues(b *testing.B) {
	for _, queues := range []int{1, 10_000} {
		b.Run(fmt.Sprint(queues), func(b *testing.B) {
			for range b.N {
				manyQueues(b, queues)
			}
		})
	}
}

// resting reports whether so many keyspaces are waited for, all of them over connections
// that are shared.
func (ws *watchers) resting(queues int) bool {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for i := range ws.shared {
		queues -= len(ws.shared[i].queues)
	}
	return queues == 0 && !slices.ContainsFunc(ws.own, func(w watcher) bool { return w.running })
}

func manyQueues(b *testing.B, queues int) {
	const (
		n    = 100_000
		idle = 20 * time.Second // is measured
	)
	s := own(b, "--appendonly", "no", "--maxclients", "15000")
	p := open(b, s.URL, WithLogger(slog.New(slog.DiscardHandler)))
	c := admin(b, s.URL)
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{})
	configs := make([]driver.QueueConfig, queues)
	for i := range configs {
		configs[i].Name = fmt.Sprintf("q%d", i)
	}
	require.NoError(b, m.Open(ctx, p, configs...))
	var done atomic.Int64
	all, woken := make(chan struct{}), make(chan struct{}, 1)
	r := runtime.NewRouter()
	r.Handle(runtime.Policy{Type: "t", Queue: "q0"}, runtime.HandlerFunc(func(context.Context, *driver.Task) error {
		if done.Add(1) == n {
			close(all)
		}
		return nil
	}))
	r.Handle(runtime.Policy{Type: "w", Queue: "q0"}, runtime.HandlerFunc(func(context.Context, *driver.Task) error {
		woken <- struct{}{}
		return nil
	}))
	pool, err := runtime.NewPool(m, r, runtime.PoolConfig{Workers: 10, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(b, err)
	require.NoError(b, pool.Start(ctx))
	require.Eventually(b, func() bool { return p.watchers.resting(queues) }, 5*soon, 10*time.Millisecond, "all queues are waited for over shared connections")

	cpu, server, began := ownCPU(b), serverCPU(b, c), time.Now()
	time.Sleep(idle)
	took := time.Since(began)
	b.ReportMetric(100*float64(ownCPU(b)-cpu)/float64(took), "idle-cpu-%")
	b.ReportMetric(100*float64(serverCPU(b, c)-server)/float64(took), "idle-redis-cpu-%")
	info, err := c.Info(ctx, "clients").Result()
	require.NoError(b, err)
	_, clients, _ := strings.Cut(info, "connected_clients:")
	connected := 0
	_, err = fmt.Sscan(clients, &connected)
	require.NoError(b, err)
	b.ReportMetric(float64(connected), "connections")

	const wakes = 200
	began = time.Now()
	for i := range wakes {
		queue := fmt.Sprintf("q%d", i*queues/wakes)
		_, err := m.Enqueue(ctx, []*driver.Task{{ID: fmt.Sprint("w", i), Type: "w", Queue: queue, Payload: []byte(`{}`)}})
		require.NoError(b, err)
		<-woken
	}
	b.ReportMetric(float64(time.Since(began).Microseconds())/wakes, "wake-us")

	payload := []byte(`{"text":"` + strings.Repeat("x", 160) + `"}`)
	busy, err := m.Queue("q0")
	require.NoError(b, err)
	require.NoError(b, busy.(driver.Pauser).Pause(ctx, time.Time{}))
	for from := 0; from < n; from += 1000 {
		batch := make([]*driver.Task, 1000)
		for i := range batch {
			batch[i] = &driver.Task{ID: fmt.Sprintf("0190a5c5-7f4e-7abc-9def-%012d", from+i), Type: "t", Queue: "q0", Payload: payload, CreatedAt: time.Now(), MaxRetries: 3}
		}
		_, err := m.Enqueue(ctx, batch)
		require.NoError(b, err)
	}
	began = time.Now()
	require.NoError(b, busy.(driver.Pauser).Resume(ctx))
	<-all
	b.ReportMetric(n/time.Since(began).Seconds(), "drain/s")
	require.NoError(b, pool.Stop(ctx))
	require.NoError(b, m.Close())
}
