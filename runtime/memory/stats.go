package memory

import (
	"context"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

func (q *queue) Stats(ctx context.Context) (driver.Stats, error) {
	if err := q.enter(ctx); err != nil {
		return driver.Stats{}, err
	}
	defer q.leave()
	stats := driver.Stats{
		Ready: int64(q.ready), Scheduled: int64(q.scheduled.n), Leased: int64(q.leased.n),
		OldestAge: q.oldestAge(),
	}
	if q.dead != nil {
		q.dead.mu.Lock()
		defer q.dead.mu.Unlock()
		stats.Dead = int64(q.dead.deadCount(q.name))
	}
	return stats, nil
}

func (s *queueState) oldestAge() time.Duration {
	oldest := s.now
	for i := range s.lines {
		oldest = min(oldest, s.lines[i].next())
	}
	return s.now - oldest
}

// deadCount counts the dead tasks of a queue.
func (s *queueState) deadCount(origin string) int {
	if g := s.groups[origin]; g != nil {
		return g.n
	}
	return 0
}
