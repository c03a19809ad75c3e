package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// A Manager holds the open queues and is the one way by which tasks get onto
// them. It is safe for use by many goroutines.
type Manager struct {
	cfg   ManagerConfig
	clock Clock
	entry Enqueuer // validation, middleware, dispatch

	mu     sync.RWMutex
	queues map[string]Queue
	order  []string // names in the order they were opened
	closed bool
}

// ManagerConfig configures a Manager. The zero value is ready to use.
type ManagerConfig struct {
	// Middleware wraps every enqueue; the first is the outermost.
	Middleware []EnqueueMiddleware
	// MaxPayload bounds the bytes of one payload, as it travels. 0: what the
	// queue's provider takes.
	MaxPayload int
	// Clock stamps new tasks. Nil: SystemClock.
	Clock Clock
}

// NewManager returns a manager without queues.
func NewManager(cfg ManagerConfig) *Manager {
	m := &Manager{cfg: cfg, clock: cfg.Clock, queues: make(map[string]Queue)}
	if m.clock == nil {
		m.clock = SystemClock
	}
	m.entry = m.Through(EnqueuerFunc(m.dispatch))
	return m
}

// Open opens queues of a provider: it creates or verifies each, and from then
// on the manager routes tasks to it by name. Where one fails the error names
// it, and those opened by this call are closed again.
func (m *Manager) Open(ctx context.Context, p Provider, configs ...QueueConfig) error {
	opened := make([]Queue, 0, len(configs))
	undo := func(err error) error {
		for _, q := range opened {
			err = errors.Join(err, q.Close())
		}
		return err
	}
	for _, cfg := range configs {
		q, err := p.Open(ctx, cfg)
		if err != nil {
			return undo(fmt.Errorf("open queue %q on %s: %w", cfg.Name, p.Name(), err))
		}
		opened = append(opened, q)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return undo(fmt.Errorf("open queues: %w", ErrClosed))
	}
	for _, q := range opened {
		if _, taken := m.queues[q.Config().Name]; taken {
			return undo(fmt.Errorf("%w %q: the manager has a queue of this name already", ErrInvalidQueue, q.Config().Name))
		}
	}
	for _, q := range opened {
		name := q.Config().Name
		m.queues[name] = q
		m.order = append(m.order, name)
	}
	return nil
}

// Queue returns an open queue by name, or an error wrapping ErrUnknownQueue
// that lists the open ones.
func (m *Manager) Queue(name string) (Queue, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if q, ok := m.queues[name]; ok {
		return q, nil
	}
	if m.closed {
		return nil, fmt.Errorf("queue %q: %w", name, ErrClosed)
	}
	return nil, fmt.Errorf("%w %q: open are %q", ErrUnknownQueue, name, m.order)
}

// Queues returns the names of the open queues, in the order they were opened.
func (m *Manager) Queues() []string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return slices.Clone(m.order)
}

// Now is the time on the manager's clock.
func (m *Manager) Now() time.Time { return m.clock.Now() }

// Enqueue enqueues tasks on the queues they name. It writes ID and CreatedAt into
// tasks that have none (so that a failed call can be repeated with the same
// IDs), validates, passes the middleware and hands over to the queues'
// providers, one batch for each queue. The answers stand in the order of the
// tasks; where some fail the error is a *BatchError, and the others are
// enqueued.
func (m *Manager) Enqueue(ctx context.Context, tasks []*Task) ([]Enqueued, error) {
	return m.entry.Enqueue(ctx, tasks)
}

// Through returns an enqueuer that takes the manager's path, validation and
// middleware, and ends in to instead of the manager's queues: for a provider's
// transaction.
func (m *Manager) Through(to Enqueuer) Enqueuer {
	for _, mw := range slices.Backward(m.cfg.Middleware) {
		to = mw(to)
	}
	return &entry{m: m, next: to}
}

// Close closes the manager's queues, not their providers. A second call does
// nothing.
func (m *Manager) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	var err error
	for _, name := range m.order {
		err = errors.Join(err, m.queues[name].Close())
	}
	m.queues, m.order = map[string]Queue{}, nil
	return err
}

// entry is where every task comes in.
type entry struct {
	m    *Manager
	next Enqueuer
}

// Now is the time on the manager's clock.
func (e *entry) Now() time.Time { return e.m.clock.Now() }

func (e *entry) Enqueue(ctx context.Context, tasks []*Task) ([]Enqueued, error) {
	if len(tasks) == 0 {
		return nil, nil
	}
	var failed BatchError
	now := e.m.clock.Now()
	good := tasks
	var places []int
	ids := newIDs(tasks)
	for i, t := range tasks {
		if t.ID == "" {
			t.ID = ids.next()
		}
		if t.CreatedAt.IsZero() {
			t.CreatedAt = now
		}
		err := t.Validate()
		if err != nil && places == nil {
			good, places = slices.Clone(tasks[:i]), make([]int, i, len(tasks))
			for j := range places {
				places[j] = j
			}
		}
		if err != nil {
			failed.Add(i, t.ID, err)
			continue
		}
		if places != nil {
			good, places = append(good, t), append(places, i)
		}
	}
	if places == nil {
		return e.next.Enqueue(ctx, tasks)
	}
	if len(good) == 0 {
		return make([]Enqueued, len(tasks)), failed.OrNil()
	}
	answers, err := e.next.Enqueue(ctx, good)
	return spread(answers, err, places, len(tasks), &failed)
}

// dispatch sends tasks to their queues, one batch each.
func (m *Manager) dispatch(ctx context.Context, tasks []*Task) ([]Enqueued, error) {
	if oneQueue(tasks) {
		return m.send(ctx, tasks[0].Queue, tasks)
	}
	var (
		failed  BatchError
		all     = make([]Enqueued, len(tasks))
		order   []string
		batches = make(map[string][]int)
	)
	for i, t := range tasks {
		if batches[t.Queue] == nil {
			order = append(order, t.Queue)
		}
		batches[t.Queue] = append(batches[t.Queue], i)
	}
	for _, name := range order {
		places := batches[name]
		batch := make([]*Task, len(places))
		for j, i := range places {
			batch[j] = tasks[i]
		}
		answers, err := m.send(ctx, name, batch)
		for j, i := range places {
			if e := ErrorAt(err, j); e != nil {
				failed.Add(i, tasks[i].ID, e)
			} else {
				all[i] = answers[j]
			}
		}
	}
	slices.SortFunc(failed.Items, func(a, b ItemError) int { return a.Index - b.Index })
	return all, failed.OrNil()
}

func oneQueue(tasks []*Task) bool {
	for _, t := range tasks[1:] {
		if t.Queue != tasks[0].Queue {
			return false
		}
	}
	return true
}

// send checks the payloads' size and hands one queue's tasks to its provider.
func (m *Manager) send(ctx context.Context, name string, tasks []*Task) ([]Enqueued, error) {
	q, err := m.Queue(name)
	if err != nil {
		return nil, err
	}
	limit := m.cfg.MaxPayload
	if own := q.Capabilities().MaxPayload; own != Unlimited && (limit == 0 || own < limit) {
		limit = own
	}
	if limit == 0 {
		return q.Enqueue(ctx, tasks)
	}
	var failed BatchError
	var good []*Task
	var places []int
	for i, t := range tasks {
		if len(t.Payload) > limit {
			failed.Add(i, t.ID, fmt.Errorf("%w: %d bytes, and queue %q takes %d: store the data elsewhere and send a reference, or add compression", ErrPayloadTooLarge, len(t.Payload), name, limit))
			continue
		}
		good, places = append(good, t), append(places, i)
	}
	switch {
	case len(failed.Items) == 0:
		return q.Enqueue(ctx, tasks)
	case len(good) == 0:
		return make([]Enqueued, len(tasks)), failed.OrNil()
	}
	answers, err := q.Enqueue(ctx, good)
	return spread(answers, err, places, len(tasks), &failed)
}
