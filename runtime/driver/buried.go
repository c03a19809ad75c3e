package driver

import "context"

type buriedKey struct{}

// HearBuried returns a context for Queue.Dequeue by which hear is told of what the
// queue buries by itself, because nobody can decode it: each by the task that stands
// for it among the dead. A pool logs them. hear may be called several times at once,
// and after Dequeue has returned.
func HearBuried(ctx context.Context, hear func(*Task)) context.Context {
	return context.WithValue(ctx, buriedKey{}, hear)
}

// Buried tells whoever called HearBuried. It is for providers, which call it with the
// context of Dequeue once the task is on the dead letter queue.
func Buried(ctx context.Context, t *Task) {
	if hear, ok := ctx.Value(buriedKey{}).(func(*Task)); ok {
		hear(t)
	}
}
