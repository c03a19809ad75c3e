package memory

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/taskgen/taskgen/runtime/driver"
)

// lockBoth is enter for operations that move tasks between a queue and its dead letter
// queue: they hold both locks, so that a task is never seen on neither or on both. When
// it returns nil the caller must call unlockBoth.
func (q *queue) lockBoth(ctx context.Context, refuse func(string) error) error {
	if q.dead == nil {
		return refuse(q.name)
	}
	if err := q.enter(ctx); err != nil {
		return err
	}
	q.dead.mu.Lock()
	q.dead.advance()
	return nil
}

func (q *queue) unlockBoth() {
	q.dead.leave()
	q.leave()
}

// addDead puts a task at the end of a dead letter queue.
func (s *queueState) addDead(t driver.Task, origin string) {
	it := s.add(t)
	s.addToGroup(it, origin)
	it.due = s.now
	s.makeReady(it)
}

// Redrive moves dead tasks back even beyond the queue's capacity: they take no more
// memory there. Tasks whose ID is on the queue again stay dead. The error is then a
// *BatchError with ErrDuplicate, whose indexes are those of ids, or of the dead in the
// order of their deaths if ids is nil. Tasks that are leased from the dead letter queue
// stay dead too.
func (q *queue) Redrive(ctx context.Context, ids []string) ([]string, error) {
	if err := q.lockBoth(ctx, driver.NoRedrive); err != nil {
		return nil, err
	}
	found := q.findDead(ids)
	there := make([]string, len(found))
	for i, d := range found {
		there[i] = d.it.task.ID
	}
	q.unlockBoth() // no calls to result stores under the locks
	var redriven []string
	var failed error
	err := q.redriveHook.Around(ctx, there, func() []string {
		redriven, failed = q.redrive(ctx, ids, there)
		return redriven
	})
	if err != nil {
		return redriven, errors.Join(failed, err)
	}
	return redriven, failed
}

// redrive moves the dead tasks with the given IDs, or all if ids is nil, that are in
// there.
func (q *queue) redrive(ctx context.Context, ids, there []string) ([]string, error) {
	if err := q.lockBoth(ctx, driver.NoRedrive); err != nil {
		return nil, err
	}
	defer q.unlockBoth()
	known := make(map[string]bool, len(there))
	for _, id := range there {
		known[id] = true
	}
	var redriven []string
	var failed *driver.BatchError
	for _, d := range q.findDead(ids) {
		id := d.it.task.ID
		if !known[id] {
			continue
		}
		if err := q.redriveItem(d.it, nil); err != nil {
			failed = fail(failed, d.index, id, err)
			continue
		}
		redriven = append(redriven, id)
	}
	return redriven, failed.OrNil()
}

// OnRedrive implements [driver.Reviver].
func (q *queue) OnRedrive(redriveHook driver.Revival) { q.redriveHook = redriveHook }

// RedriveDeaths moves tasks like Redrive.
func (q *queue) RedriveDeaths(ctx context.Context, deaths []driver.Death, edits []*driver.Edit) ([]driver.Death, error) {
	return q.redriveHook.Deaths(ctx, deaths, func() ([]driver.Death, error) {
		return q.redriveDeaths(ctx, deaths, edits)
	})
}

func (q *queue) redriveDeaths(ctx context.Context, deaths []driver.Death, edits []*driver.Edit) ([]driver.Death, error) {
	if err := q.lockBoth(ctx, driver.NoRedrive); err != nil {
		return nil, err
	}
	defer q.unlockBoth()
	var redriven []driver.Death
	var failed *driver.BatchError
	for i, d := range deaths {
		it := q.deadOf(d)
		if it == nil {
			continue
		}
		var edit *driver.Edit
		if edits != nil {
			edit = edits[i]
		}
		if err := q.redriveItem(it, edit); err != nil {
			failed = fail(failed, i, d.ID, err)
			continue
		}
		redriven = append(redriven, d)
	}
	return redriven, failed.OrNil()
}

// redriveItem moves a dead task to its queue, edited unless edit is nil.
func (q *queue) redriveItem(it *item, edit *driver.Edit) error {
	task := it.task
	if q.ids.get(task.ID) != nil {
		return fmt.Errorf("%w: task %s is on queue %q again", driver.ErrDuplicate, task.ID, q.name)
	}
	if edit != nil {
		edit.Apply(&task)
		task.Payload = bytes.Clone(edit.Payload)
		if err := q.cfg.Accepts(&task); err != nil {
			return err
		}
	}
	q.dead.drop(it)
	driver.ClearDeath(&task, q.dead.name)
	q.makeDue(q.add(task), q.now)
	return nil
}

func (q *queue) Discard(ctx context.Context, ids []string) ([]string, error) {
	if err := q.lockBoth(ctx, driver.NoDiscard); err != nil {
		return nil, err
	}
	defer q.unlockBoth()
	var discarded []string
	if ids == nil {
		return nil, nil
	}
	for _, d := range q.findDead(ids) {
		discarded = append(discarded, d.it.task.ID)
		q.dead.drop(d.it)
	}
	return discarded, nil
}

func (q *queue) DiscardDeaths(ctx context.Context, deaths []driver.Death) ([]driver.Death, error) {
	if err := q.lockBoth(ctx, driver.NoDiscard); err != nil {
		return nil, err
	}
	defer q.unlockBoth()
	var discarded []driver.Death
	for _, d := range deaths {
		if it := q.deadOf(d); it != nil {
			q.dead.drop(it)
			discarded = append(discarded, d)
		}
	}
	return discarded, nil
}

// deadOf returns the queue's dead task of the given death, or nil if it is gone or leased
// from the dead letter queue.
func (q *queue) deadOf(d driver.Death) *item {
	for _, one := range q.findDead([]string{d.ID}) {
		if driver.DeathOf(&one.it.task) == d {
			return one.it
		}
	}
	return nil
}

// A deadItem is a task that a list of IDs names, and its index there.
type deadItem struct {
	index int
	it    *item
}

// findDead finds the queue's dead tasks with the given IDs, or all if ids is nil, without
// those that are leased from the dead letter queue. It finds each once, even if its ID is
// given several times.
func (q *queue) findDead(ids []string) []deadItem {
	var found []deadItem
	if ids == nil {
		if g := q.dead.groups[q.name]; g != nil {
			for it := g.head; it != nil; it = it.gnext {
				if it.state != leased {
					found = append(found, deadItem{len(found), it})
				}
			}
		}
		return found
	}
	asked := make(map[string]bool, len(ids))
	for i, id := range ids {
		if asked[id] {
			continue
		}
		asked[id] = true
		for it := q.dead.ids.get(id); it != nil; it = it.nextSameID {
			if it.state != leased && it.group != nil && it.group.key == q.name {
				found = append(found, deadItem{i, it})
			}
		}
	}
	return found
}
