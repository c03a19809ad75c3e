package pool

import (
	"context"
	"log/slog"

	"github.com/taskgen/taskgen/runtime/driver"
)

// hearing has the consumer's queue log what it buries, and tell of receives behind it.
func (c *consumer) hearing(ctx context.Context) context.Context {
	ctx = driver.HearBehind(ctx, c.behind)
	return driver.HearBuried(ctx, func(t *driver.Task) {
		const text = "task is dead: it cannot be decoded"
		if c.run.many.pass(recordKind{slog.LevelError, text, t.Type}) {
			c.run.p.logger().LogAttrs(c.run.base, slog.LevelError, text, about(c.name, t), slog.String("error", t.Metadata[driver.MetaFailureReason]))
		}
	})
}
