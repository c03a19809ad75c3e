package server

import (
	"context"
	"fmt"

	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// Enqueue implements the method of QueueService.
func (q *queueService) Enqueue(ctx context.Context, req *v1.EnqueueRequest) (*v1.EnqueueResponse, error) {
	t, err := q.s.newTask(ctx, req.GetTask())
	if err != nil {
		return nil, err
	}
	b := newBatch(1)
	b.add(0, t)
	b.enqueue(ctx, q.s.cfg.Manager)
	if b.errs[0] != nil {
		return nil, b.errs[0]
	}
	return &v1.EnqueueResponse{Task: enqueuedOf(b.answers[0])}, nil
}

// EnqueueBatch implements the method of QueueService.
func (q *queueService) EnqueueBatch(ctx context.Context, req *v1.EnqueueBatchRequest) (*v1.EnqueueBatchResponse, error) {
	b := newBatch(len(req.GetTasks()))
	for i, m := range req.GetTasks() {
		if t, err := q.s.newTask(ctx, m); err != nil {
			b.errs[i] = err
		} else {
			b.add(i, t)
		}
	}
	b.enqueue(ctx, q.s.cfg.Manager)
	return &v1.EnqueueBatchResponse{Outcomes: b.outcomes()}, nil
}

// Publish implements the method of QueueService.
func (q *queueService) Publish(ctx context.Context, req *v1.PublishRequest) (*v1.PublishResponse, error) {
	t, err := q.s.newTask(ctx, req.GetTask())
	if err != nil {
		return nil, err
	}
	b := newBatch(len(req.GetQueues()))
	for i, queue := range req.GetQueues() {
		clone := t.Clone()
		clone.Queue = queue
		b.add(i, clone)
	}
	b.enqueue(ctx, q.s.cfg.Manager)
	return &v1.PublishResponse{Outcomes: b.outcomes()}, nil
}

// A batch is the tasks of one request, and what became of them.
type batch struct {
	tasks   []*runtime.Task
	indexes []int // of tasks in the request
	answers []runtime.Enqueued
	errs    []error
}

func newBatch(n int) *batch {
	return &batch{answers: make([]runtime.Enqueued, n), errs: make([]error, n)}
}

// add takes the task at an index of the request.
func (b *batch) add(i int, t *runtime.Task) {
	b.tasks, b.indexes = append(b.tasks, t), append(b.indexes, i)
}

// enqueue enqueues the tasks by one call.
func (b *batch) enqueue(ctx context.Context, m *runtime.Manager) {
	if len(b.tasks) == 0 {
		return
	}
	answers, err := m.Enqueue(ctx, b.tasks)
	for k, i := range b.indexes {
		switch e := runtime.ErrorAt(err, k); {
		case e != nil:
			b.errs[i] = e
		case k >= len(answers): // of a middleware that answers too little
			b.errs[i] = fmt.Errorf("%w: task %s has no answer, and may have been enqueued", driver.ErrUnavailable, b.tasks[k].ID)
		default:
			b.answers[i] = answers[k]
		}
	}
}

func (b *batch) outcomes() []*v1.EnqueueOutcome {
	all := make([]*v1.EnqueueOutcome, len(b.errs))
	for i, err := range b.errs {
		if err != nil {
			all[i] = &v1.EnqueueOutcome{Outcome: &v1.EnqueueOutcome_Error{Error: itemError(err)}}
		} else {
			all[i] = &v1.EnqueueOutcome{Outcome: &v1.EnqueueOutcome_Task{Task: enqueuedOf(b.answers[i])}}
		}
	}
	return all
}

func enqueuedOf(e runtime.Enqueued) *v1.EnqueuedTask {
	return &v1.EnqueuedTask{Id: e.ID, Queue: e.Queue, DueAt: timestamp(e.DueAt), Duplicate: e.Duplicate}
}
