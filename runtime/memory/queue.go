package memory

import (
	"context"
	"fmt"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A queue is one handle of a queueState.
type queue struct {
	*queueState
	provider    *Provider
	cfg         driver.QueueConfig
	redriveHook driver.Revival
	closed      bool // guarded by queueState.mu
	deletion    driver.Deletion
}

var (
	_ driver.Provider    = (*Provider)(nil)
	_ driver.Queue       = (*queue)(nil)
	_ driver.Browser     = (*queue)(nil)
	_ driver.Finder      = (*queue)(nil)
	_ driver.Canceller   = (*queue)(nil)
	_ driver.Rescheduler = (*queue)(nil)
	_ driver.Purger      = (*queue)(nil)
	_ driver.Pauser      = (*queue)(nil)
	_ driver.Reviver     = (*queue)(nil)
	_ driver.Discarder   = (*queue)(nil)
	_ driver.Deleter     = (*queue)(nil)
)

func (q *queue) Config() driver.QueueConfig { return q.cfg }

func (q *queue) Capabilities() driver.Capabilities {
	return driver.Capabilities{
		MaxDelay: driver.Unlimited, DelayHop: driver.Unlimited, MaxLease: driver.Unlimited, MaxPayload: driver.Unlimited,
		MaxBatch: driver.Unlimited, DedupWindow: driver.Unlimited, UniqueUntilDone: true,
		Ordered: q.kind == driver.FIFO, Priorities: len(q.lines),
		Fencing: true, ForgivesCrashes: true, CountsCrashes: true, ExactCrashes: true,
		RefusesIDs: true, KeepsReleased: true, FirstInFirstOut: true, FairGroups: true, FreeLeases: true, ConfirmsAcks: true,
		CountsScheduled: true, CountsLeased: true, CountsExpired: true, ExactReady: true, CountsOrigins: true, CountsAge: true,
		Granularity: driver.Exact, Unmetered: true,
		GathersEnqueues: true, // there is no round trip that gathering could save
		Lateness:        lateness,
		Browse:          true, Cancel: true, Reschedule: true, Purge: true, Pause: true,
		Redrive: q.dead != nil, Discard: q.dead != nil, Delete: q.dead != nil,
	}
}

// enter takes the lock and advances the queueState to the present. When it returns nil the
// caller must call leave.
func (q *queue) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("queue %q: %w", q.name, err)
	}
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return q.errClosed()
	}
	q.advance()
	return nil
}

func (q *queue) errClosed() error { return driver.QueueClosed(q.name) }

// Close closes this handle of the queue. Others of the same name stay open.
func (q *queue) Close() error {
	q.provider.mu.Lock()
	delete(q.provider.open, q)
	q.provider.mu.Unlock()
	q.closeHandle()
	return nil
}

// closeHandle wakes all waiters of q.
func (q *queue) closeHandle() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.wakeAllOf(q)
}
