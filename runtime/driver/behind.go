package driver

import (
	"context"
	"sync"
)

type behindKey struct{}

// HearBehind returns a context for Queue.Dequeue that reports receives which outlive
// their Dequeue call. Dequeue calls begun for each such receive, and over when it ends. A
// pool that stops waits for them, within its grace. Concurrent Dequeue calls may call
// begun at the same time.
func HearBehind(ctx context.Context, begun func() (over func())) context.Context {
	return context.WithValue(ctx, behindKey{}, begun)
}

// Behind reports a receive to the caller of HearBehind. It is for providers whose receive
// cannot be cancelled without losing tasks. They call Behind with the context of Dequeue
// before Dequeue returns, and over once: when the receive has ended and its tasks have
// been handed out or put back on the queue.
func Behind(ctx context.Context) (over func()) {
	if begun, ok := ctx.Value(behindKey{}).(func() func()); ok {
		return sync.OnceFunc(begun())
	}
	return func() {}
}
