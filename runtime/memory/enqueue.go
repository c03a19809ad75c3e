package memory

import (
	"context"
	"fmt"
	"maps"

	"github.com/taskgen/taskgen/runtime/driver"
)

func (q *queue) Enqueue(ctx context.Context, tasks []*driver.Task) ([]driver.Enqueued, error) {
	answers := make([]driver.Enqueued, len(tasks))
	payloads := newArena(tasks)
	if err := q.enter(ctx); err != nil {
		return nil, err
	}
	defer q.leave()
	var failed *driver.BatchError
	for i, t := range tasks {
		answer, err := q.enqueueOne(t, &payloads)
		if err != nil {
			failed = fail(failed, i, idOf(t), err)
			continue
		}
		answers[i] = answer
	}
	return answers, failed.OrNil()
}

// enqueueOne puts a copy of one task on the queue.
func (q *queue) enqueueOne(t *driver.Task, payloads *arena) (driver.Enqueued, error) {
	if err := q.cfg.Accepts(t); err != nil {
		return driver.Enqueued{}, err
	}
	if t.UniqueKey != "" {
		if k := q.keys.taken(t.UniqueKey); k != nil {
			return driver.Enqueued{ID: k.id, Queue: q.name, DueAt: k.due, Duplicate: true}, nil
		}
	}
	id := q.ids.find(t.ID)
	if id.taken {
		return driver.Enqueued{}, fmt.Errorf("%w: task %s is on queue %q", driver.ErrDuplicate, t.ID, q.name)
	}
	if q.cfg.Capacity > 0 && q.items.live >= q.cfg.Capacity {
		return driver.Enqueued{}, fmt.Errorf("%w: queue %q holds %d tasks, its capacity: enqueue again once workers have caught up", driver.ErrQueueFull, q.name, q.items.live)
	}
	answer := driver.Enqueued{ID: t.ID, Queue: q.name, DueAt: q.time}
	due := q.now
	if t.ScheduledFor.After(q.time) {
		due, answer.DueAt = t.ScheduledFor.Sub(q.base), t.ScheduledFor
	}
	it := q.addAt(id, q.copyOf(t, payloads))
	if t.UniqueKey != "" {
		q.keys.take(it, t.UniqueFor, q.now, answer.DueAt)
	}
	q.makeDue(it, due)
	return answer, nil
}

// copyOf returns a copy of a task that shares nothing with it. It copies field by
// field: a plain copy would keep the caller's payload alive as well, through an
// unexported field of Task.
func (q *queue) copyOf(t *driver.Task, payloads *arena) driver.Task {
	return driver.Task{
		ID: t.ID, Type: t.Type, Queue: q.name, Payload: payloads.copy(t.Payload), Encoding: t.Encoding,
		Priority: t.Priority, GroupKey: t.GroupKey, UniqueKey: t.UniqueKey, UniqueFor: t.UniqueFor,
		Metadata: maps.Clone(t.Metadata), CreatedAt: t.CreatedAt, ScheduledFor: t.ScheduledFor,
		MaxRetries: t.MaxRetries, RetryCount: t.RetryCount, Timeout: t.Timeout, SchemaVersion: t.SchemaVersion, Shape: t.Shape,
	}
}

func idOf(t *driver.Task) string {
	if t == nil {
		return ""
	}
	return t.ID
}

// fail records the failure of one item. failed may be nil: most batches have no failures.
func fail(failed *driver.BatchError, i int, id string, err error) *driver.BatchError {
	if failed == nil {
		failed = new(driver.BatchError)
	}
	failed.Add(i, id, err)
	return failed
}

// An arena copies the payloads of a batch into a few larger blocks. A block
// lives as long as any task in it, so blocks are kept small.
type arena struct {
	free []byte
	left int // bytes still to be copied
}

const blockSize = 8 << 10

func newArena(tasks []*driver.Task) arena {
	a := arena{}
	for _, t := range tasks {
		if t != nil {
			a.left += len(t.Payload)
		}
	}
	return a
}

func (a *arena) copy(p []byte) []byte {
	n := len(p)
	if p == nil {
		return nil
	}
	if n > len(a.free) {
		a.free = make([]byte, max(n, min(a.left, blockSize)))
	}
	c := a.free[:n:n]
	copy(c, p)
	a.free = a.free[n:]
	a.left -= n
	return c
}
