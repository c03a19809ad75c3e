package sqlite

import (
	"context"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

const (
	// One row by its key.
	sqlCounters = `SELECT ready, scheduled, leased, dead, type = 'fifo' FROM taskgen_queue WHERE id = ?`
	// Two seeks, whatever the number of tasks: is there anything to promote or reap?
	sqlPromotionDue = `SELECT EXISTS (SELECT 1 FROM taskgen_delayed WHERE queue = ?1 AND due <= ?2)
		OR EXISTS (SELECT 1 FROM taskgen_lease INDEXED BY taskgen_lease_until WHERE queue = ?1 AND until <= ?2)`
	// The head of one level of the line: two seeks.
	sqlReadyOldest = `SELECT j.due FROM taskgen_ready r CROSS JOIN taskgen_job j ON j.seq = r.seq
		WHERE r.queue = ? AND r.level = ? ORDER BY r.place LIMIT 1`
	// The head of the index of due times: one seek.
	sqlLineOldest = `SELECT min(due) FROM taskgen_line WHERE queue = ?`
)

// Stats implements [driver.Queue]. It reads the counters that every transaction
// maintains, and the head of each level.
func (q *queue) Stats(ctx context.Context) (driver.Stats, error) {
	if err := q.promoteDue(ctx); err != nil {
		return driver.Stats{}, err
	}
	var st driver.Stats
	now := q.p.clock.Now().UnixNano()
	err := q.p.reader.do(ctx, now, func(t *tx) {
		r := t.query(sqlCounters, q.id)
		if !r.next() {
			t.fail(errGone)
			return
		}
		st = driver.Stats{Ready: r.int(0), Scheduled: r.int(1), Leased: r.int(2), Dead: r.int(3)}
		fifo := r.int(4) != 0
		r.done()
		oldest := now
		for level := range q.cfg.Levels {
			if fifo {
				r = t.query(sqlLineOldest, q.id)
			} else {
				r = t.query(sqlReadyOldest, q.id, int64(level))
			}
			if r.next() && !r.null(0) {
				oldest = min(oldest, r.int(0))
			}
			r.done()
		}
		st.OldestAge = time.Duration(now - oldest)
	})
	return st, err
}

// promoteDue ensures that due tasks and tasks with expired leases count as ready. Where
// waiters wait that is already done.
func (q *queue) promoteDue(ctx context.Context) error {
	for {
		if err := q.open(); err != nil {
			return err
		}
		pending := false
		now := q.p.clock.Now().UnixNano()
		err := q.p.reader.do(ctx, now, func(t *tx) {
			r := t.query(sqlPromotionDue, q.id, now)
			pending = r.next() && r.int(0) != 0
			r.done()
		})
		if err != nil || !pending {
			return err
		}
		if err := q.p.writer.do(ctx, 1, func(t *tx) { t.state(q.id) }); err != nil {
			return err
		}
	}
}
