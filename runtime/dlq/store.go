package dlq

import (
	"context"
	"errors"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
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
	// Delete removes tasks, whatever death they died, and returns the IDs of those that
	// it removed. Unknown IDs are no error. A box has no use for it: it swaps.
	Delete(ctx context.Context, ids []string) (deleted []string, err error)
	// Swap puts with[i] in place of the task that died the death was[i], in one step,
	// if that is what is kept under its ID; nil removes it. The task keeps its place
	// in the list. Swap returns the deaths of those that it has replaced; others are as
	// they were, and no error. After an error some may be replaced: the same call may be
	// repeated, and need not name again what it has removed before.
	Swap(ctx context.Context, was []driver.Death, with []*runtime.Task) (swapped []driver.Death, err error)
}

// ErrClaimed: a letter of a store belongs to a redrive that is about to put it back on
// its queue, for a minute at most.
var ErrClaimed = errors.New("taskgen: the dead letter is being redriven")

// OpenStore returns a box of the dead tasks that a store keeps, of all the queues
// that they died on. To redrive them m must have those queues open. They are listed
// in the order in which they were put there.
//
// A redrive marks a letter as its own for a minute, enqueues the task, and then removes
// the letter, if that is what it was: a task that has died again meanwhile, and is
// stored anew, stays. Others who redrive meanwhile say ErrClaimed of it, and discard it
// not. Where a crash came in between, the task is on its queue, and a redrive after that
// minute keeps the letter and says ErrDuplicate as long as it is; when it has run by
// then, or on a queue that does not refuse IDs (Capabilities.RefusesIDs), it runs twice.
// So it does where the clocks of two who redrive are more than half a minute apart, or
// one stands still for as long between its mark and its enqueue.
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

func (s *storeShelf) discard(ctx context.Context, deaths []driver.Death) ([]driver.Death, error) {
	return s.store.Swap(ctx, deaths, make([]*runtime.Task, len(deaths)))
}

func (s *storeShelf) discardNamed(ctx context.Context, as []address) ([]string, error) {
	var deaths []driver.Death
	for _, a := range as {
		t, err := s.store.Get(ctx, a.id)
		switch {
		case errors.Is(err, runtime.ErrTaskNotFound):
		case err != nil:
			return nil, err
		case a.names(t) && !claimed(t, s.m.Now()):
			deaths = append(deaths, driver.DeathOf(t))
		}
	}
	gone, err := s.discard(ctx, deaths)
	return driver.IDsOf(gone), err
}
