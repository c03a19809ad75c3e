package runtime

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A broker is a queue far away: each Enqueue is a round trip that takes a while,
// and the test says how it ends. Only Enqueue and Close are there to be called.
type broker struct {
	driver.Queue
	cfg  QueueConfig
	caps driver.Capabilities
	trip time.Duration
	// answer ends a round trip; nil: all is well.
	answer func(ctx context.Context, tasks []*Task) ([]Enqueued, error)

	mu      sync.Mutex
	batches [][]string // the IDs of each round trip
	closed  chan struct{}
}

func newBroker(batch int) *broker {
	return &broker{
		cfg: QueueConfig{Name: "q"}, caps: able(batch), trip: time.Millisecond,
		closed: make(chan struct{}),
	}
}

// able says that a queue can do all that a task may ask for.
func able(batch int) driver.Capabilities {
	return driver.Capabilities{
		MaxDelay: driver.Unlimited, MaxLease: driver.Unlimited, MaxPayload: driver.Unlimited, MaxBatch: batch, DedupWindow: driver.Unlimited, UniqueUntilDone: true, Unmetered: true,
	}
}

func (b *broker) Config() QueueConfig               { return b.cfg }
func (b *broker) Capabilities() driver.Capabilities { return b.caps }

func (b *broker) Close() error {
	select {
	case <-b.closed:
	default:
		close(b.closed)
	}
	return nil
}

func (b *broker) Enqueue(ctx context.Context, tasks []*Task) ([]Enqueued, error) {
	ids := make([]string, len(tasks))
	for i, t := range tasks {
		ids[i] = t.ID
	}
	b.mu.Lock()
	b.batches = append(b.batches, ids)
	b.mu.Unlock()
	select {
	case <-time.After(b.trip):
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-b.closed:
		return nil, ErrClosed
	}
	if b.answer != nil {
		return b.answer(ctx, tasks)
	}
	return acknowledge(tasks), nil
}

func acknowledge(tasks []*Task) []Enqueued {
	answers := make([]Enqueued, len(tasks))
	for i, t := range tasks {
		answers[i] = Enqueued{ID: t.ID, Queue: t.Queue}
	}
	return answers
}

func (b *broker) trips() [][]string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([][]string(nil), b.batches...)
}

// brokers is a provider of prepared queues.
type brokers map[string]driver.Queue

func (p brokers) Name() string { return "brokers" }
func (p brokers) Close() error { return nil }
func (p brokers) Open(_ context.Context, cfg QueueConfig) (driver.Queue, error) {
	if q, ok := p[cfg.Name]; ok {
		return q, nil
	}
	return nil, fmt.Errorf("%w: no such thing", ErrUnsupported)
}

func managerOf(t testing.TB, cfg ManagerConfig, queues ...*broker) *Manager {
	t.Helper()
	m := NewManager(cfg)
	p := brokers{}
	for _, q := range queues {
		p[q.cfg.Name] = q
		require.NoError(t, m.Open(context.Background(), p, q.cfg))
	}
	return m
}

func someTasks(ids ...string) []*Task {
	tasks := make([]*Task, len(ids))
	for i, id := range ids {
		tasks[i] = &Task{ID: id, Type: "t", Queue: "q", Payload: []byte("1")}
	}
	return tasks
}

// An enqueueCall is an Enqueue in a goroutine of its own.
type enqueueCall struct {
	answers []Enqueued
	err     error
	done    chan struct{}
}

func enqueueLater(ctx context.Context, m *Manager, ids ...string) *enqueueCall {
	c := &enqueueCall{done: make(chan struct{})}
	go func() {
		defer close(c.done)
		c.answers, c.err = m.Enqueue(ctx, someTasks(ids...))
	}()
	synctest.Wait()
	return c
}

func (c *enqueueCall) requireIDs(t *testing.T, ids ...string) {
	t.Helper()
	<-c.done
	require.NoError(t, c.err)
	require.Len(t, c.answers, len(ids))
	for i, id := range ids {
		require.Equal(t, id, c.answers[i].ID)
	}
}
