package memory

import (
	"context"
	"fmt"

	"github.com/taskgen/taskgen/runtime"
)

// A queue is one opening of a store.
type queue struct {
	*store
	provider *Provider
	cfg      runtime.QueueConfig
	around   runtime.Revival
	closed   bool // guarded by store.mu
}

var (
	_ runtime.Provider    = (*Provider)(nil)
	_ runtime.Queue       = (*queue)(nil)
	_ runtime.Browser     = (*queue)(nil)
	_ runtime.Finder      = (*queue)(nil)
	_ runtime.Canceller   = (*queue)(nil)
	_ runtime.Rescheduler = (*queue)(nil)
	_ runtime.Purger      = (*queue)(nil)
	_ runtime.Pauser      = (*queue)(nil)
	_ runtime.Reviver     = (*queue)(nil)
	_ runtime.Discarder   = (*queue)(nil)
)

func (q *queue) Config() runtime.QueueConfig { return q.cfg }

func (q *queue) Capabilities() runtime.Capabilities {
	return runtime.Capabilities{
		MaxDelay: runtime.Unlimited, MaxLease: runtime.Unlimited, MaxPayload: runtime.Unlimited,
		MaxBatch: runtime.Unlimited, DedupWindow: runtime.Unlimited, UniqueUntilDone: true,
		Ordered: q.kind == runtime.FIFO, Priorities: len(q.lines),
		Fencing: true, CountsCrashes: true,
		RefusesIDs: true, KeepsReleased: true, FirstInFirstOut: true, FreeLeases: true, ConfirmsAcks: true,
		CountsScheduled: true, CountsLeased: true, ExactReady: true, CountsOrigins: true, CountsAge: true,
		GathersEnqueues: true, // there is no round trip that gathering could save
		Lateness:        lateness,
		Browse:          true, Cancel: true, Reschedule: true, Purge: true, Pause: true,
		Redrive: q.dead != nil, Discard: q.dead != nil,
	}
}

// enter takes the lock and brings the store up to the present. When it returns
// nil the caller must call leave.
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

func (q *queue) errClosed() error { return fmt.Errorf("queue %q: %w", q.name, runtime.ErrClosed) }

func (q *queue) Stats(ctx context.Context) (runtime.Stats, error) {
	if err := q.enter(ctx); err != nil {
		return runtime.Stats{}, err
	}
	defer q.leave()
	stats := runtime.Stats{
		Ready: int64(q.ready), Scheduled: int64(q.scheduled.n), Leased: int64(q.leased.n),
		OldestAge: q.oldestAge(),
	}
	if q.dead != nil {
		q.dead.mu.Lock()
		defer q.dead.mu.Unlock()
		stats.Dead = int64(q.dead.buried(q.name))
	}
	return stats, nil
}

// Close closes this opening of the queue. Others of the same name stay open.
func (q *queue) Close() error {
	q.provider.mu.Lock()
	delete(q.provider.open, q)
	q.provider.mu.Unlock()
	q.shut()
	return nil
}

// shut wakes everybody who waits on q.
func (q *queue) shut() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.dismiss(q)
}
