package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/taskgen/taskgen/internal/deliveries"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/internal/observed"
	"github.com/taskgen/taskgen/runtime/observe"
)

// An openQueue is a queue with what the manager needs to enqueue on it.
type openQueue struct {
	driver.Queue
	caps       driver.Capabilities
	observed   deliveries.Queue // the queue, with calls that are observed
	maxPayload int              // bytes that the provider accepts, or driver.Unlimited
	coalescer  *coalescer       // nil if the provider gathers enqueues itself
}

func (m *Manager) wrap(p Provider, q driver.Queue) *openQueue {
	caps := q.Capabilities()
	o := &openQueue{Queue: q, caps: caps, maxPayload: caps.MaxPayload}
	o.observed.Listener = m.listener
	if m.listener != nil {
		o.observed.As = &observe.Queue{Name: q.Config().Name, Provider: p.Name(), Types: slices.Clone(q.Config().Types), Driver: q}
	}
	o.observed.Queue = observed.Queue(q, o.observed.As, m.listener)
	if !caps.GathersEnqueues {
		o.coalescer = newCoalescer(o.observed.Queue, m.cfg.Linger, m.clock)
	}
	return o
}

// Enqueue coalesces calls if the provider does not.
func (q *openQueue) Enqueue(ctx context.Context, tasks []*Task) ([]Enqueued, error) {
	if q.coalescer != nil {
		return q.coalescer.enqueue(ctx, tasks)
	}
	return enqueueOn(ctx, q.observed.Queue, tasks)
}

// Close closes the queue and waits for its shared batches.
func (q *openQueue) Close() error {
	if q.coalescer != nil {
		return q.coalescer.close()
	}
	return q.Queue.Close()
}

// dispatch sends tasks to their queues, one batch each.
func (m *Manager) dispatch(ctx context.Context, tasks []*Task) ([]Enqueued, error) {
	if oneQueue(tasks) {
		return m.send(ctx, tasks[0].Queue, tasks)
	}
	type part struct {
		tasks   []*Task
		indexes []int
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
		p.tasks, p.indexes = append(p.tasks, t), append(p.indexes, i)
	}
	for _, name := range order {
		p := parts[name]
		answers, err := m.send(ctx, name, p.tasks)
		scatter(all, &failed, answers, err, p.tasks, p.indexes)
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
		if q.maxPayload != driver.Unlimited && len(t.Payload) > q.maxPayload {
			return tooLarge(t, fmt.Sprintf("queue %q", name), q.maxPayload)
		}
		return q.caps.Accepts(t, now)
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
	return nil, fmt.Errorf("%w: queue %q gave %d answers to %d tasks, which may have been enqueued", driver.ErrUnavailable, q.Config().Name, len(answers), len(tasks))
}
