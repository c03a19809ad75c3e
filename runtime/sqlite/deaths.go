package sqlite

import (
	"context"
	"fmt"

	"github.com/taskgen/taskgen/runtime/driver"
)

// RedriveDeaths implements [driver.Redriver] like Redrive: it reads, compares, edits and
// moves in one transaction.
func (q *queue) RedriveDeaths(ctx context.Context, deaths []driver.Death, edits []*driver.Edit) ([]driver.Death, error) {
	return q.redriveHook.Deaths(ctx, deaths, func() ([]driver.Death, error) {
		return q.redriveDeaths(ctx, deaths, edits)
	})
}

func (q *queue) redriveDeaths(ctx context.Context, deaths []driver.Death, edits []*driver.Edit) ([]driver.Death, error) {
	if q.isDLQ {
		return nil, driver.NoRedrive(q.cfg.Name)
	}
	if err := q.open(); err != nil {
		return nil, err
	}
	var redriven []driver.Death
	var failed driver.BatchError
	for next := 0; next < len(deaths); {
		var moved []driver.Death
		var errs map[int]error
		var end int
		err := q.p.writer.do(ctx, min(maxTxTasks, len(deaths)-next), func(t *tx) {
			moved, errs = nil, make(map[int]error)
			s := t.state(q.id)
			bytesLeft := maxTxBytes
			for end = next; end < len(deaths) && end < next+maxTxTasks && bytesLeft >= 0; end++ {
				j, task, size := q.deadOf(t, s, deaths[end])
				if task == nil {
					continue
				}
				bytesLeft -= size
				var edit *driver.Edit
				if edits != nil {
					edit = edits[end]
				}
				if t.onQueue(s, j.id) {
					errs[end] = fmt.Errorf("%w: task %s is on queue %q again", driver.ErrDuplicate, j.id, q.cfg.Name)
				} else if err := q.edit(task, edit); err != nil {
					errs[end] = err
				} else if t.redrive(s, j, task) {
					moved = append(moved, deaths[end])
				}
			}
		})
		if err != nil {
			return redriven, err
		}
		redriven = append(redriven, moved...)
		for i := next; i < end; i++ {
			failed.Add(i, deaths[i].ID, errs[i])
		}
		next = end
	}
	return redriven, failed.OrNil()
}

// edit changes a task, unless the edit is nil.
func (q *queue) edit(task *driver.Task, edit *driver.Edit) error {
	if edit == nil {
		return nil
	}
	if len(edit.Payload) > maxPayload {
		return fmt.Errorf("%w: the payload of task %s (%s) has %d bytes, and a row takes %d: store the data elsewhere and send a reference", driver.ErrPayloadTooLarge, task.ID, task.Type, len(edit.Payload), maxPayload)
	}
	edit.Apply(task)
	return q.cfg.Accepts(task)
}

// deadOf returns the dead task of the given death, with its row and the row's size; no
// task if it is gone.
func (q *queue) deadOf(t *tx, s *state, d driver.Death) (job, *driver.Task, int) {
	for _, j := range q.deadByID(t, d.ID) {
		envelope := t.envelope(j.seq)
		if task := s.task(j, envelope, t.now); driver.DeathOf(task) == d {
			return j, task, len(envelope)
		}
	}
	return job{}, nil, 0
}

// DiscardDeaths implements [driver.Discarder] like Discard.
func (q *queue) DiscardDeaths(ctx context.Context, deaths []driver.Death) ([]driver.Death, error) {
	if q.isDLQ {
		return nil, driver.NoDiscard(q.cfg.Name)
	}
	if err := q.open(); err != nil {
		return nil, err
	}
	var discarded []driver.Death
	for from := 0; from < len(deaths); from += maxTxTasks {
		part := deaths[from:min(from+maxTxTasks, len(deaths))]
		var gone []driver.Death
		err := q.p.writer.do(ctx, len(part), func(t *tx) {
			gone = nil
			s := t.state(q.id)
			for _, d := range part {
				if j, task, _ := q.deadOf(t, s, d); task != nil && t.remove(t.state(j.queue), j) {
					gone = append(gone, d)
				}
			}
		})
		if err != nil {
			return discarded, err
		}
		discarded = append(discarded, gone...)
	}
	return discarded, nil
}
