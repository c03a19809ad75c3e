package runtime

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/taskgen/taskgen/runtime/driver"
)

// Delete deletes an open queue for good: its tasks, its dead tasks, and its dead letter
// queue unless other queues have it, as [driver.Deleter] says. The manager then forgets the
// queues that are gone. They can be opened again and are empty. Stop the pools and producers
// that use the queue first, in all processes: those of this process get ErrClosed from then on.
//
// The error wraps ErrUnknownQueue if no queue of this name is open, and ErrUnsupported if
// its provider cannot delete it, or if it is the dead letter queue of another: the queue is
// as it was then. After any other error the queue may be closed, and deleted in part: call
// Delete again.
func (m *Manager) Delete(ctx context.Context, queue string) error {
	select {
	case m.opening <- struct{}{}: // an Open must not get a queue that is half gone
		defer func() { <-m.opening }()
	case <-ctx.Done():
		return fmt.Errorf("delete queue %q: %w", queue, context.Cause(ctx))
	}
	q, err := m.queue(queue)
	if err != nil {
		return err
	}
	d, ok := q.Queue.(driver.Deleter)
	if !ok {
		return fmt.Errorf("delete queue %q: %w by its provider", queue, ErrUnsupported)
	}
	if err := d.Delete(ctx); err != nil {
		return fmt.Errorf("delete queue %q: %w", queue, err)
	}
	err = m.forget(queue, q)
	name := q.Config().DLQ
	if dead, missing := m.queue(name); missing == nil {
		// It is closed if it was deleted with the queue. Whether it was is the provider's to say.
		if _, gone := dead.Stats(ctx); errors.Is(gone, ErrClosed) {
			err = errors.Join(err, m.forget(name, dead))
		}
	}
	return err
}

// forget closes an open queue that has been deleted, and frees its name.
func (m *Manager) forget(name string, q *openQueue) error {
	m.mu.Lock()
	ours := m.queues[name] == q // or else the manager was closed meanwhile
	if ours {
		delete(m.queues, name)
		m.order = slices.DeleteFunc(m.order, func(n string) bool { return n == name })
		m.topology = maps.Clone(m.topology)
		delete(m.topology, name)
	}
	m.mu.Unlock()
	if ours {
		m.tellClosed(q)
	}
	return q.Close()
}
