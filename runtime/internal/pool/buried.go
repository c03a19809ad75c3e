package pool

import (
	"context"
	"log/slog"

	"github.com/taskgen/taskgen/runtime/driver"
)

// hearing has the lane's queue log what it buries, and tell of receives behind it.
func (l *lane) hearing(ctx context.Context) context.Context {
	ctx = driver.HearBehind(ctx, l.behind)
	return driver.HearBuried(ctx, func(t *driver.Task) {
		const text = "task is dead: it cannot be decoded"
		if l.s.many.pass(recordKind{slog.LevelError, text, t.Type}) {
			l.s.p.logger().LogAttrs(l.s.base, slog.LevelError, text, about(l, t), slog.String("error", t.Metadata[driver.MetaFailureReason]))
		}
	})
}
