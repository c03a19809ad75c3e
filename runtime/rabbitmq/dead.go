package rabbitmq

import (
	"context"
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/taskgen/taskgen/runtime/driver"
)

// Redrive implements [driver.Redriver]. Each task is confirmed on its queue before it
// leaves the dead letter queue; a crash in between leaves it on both. An ID that is on
// the queue again is not detected: the task is moved like any other. Redrive reads the
// dead letter queue from its head, to the end or until all ids were found, and blocks
// workers of that queue meanwhile.
func (q *queue) Redrive(ctx context.Context, ids []string) (redriven []string, err error) {
	if q.st.isDLQ {
		return nil, driver.NoRedrive(q.cfg.Name)
	}
	if ids != nil && len(ids) == 0 {
		return nil, q.open()
	}
	done, err := q.dig(ctx, ids, nil, q.moveBackAround)
	return driver.IDsOf(done), err
}

// RedriveDeaths implements [driver.Redriver] like Redrive: nobody else can move the
// messages that the scan has read.
func (q *queue) RedriveDeaths(ctx context.Context, deaths []driver.Death, edits []*driver.Edit) ([]driver.Death, error) {
	return q.around.Deaths(ctx, deaths, func() ([]driver.Death, error) {
		return q.redriveDeaths(ctx, deaths, edits)
	})
}

func (q *queue) redriveDeaths(ctx context.Context, deaths []driver.Death, edits []*driver.Edit) ([]driver.Death, error) {
	if q.st.isDLQ {
		return nil, driver.NoRedrive(q.cfg.Name)
	}
	if len(deaths) == 0 {
		return nil, q.open()
	}
	edited := make(map[driver.Death]int)
	for i, edit := range edits {
		if edit != nil {
			edited[deaths[i]] = i
		}
	}
	var failed driver.BatchError
	done, err := q.dig(ctx, nil, deaths, func(ctx context.Context, found []deadTask) ([]deadTask, error) {
		fit := found[:0:0]
		for _, x := range found {
			if i, ok := edited[x.death]; ok {
				if err := q.edit(&x, edits[i]); err != nil {
					failed.Add(i, x.task.ID, err)
					continue
				}
			}
			fit = append(fit, x)
		}
		return q.moveBack(ctx, fit)
	})
	if err != nil {
		return done, err
	}
	return done, failed.OrNil()
}

// edit changes a dead task.
func (q *queue) edit(x *deadTask, edit *driver.Edit) error {
	if x.raw {
		return fmt.Errorf("%w: message %s is no task", driver.ErrUnsupported, x.task.ID)
	}
	task := *x.task
	edit.Apply(&task)
	task.Queue = q.cfg.Name
	if err := q.refuses(&task, make(map[string]bool)); err != nil {
		return err
	}
	x.task, x.edited = &task, true
	return nil
}

// moveBack puts dead tasks on the queue, and returns those that are there.
func (q *queue) moveBack(ctx context.Context, found []deadTask) (moved []deadTask, failed error) {
	letters := make([]*letter, len(found))
	for i, x := range found {
		letters[i] = q.redriven(&x)
	}
	q.p.publish(ctx, letters)
	var again []*letter
	for i, l := range letters {
		x := found[i]
		if errors.Is(l.err, driver.ErrPayloadTooLarge) && !x.raw && !x.edited && shrink(l, x.body, x.from, x.task) {
			again = append(again, l)
		}
	}
	if len(again) > 0 {
		q.p.publish(ctx, again)
	}
	for i, l := range letters {
		if l.err == nil {
			moved = append(moved, found[i])
		} else if failed == nil {
			failed = fmt.Errorf("redrive task %s: %w", l.id, l.err)
		}
	}
	return moved, failed
}

// OnRedrive implements [driver.Reviver].
func (q *queue) OnRedrive(around driver.Revival) { q.around = around }

// moveBackAround is moveBack inside q.around.
func (q *queue) moveBackAround(ctx context.Context, found []deadTask) (moved []deadTask, failed error) {
	err := q.around.Around(ctx, taskIDs(found), func() []string {
		moved, failed = q.moveBack(ctx, found)
		return taskIDs(moved)
	})
	return moved, errors.Join(failed, err)
}

func taskIDs(found []deadTask) []string {
	ids := make([]string, len(found))
	for i, x := range found {
		ids[i] = x.task.ID
	}
	return ids
}

// redriven is a dead task on its way back. A message that cannot be decoded goes back
// unchanged.
func (q *queue) redriven(x *deadTask) *letter {
	if x.raw {
		l := &letter{to: q.st.lines[0], id: x.task.ID, body: x.body, from: x.from}
		if l.from == nil {
			l.from = &amqp.Delivery{ContentType: "application/json", MessageId: x.task.ID}
		}
		return l
	}
	driver.ClearDeath(x.task, q.cfg.DLQ)
	x.task.Queue = q.cfg.Name
	return &letter{to: q.st.lines[q.st.lineOf(x.task)], id: x.task.ID, body: driver.AppendEnvelope(nil, x.task)}
}

// Discard implements [driver.Discarder]. It reads the dead letter queue like Redrive.
func (q *queue) Discard(ctx context.Context, ids []string) (discarded []string, err error) {
	if q.st.isDLQ {
		return nil, driver.NoDiscard(q.cfg.Name)
	}
	if len(ids) == 0 {
		return nil, q.open()
	}
	done, err := q.dig(ctx, ids, nil, all)
	return driver.IDsOf(done), err
}

// DiscardDeaths implements [driver.Discarder] like Discard.
func (q *queue) DiscardDeaths(ctx context.Context, deaths []driver.Death) ([]driver.Death, error) {
	if q.st.isDLQ {
		return nil, driver.NoDiscard(q.cfg.Name)
	}
	if len(deaths) == 0 {
		return nil, q.open()
	}
	return q.dig(ctx, nil, deaths, all)
}

func all(_ context.Context, found []deadTask) ([]deadTask, error) { return found, nil }
