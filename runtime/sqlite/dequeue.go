package sqlite

import (
	"context"
	"errors"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

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
		w := &waiter{owner: q, queue: q.id, limit: min(limit, maxTxTasks), lease: lease, done: make(chan error, 1)}
		if err := q.p.writer.awaitTasks(ctx, w); err != nil {
			return nil, err
		}
		if ds, err := q.deliver(ctx, w); err != nil || len(ds) > 0 {
			return ds, err
		}
	}
}

// deliver decodes the rows that a waiter got. Rows that cannot be decoded go to the
// dead letter queue.
func (q *queue) deliver(ctx context.Context, w *waiter) ([]*driver.Delivery, error) {
	var (
		backing = make([]driver.Delivery, 0, len(w.got))
		ds      = make([]*driver.Delivery, 0, len(w.got))
		text    = make([]byte, 0, 16*len(w.got))
		ends    = make([]int, 0, len(w.got))
		until   = time.Unix(0, w.until)

		failed error
	)
	for _, g := range w.got {
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
