package sqlite

import (
	"context"
	"math"

	"github.com/taskgen/taskgen/runtime/driver"
)

const (
	// One row by its key.
	sqlQueueHas  = `SELECT dlq FROM taskgen_queue WHERE id = ?`
	sqlQueueDrop = `DELETE FROM taskgen_queue WHERE id = ?`
	// A range of the index of ids.
	sqlJobsOf = `SELECT seq FROM taskgen_job WHERE queue = ? LIMIT +?`
	// A range of the keys of one queue.
	sqlUniqueOf = `DELETE FROM taskgen_unique WHERE (queue, key) IN (SELECT queue, key FROM taskgen_unique WHERE queue = ? LIMIT +?)`
	// A range of the keys of one queue, which are none but after a crash.
	sqlGroupsOf = `DELETE FROM taskgen_group WHERE queue = ?`
	// One row by the index of dead letter queues.
	sqlQueueNamed = `SELECT id FROM taskgen_queue WHERE dlq > 0 AND dlq = ? LIMIT 1`
	// A range of the index of ids, to the first row that died on a queue.
	sqlLetterOf = `SELECT seq FROM taskgen_job WHERE queue = ? AND origin > 0 LIMIT 1`
	// One seek.
	sqlQueueLast = `SELECT max(id) FROM taskgen_queue`
	// One row by the index of names. A queue has a name.
	sqlNamelessDrop = `DELETE FROM taskgen_queue WHERE name = ''`
)

// Delete implements [driver.Deleter]. It works in transactions of 1000 tasks, so that others
// can proceed. In other processes the queue is an error wrapping driver.ErrUnknownQueue from
// then on. A dead letter queue that also has tasks which died on other queues stays.
func (q *queue) Delete(ctx context.Context) error {
	if q.isDLQ {
		return driver.NoDelete(q.cfg.Name)
	}
	return q.deletion.Run(ctx, q.open, func() { q.p.closeQueues(q.id) }, q.remove)
}

// closeQueues closes the handles of a queue.
func (p *Provider) closeQueues(id int64) {
	p.mu.Lock()
	var open []*queue
	for _, qs := range p.queues {
		for _, q := range qs {
			if q.id == id {
				open = append(open, q)
			}
		}
	}
	p.mu.Unlock()
	for _, q := range open {
		_ = q.Close()
	}
}

func (q *queue) remove(ctx context.Context) error {
	dlq, err := q.p.removeQueue(ctx, q.id, func(*tx) bool { return true })
	if err != nil || dlq == 0 {
		return err
	}
	own := false
	_, err = q.p.removeQueue(ctx, dlq, func(t *tx) bool {
		own = len(t.seqs(sqlQueueNamed, dlq)) == 0 && len(t.seqs(sqlLetterOf, dlq)) == 0
		return own
	})
	if own {
		q.p.closeQueues(dlq)
	}
	return err
}

// removeQueue deletes the rows of a queue and of what died on it, and returns its dead
// letter queue; 0 if there was no such queue. Each transaction begins with may, and
// removeQueue ends where that is false.
func (p *Provider) removeQueue(ctx context.Context, id int64, may func(*tx) bool) (dlq int64, err error) {
	for more := true; more && err == nil; {
		err = p.writer.do(ctx, maxTxTasks, func(t *tx) {
			more = false
			if has := t.seqs(sqlQueueHas, id); len(has) > 0 && may(t) {
				dlq = has[0]
				if more = t.dropSome(id); !more {
					t.dropQueue(id)
				}
			}
		})
	}
	return dlq, err
}

// dropSome deletes some rows of a queue, and reports whether there may be more.
func (t *tx) dropSome(id int64) bool {
	seqs := t.seqs(sqlDeadAll, id, 0, math.MaxInt64, maxTxTasks)
	if len(seqs) == 0 {
		seqs = t.seqs(sqlJobsOf, id, maxTxTasks)
	}
	for _, seq := range seqs {
		j, ok := t.job(seq)
		if !ok {
			continue
		}
		s := t.state(j.queue)
		if t.exec(sqlLeaseEnd, seq) > 0 {
			s.leased--
		} else {
			t.takeOut(s, j)
		}
		t.detach(j)
		t.exec(sqlJobDrop, seq)
		t.passTurn(s, j.grp)
	}
	return len(seqs) > 0 || t.exec(sqlUniqueOf, id, maxTxTasks) > 0
}

// dropQueue deletes the row of a queue without tasks. A process that does not know of it
// knows the queue by its number, which must not become another queue's. SQLite gives a new
// row the number after the highest there is, so a row without a name keeps the place of the
// highest.
func (t *tx) dropQueue(id int64) {
	t.exec(sqlGroupsOf, id)
	if last := t.seqs(sqlQueueLast); len(last) > 0 && last[0] == id {
		t.exec(sqlNamelessDrop)
		t.newQueue("", driver.Standard)
	}
	t.exec(sqlQueueDrop, id)
}
