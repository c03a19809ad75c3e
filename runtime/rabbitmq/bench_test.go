package rabbitmq

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// body is about what a small task weighs.
var body = []byte(`{"text":"` + strings.Repeat("x", 290) + `"}`)

func benchQueue(b *testing.B) *queue {
	addr := room(b, shared(b))
	p, err := openAddr(addr, nil)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, p.Close()) })
	q, err := p.Open(context.Background(), driver.QueueConfig{Name: "bench"})
	require.NoError(b, err)
	return q.(*queue)
}

func fill(b *testing.B, q *queue, n, batch int) {
	for n > 0 {
		ts := make([]*driver.Task, min(batch, n))
		for i := range ts {
			ts[i] = &driver.Task{ID: fmt.Sprint(n - i), Type: "t", Queue: "bench", Payload: body, CreatedAt: time.Now()}
		}
		_, err := q.Enqueue(context.Background(), ts)
		require.NoError(b, err)
		n -= len(ts)
	}
}

func BenchmarkEnqueue(b *testing.B) {
	for _, batch := range []int{1, 64, 1000} {
		b.Run(fmt.Sprint(batch), func(b *testing.B) {
			q := benchQueue(b)
			b.ResetTimer()
			fill(b, q, b.N, batch)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tasks/s")
		})
	}
}

// BenchmarkDrain leases and completes.
func BenchmarkDrain(b *testing.B) {
	for _, batch := range []int{16, 128, 1000} {
		b.Run(fmt.Sprint(batch), func(b *testing.B) {
			q := benchQueue(b)
			fill(b, q, b.N, 1000)
			b.ResetTimer()
			for n := 0; n < b.N; {
				ds, err := q.Dequeue(context.Background(), batch, time.Minute)
				require.NoError(b, err)
				require.NoError(b, q.Complete(context.Background(), ds))
				n += len(ds)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tasks/s")
		})
	}
}

// BenchmarkRaw is the bare client, as the ceiling: 256 confirms outstanding, and
// a prefetch of 256 with acknowledgements by runs of 64.
func BenchmarkRaw(b *testing.B) {
	conn, err := amqp.Dial(shared(b).URL)
	require.NoError(b, err)
	defer conn.Close()
	ch, err := conn.Channel()
	require.NoError(b, err)
	require.NoError(b, ch.Confirm(false))
	require.NoError(b, ch.Qos(256, 0, false))
	require.NoError(b, declareQuorum(ch, "raw", nil))
	defer ch.QueueDelete("raw", false, false, false)
	put := func(n int) {
		var cs []*amqp.DeferredConfirmation
		for i := range n {
			c, err := ch.PublishWithDeferredConfirm("", "raw", true, false, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: body})
			require.NoError(b, err)
			cs = append(cs, c)
			if i >= 256 {
				cs[i-256].Wait()
			}
		}
		for _, c := range cs {
			require.True(b, c.Wait())
		}
	}
	b.Run("enqueue", func(b *testing.B) {
		put(b.N)
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tasks/s")
		_, err := ch.QueuePurge("raw", false)
		require.NoError(b, err)
	})
	b.Run("drain", func(b *testing.B) {
		put(b.N)
		b.ResetTimer()
		in, err := ch.Consume("raw", "c", false, false, false, false, nil)
		require.NoError(b, err)
		for i := 1; i <= b.N; i++ {
			d := <-in
			if i%64 == 0 || i == b.N {
				require.NoError(b, ch.Ack(d.DeliveryTag, true))
			}
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tasks/s")
		require.NoError(b, ch.Cancel("c", false))
	})
}

// BenchmarkPool drains by a pool whose handler does nothing.
func BenchmarkPool(b *testing.B) {
	q := benchQueue(b)
	fill(b, q, b.N, 1000)
	m := runtime.NewManager(runtime.ManagerConfig{})
	require.NoError(b, m.Open(context.Background(), q.p, driver.QueueConfig{Name: "bench"}))
	done := make(chan struct{}, 1024)
	r := runtime.NewRouter()
	r.Handle(runtime.Policy{Type: "t"}, runtime.HandlerFunc(func(context.Context, *driver.Task) error {
		done <- struct{}{}
		return nil
	}))
	pool, err := runtime.NewPool(m, r, runtime.PoolConfig{Workers: 32, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(b, err)
	b.ResetTimer()
	require.NoError(b, pool.Start(context.Background()))
	for range b.N {
		<-done
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tasks/s")
	require.NoError(b, pool.Stop(context.Background()))
	require.NoError(b, m.Close())
}
