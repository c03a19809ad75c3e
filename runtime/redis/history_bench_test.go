package redis

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/history"
	"github.com/taskgen/taskgen/runtime/observe"
)

// BenchmarkHistory drains tasks whose handler does nothing, in turn without and with a
// history on the same server, and reports the medians of the ratios: of both rates, and of
// the server's processor time. Rounds that are near to each other in time have the same share
// of the machine.
func BenchmarkHistory(b *testing.B) {
	const n, rounds = 60_000, 7
	for range b.N {
		all := make(map[string][]float64)
		for range rounds {
			plain, recorded := drainAll(b, n, false), drainAll(b, n, true)
			require.GreaterOrEqual(b, recorded.kept, n*99/100, "records of %d tasks", n)
			for name, value := range map[string]float64{
				"plain/s": plain.rate, "recorded/s": recorded.rate, "ratio": recorded.rate / plain.rate,
				"server-ratio": recorded.server.Seconds() / plain.server.Seconds(),
			} {
				all[name] = append(all[name], value)
			}
		}
		for name, values := range all {
			slices.Sort(values)
			b.ReportMetric(values[rounds/2], name)
		}
		b.Logf("ratios: %.3f", all["ratio"])
	}
}

// A drained is what it took to work off tasks.
type drained struct {
	rate   float64       // tasks a second
	server time.Duration // of the server's processor
	kept   int           // records
}

func drainAll(b *testing.B, n int, record bool) (d drained) {
	s := own(b, "--appendonly", "no")
	p := open(b, s.URL, WithLogger(slog.New(slog.DiscardHandler)))
	ctx := context.Background()
	past := history.New(p.History(), history.Config{Logger: slog.New(slog.DiscardHandler)})
	var cfg runtime.ManagerConfig
	if record {
		cfg.Listeners = []*observe.Listener{past.Listener()}
	}
	m := runtime.NewManager(cfg)
	require.NoError(b, m.Open(ctx, p, driver.QueueConfig{Name: "q"}))
	payload := []byte(`{"text":"` + strings.Repeat("x", 160) + `"}`)
	for from := 0; from < n; from += 1000 {
		batch := make([]*driver.Task, 1000)
		for i := range batch {
			batch[i] = &driver.Task{ID: fmt.Sprintf("0190a5c5-7f4e-7abc-9def-%012d", from+i), Type: "t", Queue: "q", Payload: payload, CreatedAt: time.Now(), MaxRetries: 3}
		}
		_, err := m.Enqueue(ctx, batch)
		require.NoError(b, err)
	}
	done := make(chan struct{})
	var count atomic.Int64
	r := runtime.NewRouter()
	r.Handle(runtime.Policy{Type: "t", Queue: "q"}, runtime.HandlerFunc(func(context.Context, *driver.Task) error {
		if count.Add(1) == int64(n) {
			close(done)
		}
		return nil
	}))
	pool, err := runtime.NewPool(m, r, runtime.PoolConfig{Workers: 10, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(b, err)
	c := admin(b, s.URL)
	cpu, began := serverCPU(b, c), time.Now()
	require.NoError(b, pool.Start(ctx))
	<-done
	d.rate = float64(n) / time.Since(began).Seconds()
	require.NoError(b, pool.Stop(ctx)) // and the last records are written
	d.server = serverCPU(b, c) - cpu
	if record {
		stats, err := past.Stats(ctx, history.Filter{})
		require.NoError(b, err)
		d.kept = int(stats[0].Runs)
	}
	require.NoError(b, m.Close())
	require.NoError(b, p.Close())
	require.NoError(b, s.Stop())
	return d
}
