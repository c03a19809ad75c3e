// Package report counts what happens to tasks, shows it while it happens, and
// sums it up.
package report

import (
	"context"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// Stats counts tasks by type: with one middleware where they are enqueued and
// one where they are handled. It is safe for use by many goroutines.
type Stats struct {
	mu    sync.Mutex
	types map[string]*counts
	now   func() time.Time
}

type counts struct {
	enqueued, completed, retried, dead int
	waits                              []time.Duration // from when a task was due until its first run began
	runs                               []time.Duration // of a handler
}

// NewStats returns empty Stats that tell the time by now.
func NewStats(now func() time.Time) *Stats {
	return &Stats{types: make(map[string]*counts), now: now}
}

// Enqueue is the middleware of a manager.
func (s *Stats) Enqueue(next runtime.Enqueuer) runtime.Enqueuer {
	return runtime.EnqueuerFunc(func(ctx context.Context, tasks []*runtime.Task) ([]runtime.Enqueued, error) {
		answers, err := next.Enqueue(ctx, tasks)
		s.mu.Lock()
		defer s.mu.Unlock()
		for i, t := range tasks {
			if runtime.ErrorAt(err, i) == nil && !answers[i].Duplicate {
				s.of(t.Type).enqueued++
			}
		}
		return answers, err
	})
}

// Handle is the middleware of a router.
func (s *Stats) Handle(next runtime.Handler) runtime.Handler {
	return runtime.HandlerFunc(func(ctx context.Context, t *runtime.Task) error {
		begun := s.now()
		err := next.Handle(ctx, t)
		ended := s.now()

		s.mu.Lock()
		defer s.mu.Unlock()
		c := s.of(t.Type)
		c.runs = append(c.runs, ended.Sub(begun))
		if firstRun(ctx) {
			c.waits = append(c.waits, max(begun.Sub(t.DueAt()), 0))
		}
		switch runtime.OutcomeOf(ctx, err) {
		case runtime.Completed:
			c.completed++
		case runtime.Retried:
			c.retried++
		case runtime.Died:
			c.dead++
		case runtime.Snoozed, runtime.Released, runtime.Abandoned: // neither done nor failed
		}
		return err
	})
}

// firstRun reports whether the task has not run before: later runs wait for their retry,
// for a dead worker's lease or for a person.
func firstRun(ctx context.Context) bool {
	info, ok := runtime.TaskFromContext(ctx)
	return ok && info.Attempt == 1 && info.Crashes == 0 && info.Metadata[driver.MetaRedriveCount] == ""
}

// Empty says that no task was enqueued or handled.
func (s *Stats) Empty() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.types) == 0
}

// Done says how many tasks were completed.
func (s *Stats) Done() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, c := range s.types {
		n += c.completed
	}
	return n
}

func (s *Stats) of(taskType string) *counts {
	c := s.types[taskType]
	if c == nil {
		c = new(counts)
		s.types[taskType] = c
	}
	return c
}
