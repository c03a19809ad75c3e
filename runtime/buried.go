package runtime

import (
	"context"
	"log/slog"
)

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

// hearing has the lane's queue log what it buries, and tell of receives behind it.
func (l *lane) hearing(ctx context.Context) context.Context {
	ctx = HearBehind(ctx, l.behind)
	return HearBuried(ctx, func(t *Task) {
		const text = "task is dead: it cannot be decoded"
		if l.s.many.pass(recordKind{slog.LevelError, text, t.Type}) {
			l.s.p.logger().LogAttrs(l.s.base, slog.LevelError, text, about(l, t), slog.String("error", t.Metadata[MetaFailureReason]))
		}
	})
}
