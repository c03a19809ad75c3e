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

// news is a log record to be.
type news struct {
	level slog.Level
	text  string
	attrs []slog.Attr
}

// tell logs once s.mu is given up by unlock: a log handler may take its time.
// s.mu is held.
func (s *shift) tell(level slog.Level, text string, attrs ...slog.Attr) {
	s.news = append(s.news, news{level, text, attrs})
}

// unlock gives up s.mu and logs what was told.
func (s *shift) unlock() {
	told := s.news
	s.news = nil
	s.mu.Unlock()
	for _, n := range told {
		s.p.logger().LogAttrs(context.Background(), n.level, n.text, n.attrs...)
	}
}

// about names a task in a log record.
func about(l *lane, t *driver.Task) slog.Attr {
	return slog.GroupAttrs("task", slog.String("id", t.ID), slog.String("type", t.Type), slog.String("queue", l.name))
}
