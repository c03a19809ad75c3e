package sqlite

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
)

func BenchmarkEnqueueDrain(b *testing.B) {
	p, err := Open(b.TempDir() + "/q.db")
	require.NoError(b, err)
	defer p.Close()
	q0, err := p.Open(context.Background(), runtime.QueueConfig{Name: "q"})
	require.NoError(b, err)
	q := q0.(*Queue)
	all := tasks(1000)
	payload := make([]byte, 300)
	for i := range payload {
		payload[i] = 'x'
	}
	payload[0], payload[299] = '"', '"'
	for _, t := range all {
		t.Payload = payload
	}
	b.ReportAllocs()
	var enq, deq, comp time.Duration
	for b.Loop() {
		s := time.Now()
		_, err := q.Enqueue(context.Background(), all)
		require.NoError(b, err)
		enq += time.Since(s)
		s = time.Now()
		ds, err := q.Dequeue(context.Background(), 1000, time.Minute)
		require.NoError(b, err)
		require.Len(b, ds, 1000)
		deq += time.Since(s)
		s = time.Now()
		require.NoError(b, q.Complete(context.Background(), ds))
		comp += time.Since(s)
	}
	n := float64(b.N)
	b.ReportMetric(float64(enq.Microseconds())/n/1000, "µs-enq/task")
	b.ReportMetric(float64(deq.Microseconds())/n/1000, "µs-deq/task")
	b.ReportMetric(float64(comp.Microseconds())/n/1000, "µs-comp/task")
}
