package dlq

import (
	"context"
	"fmt"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// A backend holds the letters of a box.
type backend interface {
	// browse is like Browse of driver.Browser.
	browse(ctx context.Context, cursor string, limit int) (tasks []*runtime.Task, next string, err error)
	// redrive moves the tasks of the given deaths to the queue on which they died, each
	// edited where edits has an entry, like RedriveDeaths of driver.Redriver.
	// discard removes them, like DiscardDeaths of driver.Discarder.
	redrive(ctx context.Context, deaths []driver.Death, edits []*driver.Edit) ([]driver.Death, error)
	discard(ctx context.Context, deaths []driver.Death) ([]driver.Death, error)
	// discardRefs removes the tasks that as names, and returns their IDs.
	discardRefs(ctx context.Context, as []letterRef) ([]string, error)
	// pageSize is the limit for one call of browse.
	pageSize() int
}

// A queueBackend is a queue that lists its dead tasks without receiving them.
type queueBackend struct {
	q    driver.Queue
	page int
}

// batch is how many letters one round trip moves.
const batch = 100

func (s *queueBackend) pageSize() int { return s.page }

func (s *queueBackend) browse(ctx context.Context, cursor string, limit int) ([]*runtime.Task, string, error) {
	r, ok := s.q.(driver.Browser)
	if !ok {
		return nil, "", errUnsupported(s.q, "list", "give the box the queue's provider")
	}
	tasks, next, err := r.Browse(ctx, driver.Dead, cursor, limit)
	if err != nil {
		return nil, "", fmt.Errorf("list the dead letters of queue %q: %w", s.q.Config().Name, err)
	}
	return tasks, next, nil
}

func (s *queueBackend) redrive(ctx context.Context, deaths []driver.Death, edits []*driver.Edit) ([]driver.Death, error) {
	r, ok := s.q.(driver.Redriver)
	if !ok || !s.q.Capabilities().Redrive {
		return nil, errUnsupported(s.q, "redrive", "take the task from its dead letter queue, enqueue it, and then complete it there")
	}
	return r.RedriveDeaths(ctx, deaths, edits)
}

func (s *queueBackend) discarder() (driver.Discarder, error) {
	d, ok := s.q.(driver.Discarder)
	if !ok || !s.q.Capabilities().Discard {
		return nil, errUnsupported(s.q, "discard", "take the task from its dead letter queue and complete it there")
	}
	return d, nil
}

func (s *queueBackend) discard(ctx context.Context, deaths []driver.Death) ([]driver.Death, error) {
	d, err := s.discarder()
	if err != nil {
		return nil, err
	}
	return d.DiscardDeaths(ctx, deaths)
}

func (s *queueBackend) discardRefs(ctx context.Context, as []letterRef) (gone []string, err error) {
	d, err := s.discarder()
	if err != nil {
		return nil, err
	}
	var ids []string
	var deaths []driver.Death
	for _, a := range as {
		if a.version == "" {
			ids = append(ids, a.id)
		} else {
			deaths = append(deaths, driver.Death{ID: a.id, Version: a.version})
		}
	}
	if len(ids) > 0 {
		if gone, err = d.Discard(ctx, ids); err != nil {
			return gone, err
		}
	}
	if len(deaths) == 0 {
		return gone, nil
	}
	some, err := d.DiscardDeaths(ctx, deaths)
	return append(gone, driver.IDsOf(some)...), err
}

func errUnsupported(q driver.Queue, what, instead string) error {
	return fmt.Errorf("%w: queue %q cannot %s dead letters: %s", runtime.ErrUnsupported, q.Config().Name, what, instead)
}
