package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

const (
	// One row by its key and its index entry: this detects a stale receipt.
	sqlLeaseTake = `DELETE FROM taskgen_lease WHERE seq = ? AND token = ? AND queue = ?`
	// One row by its key; its index entry moves.
	sqlLeaseExtend = `UPDATE taskgen_lease SET until = ?4 WHERE seq = ?1 AND token = ?2 AND queue = ?3`
	// One row by its key and its index entries.
	sqlJobDrop = `DELETE FROM taskgen_job WHERE seq = ?`
	// One row by its key; no index changes.
	sqlJobRelease = `UPDATE taskgen_job SET place = ?2, due = ?3, begun = 1, envelope = ?4 WHERE seq = ?1`
	// One row by its key and its index entry, and then one in place.
	sqlEndedTake  = `DELETE FROM taskgen_ended WHERE seq = ? AND token = ?`
	sqlJobUncrash = `UPDATE taskgen_job SET crashes = crashes - 1 WHERE seq = ?1 AND queue = ?2 AND crashes > 0 AND id = ?3`
	// One row by its key; no index changes.
	sqlJobRewrite = `UPDATE taskgen_job SET envelope = ?2 WHERE seq = ?1`
)

// Complete implements [driver.Queue].
func (q *queue) Complete(ctx context.Context, ds []*driver.Delivery) error {
	return q.settle(ctx, ds, nil, func(t *tx, s *state, _ int, r receipt) bool {
		if !t.take(s, r) {
			return false
		}
		if r.bound {
			if j, ok := t.job(r.seq); ok {
				t.detach(j)
				t.passTurn(s, j.grp)
			}
		}
		t.exec(sqlJobDrop, r.seq)
		return true
	})
}

// Extend implements [driver.Queue].
func (q *queue) Extend(ctx context.Context, ds []*driver.Delivery, lease time.Duration) error {
	if err := driver.CheckExtend(q.cfg.Name, lease); err != nil {
		return err
	}
	ends := make([]int64, len(ds))
	err := q.settle(ctx, ds, nil, func(t *tx, s *state, i int, r receipt) bool {
		ends[i] = after(t.now, lease)
		return t.exec(sqlLeaseExtend, r.seq, r.token, s.id, ends[i]) > 0
	})
	for i, d := range ds {
		if driver.ErrorAt(err, i) == nil {
			d.LeaseUntil = time.Unix(0, ends[i])
		}
	}
	return err
}

// Release implements [driver.Queue]. A task without a delay goes to the end of the line,
// on a fifo queue to the head of its group. If the lease is over, Release takes back the
// crash that its end was counted as, for up to an hour.
func (q *queue) Release(ctx context.Context, ds []*driver.Delivery) error {
	envelopes := make([][]byte, len(ds))
	dues := make([]int64, len(ds)) // 0: at once
	for i, d := range ds {
		task := *d.Task
		if d.Delay > 0 {
			dues[i] = after(q.p.clock.Now().UnixNano(), d.Delay)
			task.ScheduledFor = time.Unix(0, dues[i])
		}
		envelopes[i] = driver.AppendEnvelope(nil, &task)
	}
	return q.settle(ctx, ds, envelopes, func(t *tx, s *state, i int, r receipt) bool {
		if !t.take(s, r) {
			t.uncrash(s, r, ds[i].Task.ID)
			return false
		}
		if j, ok := t.job(r.seq); ok {
			t.release(s, j, dues[i], envelopes[i])
		}
		return true
	})
}

// uncrash takes back the crash that the end of a lease was counted as, once.
func (t *tx) uncrash(s *state, r receipt, id string) {
	if t.exec(sqlEndedTake, r.seq, r.token) == 0 {
		return
	}
	st := t.prepare(sqlJobUncrash, []int64{r.seq, s.id})
	if st != nil {
		st.BindText(3, id)
	}
	t.run(st)
}

func (t *tx) release(s *state, j job, due int64, envelope []byte) {
	j.due = max(due, t.now)
	if j.due == t.now && !s.fifo {
		j.place = s.next()
	}
	st := t.prepare(sqlJobRelease, []int64{j.seq, j.place, j.due})
	if st != nil {
		st.BindBytes(4, envelope)
	}
	t.run(st)
	if j.due > t.now {
		t.delay(s, j)
	} else {
		t.join(s, j, true)
	}
}

// DeadLetter implements [driver.Queue]. On a queue that is itself a dead
// letter queue it returns an error wrapping ErrUnsupported.
func (q *queue) DeadLetter(ctx context.Context, ds []*driver.Delivery) error {
	var noDLQ error
	if q.isDLQ {
		return driver.NoDLQ(q.cfg.Name)
	}
	envelopes := make([][]byte, len(ds))
	for i, d := range ds {
		envelopes[i] = driver.AppendEnvelope(nil, d.Task)
	}
	err := q.settle(ctx, ds, envelopes, func(t *tx, s *state, i int, r receipt) bool {
		// Another queue may have named this one since it was opened.
		if s.isDLQ {
			noDLQ = driver.NoDLQ(q.cfg.Name)
			return true
		}
		return t.bury(s, r, envelopes[i])
	})
	if err == nil {
		err = noDLQ
	}
	return err
}

// bury moves a leased task to the dead letter queue: its row there is a new one, at the
// end, so that no old receipt matches it.
func (t *tx) bury(s *state, r receipt, envelope []byte) bool {
	if !t.take(s, r) {
		return false
	}
	j, ok := t.job(r.seq)
	if !ok {
		return true
	}
	t.detach(j)
	t.passTurn(s, j.grp)
	t.exec(sqlJobDrop, j.seq)
	dlq := t.state(s.dlq)
	dead := job{queue: dlq.id, id: j.id, place: dlq.next(), due: t.now, origin: s.id}
	if !t.insert(&dead, 0, envelope) {
		// A task of this ID is dead already. Both are kept.
		t.insert(&dead, dead.place, envelope)
	}
	t.join(dlq, dead, false)
	s.dead++
	return true
}

// take ends the lease of r, and reports false if it is no longer valid.
func (t *tx) take(s *state, r receipt) bool {
	if t.exec(sqlLeaseTake, r.seq, r.token, s.id) == 0 {
		return false
	}
	s.leased--
	return true
}

// detach updates what belongs to a task besides its row when it leaves its queue for
// good: its unique key, and the count of dead tasks.
func (t *tx) detach(j job) {
	if j.unique {
		t.freeUniqueKey(j)
	}
	if j.origin > 0 {
		t.state(j.origin).dead--
	}
}

// settle runs one step for each delivery, and records those whose lease is lost.
// envelopes are written by the steps; nil if they write none.
func (q *queue) settle(ctx context.Context, ds []*driver.Delivery, envelopes [][]byte, step func(*tx, *state, int, receipt) bool) error {
	if err := q.open(); err != nil {
		return err
	}
	lost := make([]bool, len(ds))
	var size func(int) int
	if envelopes != nil {
		size = func(i int) int { return len(envelopes[i]) }
	}
	done, err := q.inTransactions(ctx, len(ds), size, q.p.writer.do, func(t *tx, from, to int) {
		s := t.state(q.id)
		for i := from; i < to; i++ {
			lost[i] = !step(t, s, i, parseReceipt(ds[i].Receipt))
		}
	})
	if err != nil {
		return err
	}
	var failed driver.BatchError
	for i, d := range ds {
		why := done.of(i)
		if why == nil && lost[i] {
			why = fmt.Errorf("%w: task %s of queue %q", driver.ErrLeaseLost, idOf(d), q.cfg.Name)
		}
		failed.Add(i, idOf(d), why)
	}
	return failed.OrNil()
}
