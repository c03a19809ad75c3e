package pool

import (
	"log/slog"
	"slices"
)

// behind notes a receive for awaitBehind and awaitLate.
func (l *lane) behind() (over func()) {
	l.s.receives.Add(1)
	l.late.Add(1)
	return func() {
		l.late.Add(-1)
		l.s.receives.Done()
	}
}

// awaitBehind waits for the receives that go on behind Dequeues, until late. All
// fetchers are done.
func (s *shift) awaitBehind(late <-chan struct{}) {
	over := make(chan struct{})
	go func() {
		s.receives.Wait()
		close(over)
	}()
	select {
	case <-over:
	case <-late:
		if slices.ContainsFunc(s.lanes, func(l *lane) bool { return l.late.Load() > 0 }) {
			s.p.logger().Log(s.base, slog.LevelWarn, "pool stops while a receive is under way: what it brings is late by the length of a lease, unless its queue stays open until it ends")
		}
	}
}
