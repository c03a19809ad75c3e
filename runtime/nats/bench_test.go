package nats

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

var benchPayload = []byte(`{"text":"` + fmt.Sprintf("%0250d", 7) + `","model":"small"}`)

// BenchmarkEnqueue enqueues in batches of 1000, and BenchmarkDrain takes and
// completes such batches: one caller each. BenchmarkRaw is what the client does
// with the same messages and no contract.
func BenchmarkEnqueue(b *testing.B) {
	q := openQueue(b, openShared(b), driver.QueueConfig{})
	ts := make([]*driver.Task, 1000)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		for i := range ts {
			n++
			ts[i] = &driver.Task{ID: fmt.Sprintf("018f3a9c-7b1e-7c3d-9a2b-%012d", n), Type: "embedding", Queue: "q", Payload: benchPayload, CreatedAt: time.Now(), MaxRetries: 3}
		}
		_, err := q.Enqueue(context.Background(), ts)
		require.NoError(b, err)
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "tasks/s")
}

func BenchmarkDrain(b *testing.B) {
	q := openQueue(b, openShared(b), driver.QueueConfig{})
	const size = 1000
	n := 0
	for b.Loop() {
		b.StopTimer()
		for range 10 {
			ts := make([]*driver.Task, size)
			for i := range ts {
				n++
				ts[i] = &driver.Task{ID: fmt.Sprintf("018f3a9c-7b1e-7c3d-9a2b-%012d", n), Type: "embedding", Queue: "q", Payload: benchPayload, CreatedAt: time.Now(), MaxRetries: 3}
			}
			_, err := q.Enqueue(context.Background(), ts)
			require.NoError(b, err)
		}
		b.StartTimer()
		for left := 10 * size; left > 0; {
			ds, err := q.Dequeue(context.Background(), size, driver.DefaultVisibility)
			require.NoError(b, err)
			require.NoError(b, q.Complete(context.Background(), ds))
			left -= len(ds)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "tasks/s")
}

func BenchmarkRaw(b *testing.B) {
	p := openShared(b)
	ctx := context.Background()
	st, err := p.js.CreateStream(ctx, jetstream.StreamConfig{Name: p.prefix + "-raw", Subjects: []string{p.prefix + ".raw.>"}, Retention: jetstream.WorkQueuePolicy})
	require.NoError(b, err)
	c, err := st.CreateConsumer(ctx, jetstream.ConsumerConfig{Durable: "c", AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: -1})
	require.NoError(b, err)
	data := driver.AppendEnvelope(nil, &driver.Task{ID: "018f3a9c-7b1e-7c3d-9a2b-000000000001", Type: "embedding", Queue: "q", Payload: benchPayload, CreatedAt: time.Now(), MaxRetries: 3})
	b.Run("enqueue", func(b *testing.B) {
		n := 0
		for b.Loop() {
			for range 1000 {
				n++
				_, err := p.js.PublishAsync(fmt.Sprintf("%s.raw.%d", p.prefix, n), data)
				require.NoError(b, err)
			}
			<-p.js.PublishAsyncComplete()
		}
		b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "tasks/s")
	})
	b.Run("drain", func(b *testing.B) {
		n := 0
		answers := make(chan *nats.Msg, 10000)
		inbox := p.requester.nc.NewInbox()
		sub, err := p.requester.nc.ChanSubscribe(inbox, answers)
		require.NoError(b, err)
		defer func() { require.NoError(b, sub.Unsubscribe()) }()
		for b.Loop() {
			b.StopTimer()
			for i := range 10000 {
				_, err := p.js.PublishAsync(fmt.Sprintf("%s.raw.%d", p.prefix, i), data)
				require.NoError(b, err)
			}
			<-p.js.PublishAsyncComplete()
			b.StartTimer()
			for left := 10000; left > 0; {
				batch, err := c.Fetch(1000)
				require.NoError(b, err)
				acked := 0
				for m := range batch.Messages() {
					require.NoError(b, p.requester.nc.PublishRequest(m.Reply(), inbox, []byte("+ACK")))
					acked++
				}
				for range acked {
					<-answers
				}
				left, n = left-acked, n+acked
			}
		}
		b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "tasks/s")
	})
}
