package pool

import (
	"log/slog"
	"slices"
)

// behind registers a receive for awaitBehind and awaitLate.
func (c *consumer) behind() (over func()) {
	c.run.receives.Add(1)
	c.late.Add(1)
	return func() {
		c.late.Add(-1)
		c.run.receives.Done()
	}
}

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
		if slices.ContainsFunc(r.consumers, func(c *consumer) bool { return c.late.Load() > 0 }) {
			r.p.logger().Log(r.base, slog.LevelWarn, "pool stops while a receive is under way: what it brings is late by the length of a lease, unless its queue stays open until it ends")
		}
	}
}
