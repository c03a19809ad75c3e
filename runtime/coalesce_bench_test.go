package runtime

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// BenchmarkManagerEnqueue is what the way through the manager costs: alone, and
// shared by many callers, with a queue that answers at once.
func BenchmarkManagerEnqueue(b *testing.B) {
	b.Run("batch=100", func(b *testing.B) {
		m := NewManager(ManagerConfig{})
		q := &instant{answers: make([]Enqueued, 100)}
		if err := m.Open(b.Context(), brokers{"q": q}, q.Config()); err != nil {
			b.Fatal(err)
		}
		tasks := tasksWithoutID(100)
		b.ReportAllocs()
		for b.Loop() {
			for _, t := range tasks {
				*t = Task{Type: "t", Queue: "q", Payload: []byte("1")}
			}
			if _, err := m.Enqueue(b.Context(), tasks); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, parallel := range []int{1, 64} {
		b.Run(fmt.Sprint("callers=", parallel), func(b *testing.B) {
			m := NewManager(ManagerConfig{})
			q := newBroker(1000)
			q.trip = 0
			if err := m.Open(b.Context(), brokers{"q": q}, q.cfg); err != nil {
				b.Fatal(err)
			}
			b.SetParallelism(parallel)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := m.Enqueue(context.Background(), someTasks("a")); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

// BenchmarkGathering is 200 callers that enqueue one task each over 10
// connections to a broker 1 ms away, with round trips of their own and with
// shared ones.
func BenchmarkGathering(b *testing.B) {
	for name, own := range map[string]bool{"shared": false, "own": true} {
		b.Run(name, func(b *testing.B) {
			q := newBroker(1000)
			q.trip, q.caps.GathersEnqueues = 0, own
			connections := make(chan struct{}, 10)
			q.answer = func(_ context.Context, tasks []*Task) ([]Enqueued, error) {
				connections <- struct{}{}
				time.Sleep(time.Millisecond)
				<-connections
				return acknowledge(tasks), nil
			}
			m := NewManager(ManagerConfig{})
			if err := m.Open(b.Context(), brokers{"q": q}, q.cfg); err != nil {
				b.Fatal(err)
			}
			b.SetParallelism(100)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := m.Enqueue(context.Background(), someTasks("a")); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
