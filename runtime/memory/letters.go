package memory

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"github.com/taskgen/taskgen/runtime/driver"
)

// Letters keeps dead tasks in memory, as a dlq.TaskStore. It is safe for concurrent use.
type Letters struct {
	mu    sync.Mutex
	last  int64
	byID  map[string]storedLetter
	order []letterPosition // by n; stale if the task was put again or deleted
}

type storedLetter struct {
	n    int64
	task *driver.Task
}

type letterPosition struct {
	n  int64
	id string
}

// NewLetters returns an empty store.
func NewLetters() *Letters { return &Letters{byID: make(map[string]storedLetter)} }

// Put stores copies of tasks, each replacing an earlier one with its ID.
func (ls *Letters) Put(ctx context.Context, tasks []*driver.Task) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("store dead tasks: %w", err)
	}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for _, t := range tasks {
		ls.last++
		ls.byID[t.ID] = storedLetter{ls.last, t.Clone()}
		ls.order = append(ls.order, letterPosition{ls.last, t.ID})
	}
	ls.compact()
	return nil
}

// Get returns a task, or an error wrapping driver.ErrTaskNotFound.
func (ls *Letters) Get(_ context.Context, id string) (*driver.Task, error) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	k, ok := ls.byID[id]
	if !ok {
		return nil, fmt.Errorf("%w: no dead task %s is stored", driver.ErrTaskNotFound, id)
	}
	return k.task.Clone(), nil
}

// List returns up to limit tasks after the cursor, in the order in which they were
// stored, and the cursor of the next page, empty after the last.
func (ls *Letters) List(_ context.Context, cursor string, limit int) (tasks []*driver.Task, next string, err error) {
	after := int64(0)
	if cursor != "" {
		if after, err = strconv.ParseInt(cursor, 10, 64); err != nil {
			return nil, "", fmt.Errorf("list dead tasks: %q is not a cursor", cursor)
		}
	}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	first, _ := slices.BinarySearchFunc(ls.order, after+1, func(p letterPosition, n int64) int { return cmp.Compare(p.n, n) })
	for _, p := range ls.order[first:] {
		k := ls.byID[p.id]
		if k.n != p.n {
			continue
		}
		if len(tasks) == limit {
			return tasks, next, nil
		}
		tasks, next = append(tasks, k.task.Clone()), strconv.FormatInt(p.n, 10)
	}
	return tasks, "", nil
}

// Delete removes tasks, and returns the IDs of those that it removed.
func (ls *Letters) Delete(ctx context.Context, ids []string) (deleted []string, err error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("delete dead tasks: %w", err)
	}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for _, id := range ids {
		if _, ok := ls.byID[id]; ok {
			delete(ls.byID, id)
			deleted = append(deleted, id)
		}
	}
	ls.compact()
	return deleted, nil
}

// Swap replaces the tasks of the given deaths that are still stored, and removes those
// whose replacement is nil. It returns the deaths of the tasks that it replaced.
func (ls *Letters) Swap(ctx context.Context, was []driver.Death, with []*driver.Task) (swapped []driver.Death, err error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("replace dead tasks: %w", err)
	}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for i, d := range was {
		k, ok := ls.byID[d.ID]
		switch {
		case !ok || driver.DeathOf(k.task) != d:
			continue
		case with[i] == nil:
			delete(ls.byID, d.ID)
		default:
			ls.byID[d.ID] = storedLetter{k.n, with[i].Clone()}
		}
		swapped = append(swapped, d)
	}
	ls.compact()
	return swapped, nil
}

// compact drops stale positions once they are more than half.
func (ls *Letters) compact() {
	const few = 64
	if len(ls.order) <= 2*len(ls.byID)+few {
		return
	}
	kept := make([]letterPosition, 0, len(ls.byID))
	for _, p := range ls.order {
		if ls.byID[p.id].n == p.n {
			kept = append(kept, p)
		}
	}
	ls.order = kept
}
