package dlq

import (
	"context"
	"errors"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// A TaskStore keeps dead tasks that were taken off their dead letter queue, each under
// its ID. memory.NewLetters and Provider.Letters of packages sqlite and redis return
// such stores. It is safe for concurrent use.
type TaskStore interface {
	// Put stores tasks, each replacing an earlier one with its ID. When it returns nil
	// they are as durable as the store can make them.
	Put(ctx context.Context, tasks []*runtime.Task) error
	// Get returns a task, or an error wrapping runtime.ErrTaskNotFound.
	Get(ctx context.Context, id string) (*runtime.Task, error)
	// List returns up to limit tasks after the cursor, in the order in which they were
	// stored, and the cursor of the next page, empty after the last. The first page has
	// the cursor "".
	List(ctx context.Context, cursor string, limit int) (tasks []*runtime.Task, next string, err error)
	// Delete removes tasks, whatever their deaths, and returns the IDs of those that it
	// removed. Unknown IDs are no error. A box uses Swap instead.
	Delete(ctx context.Context, ids []string) (deleted []string, err error)
	// Swap replaces the task of the death was[i] by with[i] in one step, if the task
	// stored under its ID has that death; a nil removes it. The task keeps its place in
	// the list. Swap returns the deaths of the tasks that it replaced; a task of another
	// death is unchanged, and no error. After an error some tasks may be replaced: the
	// same call may be repeated, and may leave out the tasks that it removed before.
	Swap(ctx context.Context, was []driver.Death, with []*runtime.Task) (swapped []driver.Death, err error)
}

// ErrClaimed: a redrive that is about to put a stored letter back on its queue has
// claimed it, for a minute at most.
var ErrClaimed = errors.New("taskgen: the dead letter is being redriven")

// OpenStore returns a box of the dead tasks in a store, from all the queues on which they
// died. To redrive them m must have those queues open. They are listed in the order in
// which they were stored.
//
// A redrive claims a letter for a minute, enqueues the task, and then removes the letter,
// unless the task has died again meanwhile and was stored again. Until then other
// redrives get ErrClaimed for the letter, and no discard removes it. After a crash in
// between, the task is on its queue. A redrive after that minute keeps the letter with
// ErrDuplicate while the task is there; if the task has run by then, or if the queue does
// not refuse IDs (Capabilities.RefusesIDs), it runs twice. It also runs twice if the
// clocks of two redriving processes are more than half a minute apart, or if one process
// stalls that long between its claim and its enqueue.
func OpenStore(m *runtime.Manager, store TaskStore, cfg Config) *Box {
	return &Box{m: m, name: "the store", backend: &storeBackend{store: store, m: m, page: cfg.pageSize()}, cfg: cfg}
}

type storeBackend struct {
	store TaskStore
	m     *runtime.Manager
	page  int
}

func (s *storeBackend) pageSize() int { return s.page }

func (s *storeBackend) browse(ctx context.Context, cursor string, limit int) ([]*runtime.Task, string, error) {
	return s.store.List(ctx, cursor, limit)
}

func (s *storeBackend) discard(ctx context.Context, deaths []driver.Death) ([]driver.Death, error) {
	return s.store.Swap(ctx, deaths, make([]*runtime.Task, len(deaths)))
}

func (s *storeBackend) discardRefs(ctx context.Context, as []letterRef) ([]string, error) {
	var deaths []driver.Death
	for _, a := range as {
		t, err := s.store.Get(ctx, a.id)
		switch {
		case errors.Is(err, runtime.ErrTaskNotFound):
		case err != nil:
			return nil, err
		case a.matches(t) && !claimed(t, s.m.Now()):
			deaths = append(deaths, driver.DeathOf(t))
		}
	}
	gone, err := s.discard(ctx, deaths)
	return driver.IDsOf(gone), err
}
