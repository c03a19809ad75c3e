package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/taskgen/taskgen/runtime/driver"
)

// entry is the entrance for every task: it completes and validates tasks before any
// middleware sees them.
type entry struct {
	m    *Manager
	next Enqueuer
}

func (e *entry) Enqueue(ctx context.Context, tasks []*Task) ([]Enqueued, error) {
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
	return enqueueValid(ctx, e.next, tasks, (*Task).Validate)
}

// exit validates again behind the middleware, which may have changed tasks: an invalid
// task would be accepted here and could never be read again.
type exit struct {
	cfg  ManagerConfig
	next Enqueuer
}

func (e *exit) Enqueue(ctx context.Context, tasks []*Task) ([]Enqueued, error) {
	if len(tasks) == 0 {
		return nil, nil
	}
	return enqueueValid(ctx, e.next, tasks, e.check)
}

func (e *exit) check(t *Task) error {
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

// enqueueValid passes on the tasks for which check returns nil. The others fail on
// their own.
func enqueueValid(ctx context.Context, next Enqueuer, tasks []*Task, check func(*Task) error) ([]Enqueued, error) {
	var (
		failed *BatchError // made at the first failure, as good is
		good   []*Task
		places []int
	)
	for i, t := range tasks {
		err := check(t)
		if err != nil && failed == nil {
			failed = new(BatchError)
			good, places = slices.Clone(tasks[:i]), make([]int, i, len(tasks))
			for j := range places {
				places[j] = j
			}
		}
		switch {
		case err != nil:
			failed.Add(i, idOf(t), err)
		case failed != nil:
			good, places = append(good, t), append(places, i)
		}
	}
	switch {
	case failed == nil:
		return next.Enqueue(ctx, tasks)
	case len(good) == 0:
		return make([]Enqueued, len(tasks)), failed
	}
	answers, err := next.Enqueue(ctx, good)
	return spread(answers, err, good, places, len(tasks), failed)
}

func idOf(t *Task) string {
	if t == nil {
		return ""
	}
	return t.ID
}

// spread puts the answers and errors of a part of a batch of n at their indexes in the
// whole, beside the earlier failures.
func spread(answers []Enqueued, err error, part []*Task, places []int, n int, failed *BatchError) ([]Enqueued, error) {
	all := make([]Enqueued, n)
	scatter(all, failed, answers, err, part, places)
	return all, failed.Sorted()
}

// scatter writes the answers of a part of a batch into all, and its errors into
// failed.
func scatter(all []Enqueued, failed *BatchError, answers []Enqueued, err error, part []*Task, places []int) {
	var be *BatchError
	if err != nil && !errors.As(err, &be) {
		for j, i := range places {
			failed.Add(i, part[j].ID, err)
		}
		return
	}
	for j, a := range answers {
		all[places[j]] = a
	}
	if be != nil {
		for _, it := range be.Items {
			failed.Add(places[it.Index], it.ID, it.Err)
		}
	}
}

// dispatch sends tasks to their queues, one batch each.
func (m *Manager) dispatch(ctx context.Context, tasks []*Task) ([]Enqueued, error) {
	if oneQueue(tasks) {
		return m.send(ctx, tasks[0].Queue, tasks)
	}
	type part struct {
		tasks  []*Task
		places []int
	}
	var (
		failed BatchError
		all    = make([]Enqueued, len(tasks))
		order  []string
		parts  = make(map[string]*part)
	)
	for i, t := range tasks {
		p := parts[t.Queue]
		if p == nil {
			p = new(part)
			parts[t.Queue] = p
			order = append(order, t.Queue)
		}
		p.tasks, p.places = append(p.tasks, t), append(p.places, i)
	}
	for _, name := range order {
		p := parts[name]
		answers, err := m.send(ctx, name, p.tasks)
		scatter(all, &failed, answers, err, p.tasks, p.places)
	}
	return all, failed.Sorted()
}

func oneQueue(tasks []*Task) bool {
	for _, t := range tasks[1:] {
		if t.Queue != tasks[0].Queue {
			return false
		}
	}
	return true
}

// send checks what the queue can do with tasks, and hands them to its provider.
func (m *Manager) send(ctx context.Context, name string, tasks []*Task) ([]Enqueued, error) {
	q, err := m.queue(name)
	if err != nil {
		return nil, err
	}
	now := m.clock.Now()
	return enqueueValid(ctx, q, tasks, func(t *Task) error {
		if q.maxPayload > 0 && len(t.Payload) > q.maxPayload {
			return tooLarge(t, fmt.Sprintf("queue %q", name), q.maxPayload)
		}
		return q.can.Accepts(t, now)
	})
}

// enqueueOn hands tasks to a queue, and checks the number of its answers: with a wrong
// number no answer can be assigned to its task.
func enqueueOn(ctx context.Context, q driver.Queue, tasks []*Task) ([]Enqueued, error) {
	answers, err := q.Enqueue(ctx, tasks)
	if len(answers) == len(tasks) {
		return answers, err
	}
	var be *BatchError
	switch {
	case err != nil && !errors.As(err, &be):
		return nil, err
	case be != nil && len(be.Items) == len(tasks):
		return make([]Enqueued, len(tasks)), err
	}
	return nil, fmt.Errorf("taskgen: queue %q gave %d answers to %d tasks, which may have been enqueued", q.Config().Name, len(answers), len(tasks))
}
