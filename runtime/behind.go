package runtime

import (
	"context"
	"log/slog"
	"sync"
)

type behindKey struct{}

// HearBehind returns a context for Queue.Dequeue by which begun is told of each receive
// that goes on behind a Dequeue that has returned; it calls what begun returns when that
// receive is over. A pool that stops waits for them, within its grace. begun is called
// by Dequeue, maybe of several calls at once.
func HearBehind(ctx context.Context, begun func() (over func())) context.Context {
	return context.WithValue(ctx, behindKey{}, begun)
}

// Behind tells whoever called HearBehind. It is for providers whose receive cannot be
// cancelled without losing what it brings: they call it with the context of Dequeue
// before that returns, and over once, when the receive has ended and what it brought
// was handed out or is back on the queue.
func Behind(ctx context.Context) (over func()) {
	if begun, ok := ctx.Value(behindKey{}).(func() func()); ok {
		return sync.OnceFunc(begun())
	}
	return func() {}
}

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
		select {
		case <-over:
		default:
			s.p.logger().Log(s.base, slog.LevelWarn, "pool stops while a receive is under way: what it brings is late by the length of a lease, unless its queue stays open until it ends")
		}
	}
}
