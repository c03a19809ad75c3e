package sqlite

import (
	"context"
	"slices"
	"sort"
	"sync/atomic"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A queue is one open queue of a Provider.
type queue struct {
	p           *Provider
	id          int64
	cfg         driver.QueueConfig
	isDLQ       bool // it was a dead letter queue of some queue when it was opened
	closed      atomic.Bool
	redriveHook driver.Revival // of what Redrive moves
	deletion    driver.Deletion
}

var _ interface {
	driver.Queue
	driver.Browser
	driver.Finder
	driver.Canceller
	driver.Rescheduler
	driver.Purger
	driver.Pauser
	driver.Reviver
	driver.Discarder
	driver.Deleter
} = (*queue)(nil)

// Config implements [driver.Queue].
func (q *queue) Config() driver.QueueConfig { return q.cfg }

// Capabilities implements [driver.Queue].
func (q *queue) Capabilities() driver.Capabilities {
	return driver.Capabilities{
		MaxDelay:        driver.Unlimited,
		DelayHop:        driver.Unlimited,
		MaxLease:        driver.Unlimited,
		MaxPayload:      maxPayload,
		MaxBatch:        maxTxTasks,
		DedupWindow:     driver.Unlimited,
		UniqueUntilDone: true,
		Ordered:         q.cfg.Type == driver.FIFO,
		Priorities:      q.cfg.Levels,
		Durable:         true,
		Fencing:         true,
		ForgivesCrashes: true,
		CountsCrashes:   true,
		ExactCrashes:    true,
		RefusesIDs:      true,
		KeepsReleased:   true,
		FirstInFirstOut: true,
		FairGroups:      true,
		FreeLeases:      true,
		ConfirmsAcks:    true,
		CountsScheduled: true,
		CountsLeased:    true,
		CountsExpired:   true,
		ExactReady:      true,
		CountsOrigins:   true,
		CountsAge:       true,
		Granularity:     driver.Exact,
		Unmetered:       true,
		GathersEnqueues: true,
		Lateness:        q.p.watcher.lateness(),
		Browse:          true, Cancel: true, Reschedule: true, Purge: true, Pause: true,
		Redrive: !q.isDLQ, Discard: !q.isDLQ, Delete: !q.isDLQ, Transactions: true,
	}
}

// Close implements [driver.Queue].
func (q *queue) Close() error {
	if q.closed.Swap(true) {
		return nil
	}
	q.p.waitQueues.evict(q.errClosed(), func(w *waiter) bool { return w.owner == q })
	q.p.mu.Lock()
	defer q.p.mu.Unlock()
	name := q.cfg.Name
	q.p.queues[name] = slices.DeleteFunc(q.p.queues[name], func(o *queue) bool { return o == q })
	return nil
}

func (q *queue) errClosed() error { return driver.QueueClosed(q.cfg.Name) }

// open returns an error when the queue is closed.
func (q *queue) open() error {
	if q.closed.Load() {
		return q.errClosed()
	}
	return nil
}

// A part is one of the transactions of a batch: where it ends, and its error, nil if it
// was committed.
type part struct {
	end int
	err error
}

type parts []part

// of returns the error of the transaction that the item at index i was in.
func (p parts) of(i int) error {
	return p[sort.Search(len(p), func(k int) bool { return i < p[k].end })].err
}

// inTransactions runs f over n items in transactions of at most maxTxTasks items, or of
// maxTxBytes if size is set. If there is only one transaction and it fails, its error is
// that of the whole batch. do is a method of the writer.
func (q *queue) inTransactions(ctx context.Context, n int, size func(i int) int, do func(context.Context, int, func(*tx)) error, f func(t *tx, from, to int)) (parts, error) {
	var all parts
	for from, to := 0, 0; from < n; from = to {
		for bytes := 0; to < min(from+maxTxTasks, n); to++ {
			if size != nil {
				if bytes += size(to); to > from && bytes > maxTxBytes {
					break
				}
			}
		}
		all = append(all, part{to, do(ctx, to-from, func(t *tx) { f(t, from, to) })})
	}
	if len(all) == 1 && all[0].err != nil {
		return nil, all[0].err
	}
	return all, nil
}

func idOf(d *driver.Delivery) string {
	if d.Task == nil {
		return ""
	}
	return d.Task.ID
}
