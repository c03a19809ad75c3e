package runtime

import (
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/observe"
)

// queueForPool is an open queue, and as listeners see it.
func (m *Manager) queueForPool(name string) (driver.Queue, *observe.Queue, error) {
	q, err := m.queue(name)
	if err != nil {
		return nil, nil, err
	}
	return q.Queue, q.as, nil
}

// observed is an open queue as listeners see it; nil if there is none of the name.
func (m *Manager) observed(name string) *observe.Queue {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if q := m.queues[name]; q != nil {
		return q.as
	}
	return nil
}

func (m *Manager) tellOpened(queues []*openQueue) {
	if m.listener == nil || m.listener.QueueOpened == nil {
		return
	}
	for _, q := range queues {
		m.listener.QueueOpened(q.as)
	}
}

func (m *Manager) tellClosed(q *openQueue) {
	if m.listener != nil && m.listener.QueueClosed != nil {
		m.listener.QueueClosed(q.as)
	}
}
