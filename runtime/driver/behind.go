package driver

import (
	"context"
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
