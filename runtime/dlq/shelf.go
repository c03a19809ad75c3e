package dlq

import (
	"context"
	"fmt"

	"github.com/taskgen/taskgen/runtime"
)

// A shelf is where the letters of a box lie.
type shelf interface {
	// browse is as that of runtime.Browser.
	browse(ctx context.Context, cursor string, limit int) (tasks []*runtime.Task, next string, err error)
	// redrive moves the tasks with the given IDs, or all when ids is nil, to the
	// queue they died on, and discard removes them; both as those of
	// runtime.Redriver and runtime.Discarder.
	redrive(ctx context.Context, ids []string) ([]string, error)
	discard(ctx context.Context, ids []string) ([]string, error)
	// pageSize is how many tasks one call of browse is asked for.
	pageSize() int
}

// A queueShelf is a queue that lists its dead tasks where they lie.
type queueShelf struct {
	q    runtime.Queue
	page int
}

// batch is how many letters one round trip moves.
const batch = 100

func (s *queueShelf) pageSize() int { return s.page }

func (s *queueShelf) browse(ctx context.Context, cursor string, limit int) ([]*runtime.Task, string, error) {
	r, ok := s.q.(runtime.Browser)
	if !ok {
		return nil, "", cannot(s.q, "list", "give the box the queue's provider")
	}
	tasks, next, err := r.Browse(ctx, runtime.Dead, cursor, limit)
	if err != nil {
		return nil, "", fmt.Errorf("list the dead letters of queue %q: %w", s.q.Config().Name, err)
	}
	return tasks, next, nil
}

func (s *queueShelf) redrive(ctx context.Context, ids []string) ([]string, error) {
	r, ok := s.q.(runtime.Redriver)
	if !ok || !s.q.Capabilities().Redrive {
		return nil, cannot(s.q, "redrive", "take the task from its dead letter queue, enqueue it, and complete it there then")
	}
	return r.Redrive(ctx, ids)
}

func (s *queueShelf) discard(ctx context.Context, ids []string) ([]string, error) {
	d, ok := s.q.(runtime.Discarder)
	if !ok || !s.q.Capabilities().Discard {
		return nil, cannot(s.q, "discard", "take the task from its dead letter queue and complete it there")
	}
	return d.Discard(ctx, ids)
}

func cannot(q runtime.Queue, what, instead string) error {
	return fmt.Errorf("%w: queue %q cannot %s dead letters: %s", runtime.ErrUnsupported, q.Config().Name, what, instead)
}
