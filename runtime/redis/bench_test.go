package redis

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/internal/faultproxy"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// serverCPU is the processor time that a server has used.
func serverCPU(b *testing.B, c goredis.UniversalClient) time.Duration {
	text, err := c.Info(context.Background(), "cpu").Result()
	require.NoError(b, err)
	total := 0.0
	for line := range strings.Lines(text) {
		field, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if field == "used_cpu_sys" || field == "used_cpu_user" {
			n, err := strconv.ParseFloat(value, 64)
			require.NoError(b, err)
			total += n
		}
	}
	return time.Duration(total * float64(time.Second))
}

// scriptTime is how long scripts have run on a server, in microseconds.
func scriptTime(b *testing.B, c goredis.UniversalClient) float64 {
	text, err := c.Info(context.Background(), "commandstats").Result()
	require.NoError(b, err)
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "cmdstat_evalsha:"); ok {
			_, rest, _ = strings.Cut(rest, "usec=")
			rest, _, _ = strings.Cut(rest, ",")
			n, err := strconv.ParseFloat(rest, 64)
			require.NoError(b, err)
			return n
		}
	}
	return 0
}

// BenchmarkBatches takes tasks of about 300 bytes through Enqueue, Dequeue and
// Complete, by one caller in batches, and reports the server's time for each.
func BenchmarkBatches(b *testing.B) {
	for _, size := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s := own(b, "--appendonly", "no")
			p := open(b, s.URL, WithLogger(slog.New(slog.DiscardHandler)))
			c := admin(b, s.URL)
			q := openQueue(b, p, driver.QueueConfig{})
			payload := []byte(`{"text":"` + strings.Repeat("x", 160) + `"}`)
			ctx := context.Background()
			n := 0
			batch := make([]*driver.Task, size)
			var spent [3]time.Duration
			var took [3]time.Duration
			var inside [3]float64
			lap := func(i int, f func()) {
				cpu, in, now := serverCPU(b, c), scriptTime(b, c), time.Now()
				f()
				spent[i] += serverCPU(b, c) - cpu
				took[i] += time.Since(now)
				inside[i] += scriptTime(b, c) - in
			}
			b.ReportAllocs()
			b.ResetTimer()
			for n < b.N {
				rounds := min(max(20000/size, 1), (b.N-n)/size+1)
				lap(0, func() {
					for range rounds {
						for i := range batch {
							n++
							batch[i] = &driver.Task{ID: fmt.Sprintf("0190a5c5-7f4e-7abc-9def-%012d", n), Type: "embedding", Queue: "q", Payload: payload, CreatedAt: time.Now(), MaxRetries: 3}
						}
						_, err := q.Enqueue(ctx, batch)
						require.NoError(b, err)
					}
				})
				var all [][]*driver.Delivery
				lap(1, func() {
					for range rounds {
						ds, err := q.Dequeue(ctx, size, time.Minute)
						require.NoError(b, err)
						require.Len(b, ds, size)
						all = append(all, ds)
					}
				})
				lap(2, func() {
					for _, ds := range all {
						require.NoError(b, q.Complete(ctx, ds))
					}
				})
			}
			b.StopTimer()
			for i, name := range []string{"enq", "deq", "ack"} {
				b.ReportMetric(float64(spent[i].Microseconds())/float64(n), name+"-cpu-us/task")
				b.ReportMetric(inside[i]/float64(n), name+"-script-us/task")
				b.ReportMetric(float64(n)/took[i].Seconds(), name+"/s")
			}
		})
	}
}

// BenchmarkPool drains 100,000 tasks by a pool of ten workers whose handler does
// nothing, on loopback and with a millisecond to the server.
func BenchmarkPool(b *testing.B) {
	for _, rtt := range []time.Duration{0, time.Millisecond} {
		b.Run(rtt.String(), func(b *testing.B) {
			const n = 100_000
			for range b.N {
				s := own(b, "--appendonly", "no")
				u, err := url.Parse(s.URL)
				require.NoError(b, err)
				proxy, err := faultproxy.Listen(u.Host)
				require.NoError(b, err)
				defer proxy.Close()
				proxy.Delay(rtt)
				addr := "redis://" + proxy.Addr()
				if rtt == 0 {
					addr = s.URL
				}
				p := open(b, addr, WithLogger(slog.New(slog.DiscardHandler)))
				c := admin(b, s.URL)
				ctx := context.Background()
				m := runtime.NewManager(runtime.ManagerConfig{})
				require.NoError(b, m.Open(ctx, p, driver.QueueConfig{Name: "q"}))
				payload := []byte(`{"text":"` + strings.Repeat("x", 160) + `"}`)
				cpu, began := serverCPU(b, c), time.Now()
				for from := 0; from < n; from += 1000 {
					batch := make([]*driver.Task, 1000)
					for i := range batch {
						batch[i] = &driver.Task{ID: fmt.Sprintf("0190a5c5-7f4e-7abc-9def-%012d", from+i), Type: "t", Queue: "q", Payload: payload, CreatedAt: time.Now(), MaxRetries: 3}
					}
					_, err := m.Enqueue(ctx, batch)
					require.NoError(b, err)
				}
				b.ReportMetric(float64(serverCPU(b, c)-cpu)/n/1000, "enq-cpu-us/task")
				b.ReportMetric(n/time.Since(began).Seconds(), "enq/s")
				done := make(chan struct{})
				var count atomic.Int64
				r := runtime.NewRouter()
				r.Handle(runtime.Policy{Type: "t", Queue: "q"}, runtime.HandlerFunc(func(context.Context, *driver.Task) error {
					if count.Add(1) == n {
						close(done)
					}
					return nil
				}))
				pool, err := runtime.NewPool(m, r, runtime.PoolConfig{Workers: 10, Logger: slog.New(slog.DiscardHandler)})
				require.NoError(b, err)
				cpu, began = serverCPU(b, c), time.Now()
				trips := proxy.Trips()
				require.NoError(b, pool.Start(ctx))
				<-done
				took := time.Since(began)
				require.NoError(b, pool.Stop(ctx))
				b.ReportMetric(float64(serverCPU(b, c)-cpu)/n/1000, "drain-cpu-us/task")
				b.ReportMetric(n/took.Seconds(), "drain/s")
				b.ReportMetric(float64(proxy.Trips()-trips), "trips")
				require.NoError(b, m.Close())
			}
		})
	}
}
