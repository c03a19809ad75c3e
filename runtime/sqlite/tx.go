package sqlite

import (
	"fmt"

	"github.com/taskgen/taskgen/runtime/driver"
)

const (
	// One row by its key.
	sqlQueueLoad = `SELECT id, name, type, dlq, is_dlq, paused, ready, scheduled, leased, dead, last FROM taskgen_queue WHERE id = ?`
	// One row by its key, once for each queue that a transaction changed.
	sqlQueueSave = `UPDATE taskgen_queue SET ready = ?2, scheduled = ?3, leased = ?4, dead = ?5, last = ?6 WHERE id = ?1`
	// One row by its key, and its envelope stays unread.
	sqlJobLoad = `SELECT seq, queue, id, level, place, due, begun, crashes, origin, grp, ukey FROM taskgen_job WHERE seq = ?`
	// One row by its key.
	sqlJobEnvelope = `SELECT envelope FROM taskgen_job WHERE seq = ?`
)

// errGone is the error of a queue that has no row any more.
var errGone = fmt.Errorf("%w: it is no longer in the SQLite file: it was deleted, so stop what works on it, or open it again", driver.ErrUnknownQueue)

// A tx is an open transaction. Its first error sticks: after that every statement does
// nothing and returns zero, and the runner of the transaction rolls it back. The code in
// between can therefore ignore errors, but must not use its results elsewhere before err
// has been checked.
type tx struct {
	c      session
	now    int64 // Unix nanoseconds
	err    error
	states []*state
}

// A state is one queue's row, as it will be when the transaction commits.
type state struct {
	id                             int64
	name                           string
	fifo, isDLQ                    bool
	paused                         int64 // notPaused, noEnd, or when the pause ends
	dlq                            int64
	ready, scheduled, leased, dead int64
	last                           int64
	saved                          [5]int64
	more                           bool  // more to promote than fits in one transaction
	event                          int64 // when the next task becomes due or the next lease ends
}

func (s *state) counters() [5]int64 {
	return [5]int64{s.ready, s.scheduled, s.leased, s.dead, s.last}
}

// next returns a number that was never a place, turn or token of the queue.
func (s *state) next() int64 {
	s.last++
	return s.last
}

// state returns a queue's row, read once per transaction. It first puts due tasks in
// line, so that they are before the tasks that the transaction adds.
func (t *tx) state(id int64) *state {
	if s := t.loadState(id); s != nil {
		return s
	}
	return &state{id: id} // after an error: not used
}

// loadState finds or loads a state.
func (t *tx) loadState(id int64) *state {
	for _, s := range t.states {
		if s.id == id {
			return s
		}
	}
	r := t.query(sqlQueueLoad, id)
	if !r.next() {
		t.fail(errGone)
		return nil
	}
	s := &state{
		id: r.int(0), name: r.text(1), fifo: r.text(2) == "fifo", dlq: r.int(3), isDLQ: r.int(4) != 0, paused: r.int(5),
		ready: r.int(6), scheduled: r.int(7), leased: r.int(8), dead: r.int(9), last: r.int(10),
	}
	r.done()
	s.saved = s.counters()
	t.states = append(t.states, s)
	if pauseIsOver(s.paused, t.now) {
		s.paused = notPaused
		t.exec(sqlPause, s.id, s.paused)
	}
	t.promoteAndReap(s)
	return s
}

// save writes the rows of the queues that changed.
func (t *tx) save() {
	for _, s := range t.states {
		if n := s.counters(); n != s.saved {
			t.exec(sqlQueueSave, s.id, n[0], n[1], n[2], n[3], n[4])
			s.saved = n
		}
	}
}

func (t *tx) fail(err error) {
	if t.err == nil {
		t.err = err
	}
}

// prepare returns the statement with its first parameters bound, or nil after
// an error.
func (t *tx) prepare(query string, args []int64) statement {
	if t.err != nil {
		return nil
	}
	s, err := t.c.prepare(query)
	if err != nil {
		t.fail(err)
		return nil
	}
	for i, n := range args {
		s.BindInt64(i+1, n)
	}
	return s
}

// run runs a statement without result rows and returns how many rows it changed.
func (t *tx) run(s statement) int {
	if s == nil {
		return 0
	}
	t.c.count()
	n, err := t.c.run(s)
	if err != nil {
		t.fail(err)
		return 0
	}
	return n
}

// exec runs a statement with integer parameters and returns how many rows it
// changed.
func (t *tx) exec(query string, args ...int64) int { return t.run(t.prepare(query, args)) }

// execText is exec with a text for the parameter after the integers.
func (t *tx) execText(query, text string, args ...int64) int {
	s := t.prepare(query, args)
	if s != nil {
		s.BindText(len(args)+1, text)
	}
	return t.run(s)
}

// query runs a statement with result rows. Read them to the end, or call done.
func (t *tx) query(query string, args ...int64) rows {
	return rows{t, t.prepare(query, args)}
}

// queryText is query with a text for the parameter after the integers.
func (t *tx) queryText(query, text string, args ...int64) rows {
	s := t.prepare(query, args)
	if s != nil {
		s.BindText(len(args)+1, text)
	}
	return rows{t, s}
}

// rows are the answer to a query.
type rows struct {
	t *tx
	s statement
}

func (r rows) next() bool {
	if r.s == nil || r.t.err != nil {
		return false
	}
	r.t.c.count()
	ok, err := r.s.Step()
	if err != nil {
		r.t.fail(err)
	}
	if !ok {
		r.done()
	}
	return ok
}

// done ends a query before its last row.
func (r rows) done() {
	if r.s != nil {
		_ = r.s.Reset() // repeats the error of Step, which is recorded
	}
}

func (r rows) int(i int) int64   { return r.s.ColumnInt64(i) }
func (r rows) text(i int) string { return r.s.ColumnText(i) }
func (r rows) null(i int) bool   { return r.s.ColumnIsNull(i) }
func (r rows) bytes(i int) []byte {
	b := make([]byte, r.s.ColumnLen(i))
	r.s.ColumnBytes(i, b)
	return b
}

// A job is a row of taskgen_job without its envelope.
type job struct {
	seq, queue, level, place, due int64
	begun                         bool
	crashes, origin               int64
	id, grp, ukey                 string
	unique                        bool // ukey is set
}

func (r rows) job() job {
	return job{
		seq: r.int(0), queue: r.int(1), id: r.text(2), level: r.int(3), place: r.int(4), due: r.int(5), begun: r.int(6) != 0,
		crashes: r.int(7), origin: r.int(8), grp: r.text(9), ukey: r.text(10), unique: !r.null(10),
	}
}

// job loads a job, and returns false if there is none.
func (t *tx) job(seq int64) (job, bool) {
	r := t.query(sqlJobLoad, seq)
	if !r.next() {
		return job{}, false
	}
	defer r.done()
	return r.job(), true
}

func (t *tx) envelope(seq int64) []byte {
	r := t.query(sqlJobEnvelope, seq)
	if !r.next() {
		return nil
	}
	defer r.done()
	return r.bytes(0)
}
