package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

const (
	// A range of the index of ids: one row, or the dead tasks of one ID.
	sqlJobByID = `SELECT seq, queue, id, level, place, due, begun, crashes, origin, grp, ukey FROM taskgen_job WHERE queue = ? AND id = ?`
	// Heads of the lines and of the delay.
	sqlWaiting = `SELECT seq FROM (SELECT seq FROM taskgen_ready WHERE queue = ?1 LIMIT +?2)
		UNION ALL SELECT seq FROM (SELECT seq FROM taskgen_line WHERE queue = ?1 LIMIT +?2)
		UNION ALL SELECT seq FROM (SELECT seq FROM taskgen_delayed WHERE queue = ?1 LIMIT +?2)
		LIMIT +?2`
	// One row by its key: the group waits for its head.
	sqlGroupHold = `INSERT INTO taskgen_group (queue, turn, grp) VALUES (?, 0, ?) ON CONFLICT (queue, grp) DO UPDATE SET turn = 0`
	sqlPause     = `UPDATE taskgen_queue SET paused = ?2 WHERE id = ?1`
	sqlPaused    = `SELECT paused FROM taskgen_queue WHERE id = ?`
)

// jobsByID loads the jobs of a queue that have the given ID: at most one, but
// on a dead letter queue, where tasks of one ID may have died more than once.
func (t *tx) jobsByID(queue int64, id string) []job {
	var jobs []job
	for r := t.queryText(sqlJobByID, id, queue); r.next(); {
		jobs = append(jobs, r.job())
	}
	return jobs
}

// remove takes a waiting job off its queue for good, and reports false if it does not
// wait.
func (t *tx) remove(s *state, j job) bool {
	switch was := t.takeOut(s, j); {
	case was == "":
		return false
	case was == driver.Scheduled && j.begun:
		t.passTurn(s, j.grp)
	case was == driver.Ready && s.fifo:
		t.execText(sqlGroupIdle, j.grp, s.id)
	}
	t.detach(j)
	t.exec(sqlJobDrop, j.seq)
	return true
}

// Cancel implements [driver.Canceller]. A unique key without a window is free
// again.
func (q *queue) Cancel(ctx context.Context, ids []string) ([]string, error) {
	return q.each(ctx, ids, func(t *tx, s *state, id string) bool {
		removed := false
		for _, j := range t.jobsByID(s.id, id) {
			removed = t.remove(s, j) || removed
		}
		return removed
	})
}

// each runs f for every ID, in transactions of at most maxTxTasks, and returns the
// IDs for which it was true.
func (q *queue) each(ctx context.Context, ids []string, f func(t *tx, s *state, id string) bool) ([]string, error) {
	if err := q.open(); err != nil {
		return nil, err
	}
	var all []string
	for from := 0; from < len(ids); from += maxTxTasks {
		part := ids[from:min(from+maxTxTasks, len(ids))]
		var done []string
		err := q.p.writer.do(ctx, len(part), func(t *tx) {
			done = nil
			s := t.state(q.id)
			for _, id := range part {
				if f(t, s, id) {
					done = append(done, id)
				}
			}
		})
		if err != nil {
			return all, err
		}
		all = append(all, done...)
	}
	return all, nil
}

// Reschedule implements [driver.Rescheduler]. It also changes the task's ScheduledFor. A
// due task keeps its position in line if at has passed too. A task of a group that was
// handed out before keeps its position at the head of the group, and the group waits for
// it.
func (q *queue) Reschedule(ctx context.Context, id string, at time.Time) error {
	if err := q.open(); err != nil {
		return err
	}
	moved := false
	err := q.p.writer.do(ctx, 1, func(t *tx) {
		moved = false
		s := t.state(q.id)
		for _, j := range t.jobsByID(s.id, id) {
			moved = t.reschedule(s, j, at) || moved
		}
	})
	if err == nil && !moved {
		err = fmt.Errorf("%w: no task %s waits on queue %q: it may be with a worker", driver.ErrTaskNotFound, id, q.cfg.Name)
	}
	return err
}

func (t *tx) reschedule(s *state, j job, at time.Time) bool {
	was := t.takeOut(s, j)
	if was == "" {
		return false
	}
	if task, err := driver.DecodeEnvelope(t.envelope(j.seq)); err == nil {
		task.ScheduledFor = at
		t.rewrite(j.seq, driver.AppendEnvelope(nil, task))
	}
	due := nanos(at)
	switch {
	case due > t.now && s.fifo && was == driver.Ready && j.begun:
		t.execText(sqlGroupHold, j.grp, s.id)
	case due > t.now && s.fifo && was == driver.Ready:
		t.execText(sqlGroupIdle, j.grp, s.id)
	case due <= t.now && was == driver.Ready:
		t.join(s, j, false)
		return true
	case due <= t.now:
		j.due = t.now
		t.rejoin(s, j)
		return true
	}
	j.due = due
	t.exec(sqlJobPlace, j.seq, j.place, j.due)
	t.delay(s, j)
	return true
}

// rewrite gives a job another envelope.
func (t *tx) rewrite(seq int64, envelope []byte) {
	if st := t.prepare(sqlJobRewrite, []int64{seq}); st != nil {
		st.BindBytes(2, envelope)
		t.run(st)
	}
}

// Purge implements [driver.Purger]. It works in transactions of 1000 tasks, so that
// others can proceed, and ends after the number of tasks that there were at its start.
func (q *queue) Purge(ctx context.Context) (int, error) {
	st, err := q.Stats(ctx)
	if err != nil {
		return 0, err
	}
	left := int(st.Ready + st.Scheduled)
	total := 0
	for left > 0 {
		n := 0
		err := q.p.writer.do(ctx, maxTxTasks, func(t *tx) {
			n = 0
			s := t.state(q.id)
			for _, seq := range t.seqs(sqlWaiting, s.id, int64(min(left, maxTxTasks))) {
				if j, ok := t.job(seq); ok && t.remove(s, j) {
					n++
				}
			}
		})
		if err != nil || n == 0 {
			return total, err
		}
		total += n
		left -= n
	}
	return total, nil
}

// A queue's column paused has one of these, or the time when the pause ends. Builds that
// know no such end read anything but notPaused as a pause, see pauseIsOver.
const (
	notPaused = 0
	noEnd     = 1
)

// Pause implements [driver.Pauser].
func (q *queue) Pause(ctx context.Context, until time.Time) error {
	if until.IsZero() {
		return q.pause(ctx, noEnd)
	}
	return q.pause(ctx, max(nanos(until), noEnd+1))
}

// Resume implements [driver.Pauser].
func (q *queue) Resume(ctx context.Context) error { return q.pause(ctx, notPaused) }

func (q *queue) pause(ctx context.Context, paused int64) error {
	if err := q.open(); err != nil {
		return err
	}
	return q.p.writer.do(ctx, 1, func(t *tx) {
		s := t.state(q.id)
		if s.paused = paused; pauseIsOver(paused, t.now) {
			s.paused = notPaused
		}
		t.exec(sqlPause, s.id, s.paused)
	})
}

// pauseIsOver reports whether there was a pause, and its end has passed. Whichever build
// that knows of ends writes to the queue next then clears the column, and also builds that
// do not hand out tasks again.
func pauseIsOver(paused, now int64) bool { return paused > noEnd && paused <= now }

// Paused implements [driver.Pauser].
func (q *queue) Paused(ctx context.Context) (p driver.Pause, err error) {
	if err := q.open(); err != nil {
		return p, err
	}
	err = q.p.reader.do(ctx, 0, func(t *tx) {
		p = driver.Pause{}
		paused := t.pause(q.id)
		if p.Paused = paused != notPaused && !pauseIsOver(paused, q.p.clock.Now().UnixNano()); p.Paused && paused != noEnd {
			p.Until = time.Unix(0, paused)
		}
	})
	return p, err
}

// pause reads the column paused of a queue.
func (t *tx) pause(queue int64) (paused int64) {
	r := t.query(sqlPaused, queue)
	if r.next() {
		paused = r.int(0)
	}
	r.done()
	return paused
}
