package sqlite

import (
	"context"
	"errors"
	"slices"
	"sort"
	"sync/atomic"
	"time"

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
} = (*queue)(nil)

// Config implements [driver.Queue].
func (q *queue) Config() driver.QueueConfig { return q.cfg }

// Capabilities implements [driver.Queue].
func (q *queue) Capabilities() driver.Capabilities {
	return driver.Capabilities{
		MaxDelay:        driver.Unlimited,
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
		GathersEnqueues: true,
		Lateness:        q.p.watcher.lateness(),
		Browse:          true, Cancel: true, Reschedule: true, Purge: true, Pause: true,
		Redrive: !q.isDLQ, Discard: !q.isDLQ, Transactions: true,
	}
}

// Close implements [driver.Queue].
func (q *queue) Close() error {
	if q.closed.Swap(true) {
		return nil
	}
	q.p.waitQueues.evict(q.errClosed(), func(c *consumer) bool { return c.owner == q })
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

// Dequeue implements [driver.Queue]. It waits until ctx ends, however long that is.
// With a context that has already ended it takes the ready tasks and does not wait. It
// returns at most 32 MB of tasks, and at least one.
func (q *queue) Dequeue(ctx context.Context, limit int, lease time.Duration) ([]*driver.Delivery, error) {
	if err := driver.CheckDequeue(q.cfg.Name, limit, lease); err != nil {
		return nil, err
	}
	for {
		if err := q.open(); err != nil {
			return nil, err
		}
		c := &consumer{owner: q, queue: q.id, limit: min(limit, maxTxTasks), lease: lease, done: make(chan error, 1)}
		if err := q.p.writer.consume(ctx, c); err != nil {
			return nil, err
		}
		if ds, err := q.deliver(ctx, c); err != nil || len(ds) > 0 {
			return ds, err
		}
	}
}

// deliver decodes the rows that a consumer got. Rows that cannot be decoded go to the
// dead letter queue.
func (q *queue) deliver(ctx context.Context, c *consumer) ([]*driver.Delivery, error) {
	var (
		backing = make([]driver.Delivery, 0, len(c.got))
		ds      = make([]*driver.Delivery, 0, len(c.got))
		text    = make([]byte, 0, 16*len(c.got))
		ends    = make([]int, 0, len(c.got))
		until   = time.Unix(0, c.until)

		failed error
	)
	for _, g := range c.got {
		task, err := driver.DecodeEnvelope(g.envelope)
		if err != nil {
			if task, err = q.buryUndecodable(ctx, g, err); task == nil {
				// Buried, or else it comes back when its lease ends.
				failed = errors.Join(failed, err)
				continue
			}
		}
		text = g.appendTo(text)
		ends = append(ends, len(text))
		backing = append(backing, driver.Delivery{Task: task, LeaseUntil: until, Crashes: int(g.crashes)})
		ds = append(ds, &backing[len(backing)-1])
	}
	if len(ds) == 0 {
		return nil, failed
	}
	// The receipts share one string.
	receipts, start := string(text), 0
	for i, d := range ds {
		d.Receipt = driver.Receipt(receipts[start:ends[i]])
		start = ends[i]
	}
	return ds, nil
}

// buryUndecodable buries a leased row that cannot be decoded. On a dead letter queue it
// returns the task that now represents the row, elsewhere nil.
func (q *queue) buryUndecodable(ctx context.Context, g claimed, cause error) (task *driver.Task, err error) {
	var buried *driver.Task
	err = q.p.writer.do(context.Background(), 1, func(t *tx) {
		task, buried = nil, nil
		s := t.state(q.id)
		j, ok := t.job(g.seq)
		if !ok {
			return
		}
		substitute := driver.Undecodable(j.id, q.cfg.Name, g.envelope, time.Unix(0, t.now), cause)
		envelope := driver.AppendEnvelope(nil, substitute)
		if !s.isDLQ {
			if t.bury(s, g.receipt, envelope) {
				buried = substitute
			}
			return
		}
		t.rewrite(g.seq, envelope)
		task = substitute
	})
	if err == nil && buried != nil {
		driver.Buried(ctx, buried)
	}
	return task, err
}
