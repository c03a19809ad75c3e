package driver

import "context"

type buriedKey struct{}

// HearBuried returns a context for Queue.Dequeue that calls hear for each message that
// the queue dead letters by itself because it cannot be decoded. hear gets the task that
// represents the message on the dead letter queue; a pool logs it. hear may be called
// concurrently, and after Dequeue has returned.
func HearBuried(ctx context.Context, hear func(*Task)) context.Context {
	return context.WithValue(ctx, buriedKey{}, hear)
}

// Buried reports a task to the caller of HearBuried. Providers call it with the context
// of Dequeue once the task is on the dead letter queue.
func Buried(ctx context.Context, t *Task) {
	if hear, ok := ctx.Value(buriedKey{}).(func(*Task)); ok {
		hear(t)
	}
}
