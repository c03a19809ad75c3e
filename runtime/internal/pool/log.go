package pool

import (
	"cmp"
	"context"
	"log/slog"

	"github.com/taskgen/taskgen/runtime/driver"
)

// logger is where the pool logs: it is asked for each time, so that a program may
// call slog.SetDefault after NewPool.
func (p *Pool) logger() *slog.Logger { return cmp.Or(p.cfg.Logger, slog.Default()) }

// records is a log record to be.
type record struct {
	level slog.Level
	text  string
	attrs []slog.Attr
}

// tell logs once r.mu is given up by unlock: a log handler may take its time.
// r.mu is held.
func (r *run) tell(level slog.Level, text string, attrs ...slog.Attr) {
	r.records = append(r.records, record{level, text, attrs})
}

// unlock gives up r.mu and logs what was told.
func (r *run) unlock() {
	told := r.records
	r.records = nil
	r.mu.Unlock()
	for _, n := range told {
		r.p.logger().LogAttrs(context.Background(), n.level, n.text, n.attrs...)
	}
}

// about names a task in a log record.
func about(c *consumer, t *driver.Task) slog.Attr {
	return slog.GroupAttrs("task", slog.String("id", t.ID), slog.String("type", t.Type), slog.String("queue", c.name))
}
