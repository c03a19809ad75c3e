package runtime

import (
	"context"

	"github.com/taskgen/taskgen/internal/deliveries"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/observe"
)

// For workers that have tasks by package server, listeners hear what they hear of pools, and the
// hooks for dead tasks are called.
func init() {
	deliveries.Of = func(manager any, queue string) (*deliveries.Queue, error) {
		q, err := manager.(*Manager).queue(queue)
		if err != nil {
			return nil, err
		}
		return &q.observed, nil
	}
	deliveries.Bury = func(ctx context.Context, manager any, d *driver.Delivery, cause error) error {
		return manager.(*Manager).deadHooks.call(ctx, d, cause)
	}
	deliveries.ListenerOf = func(manager any) *observe.Listener { return manager.(*Manager).listener }
}

// queueForPool is an open queue, and as listeners see it.
func (m *Manager) queueForPool(name string) (driver.Queue, *observe.Queue, error) {
	q, err := m.queue(name)
	if err != nil {
		return nil, nil, err
	}
	return q.Queue, q.observed.As, nil
}

// observed is an open queue as listeners see it; nil if there is none of the name.
func (m *Manager) observed(name string) *observe.Queue {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if q := m.queues[name]; q != nil {
		return q.observed.As
	}
	return nil
}

func (m *Manager) tellOpened(queues []*openQueue) {
	if m.listener == nil || m.listener.QueueOpened == nil {
		return
	}
	for _, q := range queues {
		m.listener.QueueOpened(q.observed.As)
	}
}

func (m *Manager) tellClosed(q *openQueue) {
	if m.listener != nil && m.listener.QueueClosed != nil {
		m.listener.QueueClosed(q.observed.As)
	}
}
