package pool

import (
	"context"
	"log/slog"

	"github.com/taskgen/taskgen/runtime/driver"
)

// hearing makes the consumer's queue log the tasks that it buries, and report receives
// that go on behind a Dequeue.
func (c *consumer) hearing(ctx context.Context) context.Context {
	ctx = driver.HearBehind(ctx, c.receives.begin)
	return driver.HearBuried(ctx, func(t *driver.Task) {
		const text = "task is dead: it cannot be decoded"
		if c.many.pass(recordKind{slog.LevelError, text, t.Type}) {
			c.mon.logger().LogAttrs(c.base, slog.LevelError, text, about(c.name, t), slog.String("error", t.Metadata[driver.MetaFailureReason]))
		}
	})
}
