package pool

import (
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
)

// receives counts the receives of a queue that go on behind a Dequeue.
type receives struct {
	under atomic.Int32
	all   *sync.WaitGroup // of all queues of a run
}

// begin counts a receive until over is called.
func (b *receives) begin() (over func()) {
	b.all.Add(1)
	b.under.Add(1)
	return func() {
		b.under.Add(-1)
		b.all.Done()
	}
}

// any reports whether there are any.
func (b *receives) any() bool { return b.under.Load() > 0 }

// awaitBehind waits, until late at most, for the receives that go on behind Dequeues.
// All fetchers are done.
func (r *run) awaitBehind(late <-chan struct{}) {
	over := make(chan struct{})
	go func() {
		r.receives.Wait()
		close(over)
	}()
	select {
	case <-over:
	case <-late:
		if slices.ContainsFunc(r.consumers, func(c *consumer) bool { return c.receives.any() }) {
			r.logger().Log(r.base, slog.LevelWarn, "pool stops while a receive is under way: what it brings is late by the length of a lease, unless its queue stays open until it ends")
		}
	}
}
