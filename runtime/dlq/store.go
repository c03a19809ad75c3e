package dlq

import (
	"context"
	"errors"
	"fmt"

	"github.com/taskgen/taskgen/runtime"
)

// A TaskStore keeps dead tasks that were taken off their dead letter queue, each
// under its ID. memory.NewLetters and Provider.Letters of packages sqlite and redis are
// such stores. It is used by many goroutines at once.
type TaskStore interface {
	// Put keeps tasks, each in place of an earlier one with its ID. When it returns
	// nil they are as durable as the store can make them.
	Put(ctx context.Context, tasks []*runtime.Task) error
	// Get returns a task, or an error wrapping runtime.ErrTaskNotFound.
	Get(ctx context.Context, id string) (*runtime.Task, error)
	// List returns up to limit tasks after the cursor in the order in which they
	// were put, and the cursor of the next page, empty after the last. The first
	// page has the cursor "".
	List(ctx context.Context, cursor string, limit int) (tasks []*runtime.Task, next string, err error)
	// Delete removes tasks, and returns the IDs of those that it removed. Unknown
	// IDs are no error.
	Delete(ctx context.Context, ids []string) (deleted []string, err error)
}

// OpenStore returns a box of the dead tasks that a store keeps, of all the queues
// that they died on. To redrive them m must have those queues open. They are listed
// in the order in which they were put there.
//
// A redrive enqueues the task and then removes it from the store. Where a crash came
// in between, the task is on its queue, and the next redrive keeps the letter and
// says ErrDuplicate as long as it is; on a queue that does not refuse IDs
// (Capabilities.RefusesIDs) it is there twice.
func OpenStore(m *runtime.Manager, store TaskStore, cfg Config) *Box {
	return &Box{m: m, name: "the store", shelf: &storeShelf{store: store, m: m, page: cfg.pageSize()}, cfg: cfg}
}

type storeShelf struct {
	store TaskStore
	m     *runtime.Manager
	page  int
}

func (s *storeShelf) pageSize() int { return s.page }

func (s *storeShelf) browse(ctx context.Context, cursor string, limit int) ([]*runtime.Task, string, error) {
	return s.store.List(ctx, cursor, limit)
}

func (s *storeShelf) redrive(ctx context.Context, ids []string) (moved []string, err error) {
	var be runtime.BatchError
	for i, id := range ids {
		t, err := s.store.Get(ctx, id)
		if errors.Is(err, runtime.ErrTaskNotFound) {
			continue
		}
		if err != nil {
			return moved, err
		}
		q, err := s.m.Queue(origin(t))
		if err == nil {
			err = putBack(ctx, q, t, s.m)
		}
		if err != nil {
			be.Add(i, id, fmt.Errorf("redrive %s (%s): %w", id, t.Type, err))
			continue
		}
		if _, err := s.store.Delete(ctx, []string{id}); err != nil {
			return moved, fmt.Errorf("task %s is back on its queue, and could not be removed from the store: %w", id, err)
		}
		moved = append(moved, id)
	}
	return moved, be.OrNil()
}

func (s *storeShelf) discard(ctx context.Context, ids []string) ([]string, error) {
	return s.store.Delete(ctx, ids)
}
