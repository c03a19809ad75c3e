package sqlite

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
// history in the same file, and reports the median of the ratios of both rates.
func BenchmarkHistory(b *testing.B) {
	const n, rounds = 30_000, 7
	for range b.N {
		var ratios, plain []float64
		for range rounds {
			without := drainRate(b, n, false)
			plain, ratios = append(plain, without), append(ratios, drainRate(b, n, true)/without)
		}
		slices.Sort(plain)
		slices.Sort(ratios)
		b.ReportMetric(plain[rounds/2], "plain/s")
		b.ReportMetric(ratios[rounds/2], "ratio")
		b.Logf("ratios: %.3f", ratios)
	}
}

// drainRate is how many tasks a second a pool works off.
func drainRate(b *testing.B, n int, record bool) float64 {
	p, err := Open(b.TempDir() + "/q.db")
	require.NoError(b, err)
	defer p.Close()
	ctx, silent := context.Background(), slog.New(slog.DiscardHandler)
	past := history.New(p.History(), history.Config{Logger: silent})
	var cfg runtime.ManagerConfig
	if record {
		cfg.Listeners = []*observe.Listener{past.Listener()}
	}
	m := runtime.NewManager(cfg)
	require.NoError(b, m.Open(ctx, p, driver.QueueConfig{Name: "q"}))
	defer m.Close()
	payload := []byte(`{"text":"` + strings.Repeat("x", 160) + `"}`)
	for from := 0; from < n; from += 1000 {
		batch := make([]*driver.Task, 1000)
		for i := range batch {
			batch[i] = &driver.Task{ID: fmt.Sprintf("0190a5c5-7f4e-7abc-9def-%012d", from+i), Type: "t", Queue: "q", Payload: payload, CreatedAt: time.Now()}
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
	pool, err := runtime.NewPool(m, r, runtime.PoolConfig{Workers: 10, Logger: silent})
	require.NoError(b, err)
	began := time.Now()
	require.NoError(b, pool.Start(ctx))
	<-done
	took := time.Since(began)
	require.NoError(b, pool.Stop(ctx))
	if record {
		stats, err := past.Stats(ctx, history.Filter{})
		require.NoError(b, err)
		require.GreaterOrEqual(b, int(stats[0].Runs), n*99/100)
	}
	return float64(n) / took.Seconds()
}
