package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/schedule/jobstore"
)

const (
	// One row by the index of ids.
	sqlJobsGet     = `SELECT id, owner, version, wake, forget, body, noted, alarm FROM taskgen_schedule WHERE id = ?`
	sqlJobsVersion = `SELECT version FROM taskgen_schedule WHERE id = ?`
	// The rows of a page, in the order of an index.
	sqlJobsList  = `SELECT id, owner, version, wake, forget, body, noted, alarm FROM taskgen_schedule WHERE id > ?2 ORDER BY id LIMIT +?1`
	sqlJobsOwned = `SELECT id, owner, version, wake, forget, body, noted, alarm FROM taskgen_schedule WHERE owner = ?3 AND id > ?2 ORDER BY id LIMIT +?1`
	// The rows that are due of those with the same needs, by the index of needs.
	sqlJobsDue = `SELECT id, alarm FROM taskgen_schedule WHERE needs = ?3 AND alarm > 0 AND alarm <= ?1 AND (forget = 0 OR forget > ?1) ORDER BY alarm LIMIT +?2`
	// One row and its place in the index of alarms.
	sqlJobsNew    = `INSERT INTO taskgen_schedule (version, wake, forget, alarm, id, owner, body, needs) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`
	sqlJobsSet    = `UPDATE taskgen_schedule SET version = ?1, wake = ?2, forget = ?3, alarm = ?4, owner = ?6, body = ?7, needs = ?8 WHERE id = ?5`
	sqlJobsLease  = `UPDATE taskgen_schedule SET version = ?1, alarm = ?2 WHERE id = ?3`
	sqlJobsForget = `DELETE FROM taskgen_schedule WHERE alarm > 0 AND alarm <= ?1 AND forget > 0 AND forget <= ?1`
	// The next needs in the index of needs, and their first alarm.
	sqlJobsHead = `SELECT needs, alarm FROM taskgen_schedule WHERE alarm > 0 AND needs >= ?1 ORDER BY needs, alarm LIMIT 1`
	// One row by the index of ids.
	sqlJobsNote = `UPDATE taskgen_schedule SET noted_due = ?1, noted = ?3 WHERE id = ?2 AND noted_due <= ?1`
)

// jobs keeps a scheduler's jobs in the provider's file.
type jobs struct {
	p *Provider

	mu          sync.Mutex
	waiting     map[chan struct{}]jobWaiter
	wakeWatcher chan struct{} // signals the watcher that there are waiters
}

var _ jobstore.Store = (*jobs)(nil)

func newJobs(p *Provider) *jobs {
	return &jobs{p: p, waiting: make(map[chan struct{}]jobWaiter), wakeWatcher: make(chan struct{}, 1)}
}

// Jobs keeps the jobs of schedulers in the same file, for any number of processes. A new
// job wakes a scheduler in this process at once, and one in another process within some
// milliseconds.
func (p *Provider) Jobs() jobstore.Store { return p.jobs }

// Put implements jobstore.Store.
func (s *jobs) Put(ctx context.Context, e *jobstore.Entry) error {
	return driver.ErrorAt(s.Settle(ctx, []*jobstore.Entry{e}), 0)
}

// Settle implements jobstore.Store.
func (s *jobs) Settle(ctx context.Context, es []*jobstore.Entry) error {
	bodies := make([][]byte, len(es))
	for i, e := range es {
		body, err := e.BodyData()
		if err != nil {
			return fmt.Errorf("job %s: %w", e.ID, err)
		}
		bodies[i] = body
	}
	var failed driver.BatchError
	err := s.p.writer.do(ctx, len(es), func(t *tx) {
		failed = driver.BatchError{}
		for i, e := range es {
			failed.Add(i, string(e.ID), t.putJob(e, bodies[i]))
		}
	})
	if err != nil {
		return fmt.Errorf("store jobs: %w", err)
	}
	for i, e := range es {
		if driver.ErrorAt(failed.OrNil(), i) == nil {
			e.Version++
		}
	}
	s.notify(func(jobWaiter) bool { return true })
	return failed.OrNil()
}

// putJob writes an entry whose version is that of the file.
func (t *tx) putJob(e *jobstore.Entry, body []byte) error {
	version := int64(0)
	if r := t.queryText(sqlJobsVersion, string(e.ID)); r.next() {
		version = r.int(0)
		r.done()
	}
	write := sqlJobsSet
	switch {
	case version == 0 && e.Version == 0:
		write = sqlJobsNew
	case version == 0:
		return fmt.Errorf("%w: %s", jobstore.ErrJobNotFound, e.ID)
	case e.Version == 0:
		return fmt.Errorf("%w: %s", jobstore.ErrJobExists, e.ID)
	case version != e.Version:
		return fmt.Errorf("%w: %s", jobstore.ErrConflict, e.ID)
	}
	wake, forget := stamp(e.Wake), stamp(e.Forget)
	alarm := max(wake, stamp(e.Leased))
	if alarm == 0 || forget > 0 && forget < alarm {
		alarm = forget
	}
	if s := t.prepare(write, []int64{e.Version + 1, wake, forget, alarm}); s != nil {
		s.BindText(5, string(e.ID))
		s.BindText(6, e.Owner)
		s.BindBytes(7, body)
		s.BindText(8, e.Needs().Key())
		t.run(s)
	}
	return nil
}

// stamp is a time as the file keeps it; 0 for none, and the nearest possible time for one
// that does not fit.
func stamp(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return max(nanos(t), 1)
}

func unstamp(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n)
}

// entry reads a row of sqlJobsGet and its like.
func (r rows) entry() *jobstore.Entry {
	e := &jobstore.Entry{
		ID: jobstore.JobID(r.text(0)), Owner: r.text(1), Version: r.int(2),
		Wake: unstamp(r.int(3)), Forget: unstamp(r.int(4)),
	}
	if alarm := r.int(7); alarm > r.int(3) && alarm != r.int(4) {
		e.Leased = unstamp(alarm)
	}
	e.SetBody(r.bytes(5))
	if noted := r.bytes(6); len(noted) > 0 && json.Unmarshal(noted, &e.Noted) != nil {
		e.Noted = jobstore.Run{} // as if there were no note
	}
	return e
}

// Get implements jobstore.Store.
func (s *jobs) Get(ctx context.Context, id jobstore.JobID) (*jobstore.Entry, error) {
	es, err := s.read(ctx, func(t *tx) rows { return t.queryText(sqlJobsGet, string(id)) })
	if err == nil && len(es) == 0 {
		err = fmt.Errorf("%w: %s", jobstore.ErrJobNotFound, id)
	}
	if err != nil {
		return nil, err
	}
	return es[0], nil
}

// List implements jobstore.Store.
func (s *jobs) List(ctx context.Context, owner string, after jobstore.JobID, limit int) ([]*jobstore.Entry, error) {
	return s.read(ctx, func(t *tx) rows {
		if owner == "" {
			return t.queryText(sqlJobsList, string(after), int64(limit))
		}
		st := t.prepare(sqlJobsOwned, []int64{int64(limit)})
		if st != nil {
			st.BindText(2, string(after))
			st.BindText(3, owner)
		}
		return rows{t, st}
	})
}

func (s *jobs) read(ctx context.Context, query func(*tx) rows) (es []*jobstore.Entry, err error) {
	err = s.p.reader.do(ctx, s.p.clock.Now().UnixNano(), func(t *tx) {
		for r := query(t); r.next(); {
			es = append(es, r.entry())
		}
	})
	if err != nil {
		return nil, fmt.Errorf("read jobs: %w", err)
	}
	return es, nil
}

// Now implements jobstore.Store: the file has no clock but that of its processes.
func (s *jobs) Now(context.Context) (time.Time, error) { return s.p.clock.Now(), nil }

// Note implements jobstore.Store.
func (s *jobs) Note(ctx context.Context, id jobstore.JobID, run jobstore.Run) error {
	data, err := json.Marshal(run)
	if err != nil {
		return err
	}
	err = s.p.writer.do(ctx, 1, func(t *tx) {
		if st := t.prepare(sqlJobsNote, []int64{stamp(run.Due)}); st != nil {
			st.BindText(2, string(id))
			st.BindBytes(3, data)
			t.run(st)
		}
	})
	if err != nil {
		return fmt.Errorf("record a run of job %s: %w", id, err)
	}
	return nil
}
