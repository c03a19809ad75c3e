package pool

import (
	"cmp"
	"log/slog"

	"github.com/taskgen/taskgen/runtime/driver"
)

// logger is where the pool logs. It is evaluated for each record, so that a program may
// call slog.SetDefault after NewPool.
func (p *Pool) logger() *slog.Logger { return cmp.Or(p.cfg.Logger, slog.Default()) }

// textLeaseLost is logged by whoever finds that a lease has ended.
const textLeaseLost = "lease lost: the task will be delivered again"

// about names a task in a log record.
func about(queue string, t *driver.Task) slog.Attr {
	return slog.GroupAttrs("task", slog.String("id", t.ID), slog.String("type", t.Type), slog.String("queue", queue))
}
