package runtime

import (
	"context"
	"fmt"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/observe"
)

// admission is the first Enqueuer of every chain: it completes and validates tasks
// before any middleware sees them.
type admission struct {
	m    *Manager
	next Enqueuer
}

func (e *admission) Enqueue(ctx context.Context, tasks []*Task) ([]Enqueued, error) {
	if len(tasks) == 0 {
		return nil, nil
	}
	ids := newIDs(tasks)
	now := e.m.clock.Now()
	for _, t := range tasks {
		if t == nil {
			continue
		}
		if t.ID == "" {
			t.ID = ids.next()
		}
		driver.Stamp(t, now)
	}
	if e.m.listener != nil {
		return e.observed(ctx, tasks)
	}
	return enqueueValid(ctx, e.next, tasks, (*Task).Validate)
}

// observed enqueues, and passes the call to listeners.
func (e *admission) observed(ctx context.Context, tasks []*Task) ([]Enqueued, error) {
	l := e.m.listener
	if l.EnqueueStart != nil {
		ctx = l.EnqueueStart(ctx, tasks)
	}
	began := time.Now()
	answers, err := enqueueValid(ctx, e.next, tasks, (*Task).Validate)
	if l.EnqueueEnd != nil {
		l.EnqueueEnd(ctx, &observe.Enqueue{Tasks: tasks, Answers: answers, Err: err, Began: began, Took: time.Since(began), Queue: e.m.observed})
	}
	return answers, err
}

// finalCheck validates again behind the middleware, which may have changed tasks: an
// invalid task would be accepted here and could never be read again.
type finalCheck struct {
	cfg  ManagerConfig
	next Enqueuer
}

func (e *finalCheck) Enqueue(ctx context.Context, tasks []*Task) ([]Enqueued, error) {
	if len(tasks) == 0 {
		return nil, nil
	}
	return enqueueValid(ctx, e.next, tasks, e.check)
}

func (e *finalCheck) check(t *Task) error {
	if len(e.cfg.Middleware) > 0 {
		if err := t.Validate(); err != nil {
			return err
		}
	}
	if e.cfg.MaxPayload > 0 && len(t.Payload) > e.cfg.MaxPayload {
		return tooLarge(t, "the manager", e.cfg.MaxPayload)
	}
	return nil
}

func tooLarge(t *Task, who string, limit int) error {
	return fmt.Errorf("%w: task %s (%s) has %d bytes, and %s takes %d: store the data elsewhere and send a reference, or add compression",
		ErrPayloadTooLarge, t.ID, t.Type, len(t.Payload), who, limit)
}
