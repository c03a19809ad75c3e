// Package observed tells listeners of the calls that managers and pools make to queues.
package observed

import (
	"context"
	"errors"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/observe"
)

// Queue returns q with calls that a listener receives, or q itself if the listener
// receives none of them. The result has the methods of the contract alone: what else a
// queue can do is to be asked of q.
func Queue(q driver.Queue, as *observe.Queue, l *observe.Listener) driver.Queue {
	if l == nil || l.Called == nil && l.Dequeued == nil {
		return q
	}
	return &queue{Queue: q, as: as, called: l.Called, dequeued: l.Dequeued}
}

type queue struct {
	driver.Queue
	as       *observe.Queue
	called   func(*observe.Call)
	dequeued func(*observe.Queue, []*observe.Delivery)
}

func (q *queue) Enqueue(ctx context.Context, tasks []*driver.Task) ([]driver.Enqueued, error) {
	began := time.Now()
	answers, err := q.Queue.Enqueue(ctx, tasks)
	q.tell(observe.OpEnqueue, len(tasks), began, err)
	return answers, err
}

func (q *queue) Dequeue(ctx context.Context, n int, lease time.Duration) ([]*driver.Delivery, error) {
	began := time.Now()
	ds, err := q.Queue.Dequeue(ctx, n, lease)
	failed := err
	if errors.Is(err, driver.ErrNoTasks) || err != nil && ctx.Err() != nil {
		failed = nil
	}
	q.tell(observe.OpDequeue, len(ds), began, failed)
	if len(ds) > 0 && q.dequeued != nil {
		q.dequeued(q.as, ds)
	}
	return ds, err
}

func (q *queue) Extend(ctx context.Context, ds []*driver.Delivery, lease time.Duration) error {
	began := time.Now()
	err := q.Queue.Extend(ctx, ds, lease)
	q.tell(observe.OpExtend, len(ds), began, err)
	return err
}

func (q *queue) Complete(ctx context.Context, ds []*driver.Delivery) error {
	began := time.Now()
	err := q.Queue.Complete(ctx, ds)
	q.tell(observe.OpComplete, len(ds), began, err)
	return err
}

func (q *queue) Release(ctx context.Context, ds []*driver.Delivery) error {
	began := time.Now()
	err := q.Queue.Release(ctx, ds)
	q.tell(observe.OpRelease, len(ds), began, err)
	return err
}

func (q *queue) DeadLetter(ctx context.Context, ds []*driver.Delivery) error {
	began := time.Now()
	err := q.Queue.DeadLetter(ctx, ds)
	q.tell(observe.OpDeadLetter, len(ds), began, err)
	return err
}

func (q *queue) tell(op observe.Op, tasks int, began time.Time, err error) {
	if q.called != nil {
		q.called(&observe.Call{Queue: q.as, Op: op, Tasks: tasks, Began: began, Took: time.Since(began), Err: err})
	}
}
