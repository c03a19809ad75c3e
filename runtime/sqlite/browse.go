package sqlite

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// The pages of Browse. Each is a range of the index of its state, from the cursor on,
// with two seeks per task for its row. The columns are the parts of a cursor (two
// numbers and a group) and the task.
const (
	sqlLevelTop    = `SELECT max(level) FROM taskgen_ready WHERE queue = ?` // one seek
	sqlBrowseReady = `SELECT r.level, r.place, '', j.seq, j.id, j.envelope FROM taskgen_ready r CROSS JOIN taskgen_job j ON j.seq = r.seq
		WHERE r.queue = ?1 AND r.level = ?2 AND r.place > ?3 ORDER BY r.place LIMIT +?4`
	sqlBrowseLine = `SELECT 0, l.place, l.grp, j.seq, j.id, j.envelope FROM taskgen_line l CROSS JOIN taskgen_job j ON j.seq = l.seq
		WHERE l.queue = ?1 AND (l.grp, l.place) > (?5, ?3) AND ?2 = ?2 ORDER BY l.grp, l.place LIMIT +?4`
	sqlBrowseDelayed = `SELECT d.due, d.seq, '', j.seq, j.id, j.envelope FROM taskgen_delayed d CROSS JOIN taskgen_job j ON j.seq = d.seq
		WHERE d.queue = ?1 AND (d.due, d.seq) > (?2, ?3) ORDER BY d.due, d.seq LIMIT +?4`
	sqlBrowseLeased = `SELECT l.until, l.seq, '', j.seq, j.id, j.envelope FROM taskgen_lease l INDEXED BY taskgen_lease_until CROSS JOIN taskgen_job j ON j.seq = l.seq
		WHERE l.queue = ?1 AND (l.until, l.seq) > (?2, ?3) ORDER BY l.until, l.seq LIMIT +?4`
	sqlBrowseDead = `SELECT 0, seq, '', seq, id, envelope FROM taskgen_job INDEXED BY taskgen_job_dead
		WHERE origin = ?1 AND origin > 0 AND seq > ?3 AND ?2 = ?2 ORDER BY seq LIMIT +?4`
)

// One row by its key.
const sqlLeaseOf = `SELECT until FROM taskgen_lease WHERE seq = ?`

// Find implements [driver.Finder].
func (q *queue) Find(ctx context.Context, id string) ([]driver.Found, error) {
	if err := q.promoteDue(ctx); err != nil {
		return nil, err
	}
	var found []driver.Found
	now := q.p.clock.Now().UnixNano()
	err := q.p.reader.do(ctx, now, func(t *tx) {
		found = nil
		for _, j := range t.jobsByID(q.id, id) {
			f := driver.Found{Task: q.shown(t, j), State: driver.Ready, DueAt: time.Unix(0, j.due)}
			if r := t.query(sqlLeaseOf, j.seq); r.next() {
				f.State, f.DueAt = driver.Leased, time.Time{}
				r.done()
			} else if j.due > now {
				f.State = driver.Scheduled
			}
			found = append(found, f)
		}
		for _, j := range q.deadByID(t, id) {
			found = append(found, driver.Found{Task: q.shown(t, j), State: driver.Dead})
		}
	})
	return found, err
}

// shown is the task of a job, or the task that would replace it on the dead letter queue.
func (q *queue) shown(t *tx, j job) *driver.Task {
	envelope := t.envelope(j.seq)
	task, err := driver.DecodeEnvelope(envelope)
	if err != nil {
		task = driver.Undecodable(j.id, q.cfg.Name, envelope, time.Unix(0, t.now), err)
	}
	return task
}

// A page collects what Browse returns.
type page struct {
	q     *queue
	limit int
	tasks []*driver.Task
	at    cursor // of the last task
	bytes int    // of the tasks
	more  bool
}

// Browse implements [driver.Browser]. Ready tasks of a fifo queue come group by group,
// leased tasks by the end of their leases, dead tasks in the order of their deaths,
// including those that a worker of the dead letter queue has leased. A row that cannot
// be decoded is shown as the task that would replace it on the dead letter queue. A
// page ends before its limit once it is larger than 16 MB.
func (q *queue) Browse(ctx context.Context, state driver.State, from string, limit int) ([]*driver.Task, string, error) {
	if err := driver.CheckBrowse(q.cfg.Name, limit); err != nil {
		return nil, "", err
	}
	at, err := parseCursor(from)
	if err != nil {
		return nil, "", err
	}
	if err := q.promoteDue(ctx); err != nil {
		return nil, "", err
	}
	p := &page{q: q, limit: limit}
	var unknown error
	err = q.p.reader.do(ctx, q.p.clock.Now().UnixNano(), func(t *tx) {
		switch {
		case state == driver.Ready && q.cfg.Type == driver.FIFO:
			p.read(t, sqlBrowseLine, at, true)
		case state == driver.Ready:
			p.readLevels(t, at, from == "")
		case state == driver.Scheduled:
			p.read(t, sqlBrowseDelayed, at, false)
		case state == driver.Leased:
			p.read(t, sqlBrowseLeased, at, false)
		case state == driver.Dead:
			p.read(t, sqlBrowseDead, at, false)
		default:
			unknown = fmt.Errorf("sqlite: browse state %q of queue %q: ready, scheduled, leased or dead", state, q.cfg.Name)
		}
	})
	if err == nil {
		err = unknown
	}
	if err != nil || !p.more {
		return p.tasks, "", err
	}
	return p.tasks, p.at.String(), nil
}

// readLevels reads level after level, the highest first.
func (p *page) readLevels(t *tx, at cursor, first bool) {
	if first {
		r := t.query(sqlLevelTop, p.q.id)
		if r.next() {
			at.a = r.int(0)
		}
		r.done()
	}
	for ; at.a >= 0 && !p.more; at = (cursor{a: at.a - 1}) {
		p.read(t, sqlBrowseReady, at, false)
	}
}

// read adds the rows of one query until the page is full, and notes whether there is
// another one.
func (p *page) read(t *tx, query string, at cursor, groupHasTasks bool) {
	args := []int64{p.q.id, at.a, at.b, int64(p.limit - len(p.tasks) + 1)}
	r := t.query(query, args...)
	if groupHasTasks && r.s != nil {
		r.s.BindText(5, at.grp)
	}
	for r.next() {
		if len(p.tasks) == p.limit || p.bytes > maxPageBytes {
			p.more = true
			r.done()
			return
		}
		p.at = cursor{r.int(0), r.int(1), r.text(2)}
		envelope := r.bytes(5)
		p.bytes += len(envelope)
		task, err := driver.DecodeEnvelope(envelope)
		if err != nil {
			task = driver.Undecodable(r.text(4), p.q.cfg.Name, envelope, time.Unix(0, t.now), err)
		}
		p.tasks = append(p.tasks, task)
	}
}

// A cursor is the position of a task in the order of its state.
type cursor struct {
	a, b int64
	grp  string
}

func (c cursor) String() string { return fmt.Sprintf("%d.%d.%s", c.a, c.b, c.grp) }

func parseCursor(text string) (cursor, error) {
	if text == "" {
		return cursor{}, nil
	}
	var c cursor
	a, rest, _ := strings.Cut(text, ".")
	b, grp, ok := strings.Cut(rest, ".")
	var err1, err2 error
	c.a, err1 = strconv.ParseInt(a, 10, 64)
	c.b, err2 = strconv.ParseInt(b, 10, 64)
	if c.grp = grp; err1 != nil || err2 != nil || !ok {
		return cursor{}, fmt.Errorf("sqlite: %q is not a cursor that Browse has returned", text)
	}
	return c, nil
}
