package rabbitmq

import (
	"context"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// maxPayload is well below the 128 MiB that a broker takes by default: quorum queues keep
// several copies of each message on its way to the disk.
const maxPayload = 4 << 20

// lateness is what a due task needs from the gate to a worker, with a margin.
const lateness = 250 * time.Millisecond

// A queue is one open queue of a Provider.
type queue struct {
	p    *Provider
	st   *queueState
	cfg  driver.QueueConfig
	ctx  context.Context // ends when the queue is closed
	shut context.CancelFunc

	around   driver.Revival // of what Redrive moves
	deletion driver.Deletion
}

var _ interface {
	driver.Queue
	driver.Purger
	driver.Reviver
	driver.Discarder
	driver.Deleter
} = (*queue)(nil)

// Config implements [driver.Queue].
func (q *queue) Config() driver.QueueConfig { return q.cfg }

// Capabilities implements [driver.Queue].
func (q *queue) Capabilities() driver.Capabilities {
	return driver.Capabilities{
		MaxDelay:      driver.Unlimited,
		DelayHop:      driver.Unlimited,
		MaxLease:      q.p.maxLease,
		MaxPayload:    maxPayload,
		MaxBatch:      maxDraw,
		KeepsReleased: true, CountsLeased: true,
		Ordered:         q.cfg.Type == driver.FIFO,
		Priorities:      q.cfg.Levels,
		Durable:         true,
		ForgivesCrashes: true, FairGroups: true, CountsExpired: true,
		CountsCrashes: !q.st.isDLQ,
		// A process receives from the partitions of a fifo queue ahead of its workers.
		ExactCrashes: q.cfg.Type != driver.FIFO,
		Granularity:  driver.Exact,
		Unmetered:    true,
		Lateness:     lateness,
		Purge:        true,
		Redrive:      !q.st.isDLQ, Discard: !q.st.isDLQ, Delete: !q.st.isDLQ,
	}
}

// Close implements [driver.Queue].
func (q *queue) Close() error {
	q.shut()
	q.p.mu.Lock()
	defer q.p.mu.Unlock()
	delete(q.p.queues, q)
	return nil
}

// open returns an error when the queue is closed.
func (q *queue) open() error {
	if q.ctx.Err() != nil {
		return driver.QueueClosed(q.cfg.Name)
	}
	return nil
}

// bound is a context that ends with ctx and when the queue is closed.
func (q *queue) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(q.ctx, func() { cancel(q.open()) })
	return ctx, func() { stop(); cancel(nil) }
}
