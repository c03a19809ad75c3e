package sqlite

import (
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// This file moves tasks between the waiting states: the line of a queue (ready
// tasks) and the delayed ones. Claiming is in claim.go, the end of a lease in
// settle.go.

const (
	sqlReadyAdd  = `INSERT INTO taskgen_ready (queue, level, place, seq) VALUES (?, ?, ?, ?)`             // one row, at the end of its level as a rule
	sqlReadyDrop = `DELETE FROM taskgen_ready WHERE queue = ? AND level = ? AND place = ? AND seq = ?`    // one row by its key
	sqlLineAdd   = `INSERT INTO taskgen_line (queue, place, seq, due, grp) VALUES (?, ?, ?, ?, ?)`        // one row and its index entry
	sqlLineDrop  = `DELETE FROM taskgen_line WHERE queue = ? AND place = ? AND seq = ? AND grp = ?`       // one row by its key
	sqlLineAny   = `SELECT 1 FROM taskgen_line WHERE queue = ? AND grp = ? LIMIT 1`                       // one seek by key
	sqlDelayAdd  = `INSERT INTO taskgen_delayed (queue, due, seq) VALUES (?, ?, ?)`                       // one row
	sqlDelayDrop = `DELETE FROM taskgen_delayed WHERE queue = ? AND due = ? AND seq = ?`                  // one row by its key
	sqlGroupNew  = `INSERT INTO taskgen_group (queue, turn, grp) VALUES (?, ?, ?) ON CONFLICT DO NOTHING` // one row and its index entry
	sqlGroupTurn = `UPDATE taskgen_group SET turn = ?2 WHERE queue = ?1 AND grp = ?3`                     // one row by its key
	sqlGroupIdle = `DELETE FROM taskgen_group WHERE queue = ?1 AND grp = ?2 AND turn > 0
		AND NOT EXISTS (SELECT 1 FROM taskgen_line WHERE queue = ?1 AND grp = ?2)` // one row by its key, two seeks
	sqlGroupDrop = `DELETE FROM taskgen_group WHERE queue = ? AND grp = ?`                 // one row by its key
	sqlJobPlace  = `UPDATE taskgen_job SET place = ?2, due = ?3 WHERE seq = ?1`            // one row in place, no index
	sqlJobCrash  = `UPDATE taskgen_job SET crashes = crashes + 1, begun = 1 WHERE seq = ?` // one row in place, no index
	// One row by its key and its index entry, for a lease that has ended; old rows are
	// removed from the head of the index.
	sqlEndedAdd = `INSERT INTO taskgen_ended (seq, token, at) SELECT seq, token, ?2 FROM taskgen_lease WHERE seq = ?1 ON CONFLICT DO NOTHING`
	sqlEndedOld = `DELETE FROM taskgen_ended WHERE at <= ?`
	sqlLeaseEnd = `DELETE FROM taskgen_lease WHERE seq = ?` // one row by its key
	// Both read from the head of the index: due or ended rows and one more.
	sqlDelayDue  = `SELECT seq FROM taskgen_delayed WHERE queue = +? AND due <= ? ORDER BY due, seq LIMIT +?`
	sqlLeaseOver = `SELECT seq FROM taskgen_lease INDEXED BY taskgen_lease_until WHERE queue = +? AND until <= ? ORDER BY until LIMIT +?`
)

// promoteLimit bounds the tasks that one pass puts in line: the rest follows in the next
// transaction, so that a million tasks due at once do not block others for long.
const promoteLimit = 500

// endedFor is how long a worker may say that the end of its lease was no crash.
const endedFor = time.Hour

// promoteAndReap puts due tasks in line, and tasks with expired leases back at their
// place. On a fifo queue it handles all of them, because later tasks must not overtake.
func (t *tx) promoteAndReap(s *state) {
	for {
		n := t.promote(s)
		n = max(n, t.reap(s))
		s.more = n == promoteLimit
		if !s.more || !s.fifo || t.err != nil {
			return
		}
	}
}

// promote puts delayed tasks that are due in line: at the end, or at their own place if
// they blocked their group.
func (t *tx) promote(s *state) int {
	seqs := t.seqs(sqlDelayDue, s.id, t.now, promoteLimit)
	for _, seq := range seqs {
		j, ok := t.job(seq)
		if !ok {
			continue
		}
		t.exec(sqlDelayDrop, s.id, j.due, seq)
		s.scheduled--
		t.rejoin(s, j)
	}
	return len(seqs)
}

// reap ends expired leases: the tasks keep their place, and a crash is counted.
func (t *tx) reap(s *state) int {
	seqs := t.seqs(sqlLeaseOver, s.id, t.now, promoteLimit)
	for _, seq := range seqs {
		t.exec(sqlEndedAdd, seq, t.now)
		t.exec(sqlLeaseEnd, seq)
		s.leased--
		t.exec(sqlJobCrash, seq)
		if j, ok := t.job(seq); ok {
			t.join(s, j, true)
		}
	}
	if len(seqs) > 0 {
		t.exec(sqlEndedOld, t.now-int64(endedFor))
	}
	return len(seqs)
}

func (t *tx) seqs(query string, args ...int64) []int64 {
	var seqs []int64
	for r := t.query(query, args...); r.next(); {
		seqs = append(seqs, r.int(0))
	}
	return seqs
}

// rejoin puts a delayed job in line when it is due: at its own place if it keeps it, else
// at the end.
func (t *tx) rejoin(s *state, j job) {
	keeps := s.fifo && j.begun
	if !keeps {
		j.place = s.next()
	}
	t.exec(sqlJobPlace, j.seq, j.place, j.due)
	t.join(s, j, keeps)
}

// join puts a due job in the line of its queue. frees says that the job blocked its
// group, as a leased job does and one that waits for its retry.
func (t *tx) join(s *state, j job, frees bool) {
	s.ready++
	if !s.fifo {
		t.exec(sqlReadyAdd, s.id, j.level, j.place, j.seq)
		return
	}
	t.execText(sqlLineAdd, j.grp, s.id, j.place, j.seq, j.due)
	if frees {
		t.execText(sqlGroupTurn, j.grp, s.id, s.next())
		return
	}
	t.execText(sqlGroupNew, j.grp, s.id, s.next())
}

// delay puts a job among the delayed ones.
func (t *tx) delay(s *state, j job) {
	s.scheduled++
	t.exec(sqlDelayAdd, s.id, j.due, j.seq)
}

// joinOrDelay puts a job where it belongs by its due time.
func (t *tx) joinOrDelay(s *state, j job) {
	if j.due > t.now {
		t.delay(s, j)
	} else {
		t.join(s, j, false)
	}
}

// takeOut takes a waiting job out of the line or the delay and returns which it was in,
// or "" if it does not wait.
func (t *tx) takeOut(s *state, j job) driver.State {
	switch {
	case t.exec(sqlDelayDrop, s.id, j.due, j.seq) > 0:
		s.scheduled--
		return driver.Scheduled
	case !s.fifo && t.exec(sqlReadyDrop, s.id, j.level, j.place, j.seq) > 0:
		s.ready--
		return driver.Ready
	case s.fifo && t.execText(sqlLineDrop, j.grp, s.id, j.place, j.seq) > 0:
		s.ready--
		return driver.Ready
	}
	return ""
}

// groupHasTasks reports whether the line holds a task of the group.
func (t *tx) groupHasTasks(s *state, grp string) bool {
	r := t.queryText(sqlLineAny, grp, s.id)
	defer r.done()
	return r.next()
}

// passTurn makes the next task of a group available, after the task that was leased or
// blocked the group is gone. The group gets its turn after all other waiting groups.
func (t *tx) passTurn(s *state, grp string) {
	switch {
	case !s.fifo:
	case t.groupHasTasks(s, grp):
		t.execText(sqlGroupTurn, grp, s.id, s.next())
	default:
		t.execText(sqlGroupDrop, grp, s.id)
	}
}
