package sqlite

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

const (
	// Two rows: the job and its entry in the index of ids, which is where a
	// duplicate is noticed.
	sqlJobAdd = `INSERT INTO taskgen_job (queue, level, place, due, copy, origin, id, grp, ukey, envelope)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (queue, id, copy) DO NOTHING`
	// One row by its key.
	sqlUniqueGet = `SELECT id, until, due FROM taskgen_unique WHERE queue = ? AND key = ?`
	// One row by its key; with a window, an index entry as well.
	sqlUniquePut = `INSERT INTO taskgen_unique (queue, until, due, key, id) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (queue, key) DO UPDATE SET until = excluded.until, due = excluded.due, id = excluded.id`
	// One row by its key, where the task still holds it.
	sqlUniqueDrop = `DELETE FROM taskgen_unique WHERE queue = ? AND key = ? AND id = ? AND until = 0`
)

const (
	// maxEnvelope is the longest row that this package writes; SQLite takes
	// 1,000,000,000 bytes at most.
	maxEnvelope = 512 << 20
	// maxPayload leaves room for the rest of an envelope.
	maxPayload = maxEnvelope - 64<<20
	// maxTxTasks is how many tasks of one call share a transaction, so that a large batch
	// does not make all others wait.
	maxTxTasks = 1000
	// maxTxBytes is how many bytes of envelopes share a transaction, for the same reason,
	// or one task that is larger.
	maxTxBytes = 4 << 20
	// maxClaimBytes is how many bytes of envelopes a Dequeue returns, or one task that is
	// larger: they are read within 20 ms, and the worker holds them in memory.
	maxClaimBytes = 32 << 20
	// maxPageBytes is how many bytes of envelopes make a page of Browse.
	maxPageBytes = 16 << 20
)

// An entry is one task to enqueue, encoded by the calling goroutine.
type entry struct {
	task     *driver.Task
	envelope []byte
	err      error // what is wrong with it
}

// encode checks tasks and encodes the valid ones.
func (q *queue) encode(tasks []*driver.Task) []entry {
	entries := make([]entry, len(tasks))
	for i, t := range tasks {
		e := &entries[i]
		if t.Queue != q.cfg.Name {
			moved := *t
			t, moved.Queue = &moved, q.cfg.Name
		}
		e.task = t
		if e.err = q.cfg.Accepts(t); e.err != nil {
			continue
		}
		if e.envelope = driver.AppendEnvelope(nil, t); len(e.envelope) > maxEnvelope {
			e.err = fmt.Errorf("%w: task %s (%s) is %d bytes long, and a row takes %d: store the data elsewhere and send a reference", driver.ErrPayloadTooLarge, t.ID, t.Type, len(e.envelope), maxEnvelope)
		}
	}
	return entries
}

// Enqueue implements [driver.Queue]. Calls of many goroutines share a transaction. A
// batch of more than 1000 tasks or 4 MB is split into several. If the disk or the file
// is full the error of a task wraps ErrQueueFull.
func (q *queue) Enqueue(ctx context.Context, tasks []*driver.Task) ([]driver.Enqueued, error) {
	if err := q.open(); err != nil {
		return nil, err
	}
	entries := q.encode(tasks)
	answers := make([]driver.Enqueued, len(tasks))
	size := func(i int) int { return len(entries[i].envelope) }
	done, err := q.inTransactions(ctx, len(entries), size, q.p.writer.grow, func(t *tx, from, to int) {
		t.enqueue(t.state(q.id), q.cfg.Capacity, entries[from:to], answers[from:to])
	})
	if err != nil && !errors.Is(err, driver.ErrQueueFull) {
		return nil, err
	}
	var failed driver.BatchError
	if err != nil {
		done = parts{{len(entries), err}}
	}
	for i := range entries {
		why := done.of(i)
		if why != nil {
			answers[i] = driver.Enqueued{} // rolled back
		} else {
			why = entries[i].err
		}
		failed.Add(i, tasks[i].ID, why)
	}
	return answers, failed.OrNil()
}

// enqueue adds the entries that have no error. It records the outcome of each in its err
// and its answer, again if the transaction is repeated.
func (t *tx) enqueue(s *state, capacity int, entries []entry, answers []driver.Enqueued) {
	for i := range entries {
		e := &entries[i]
		answers[i] = driver.Enqueued{}
		if e.envelope == nil {
			continue
		}
		e.err = nil
		if id, due, taken := t.holder(s, e.task); taken {
			answers[i] = driver.Enqueued{ID: id, Queue: s.name, DueAt: due, Duplicate: true}
			continue
		}
		if capacity > 0 && s.ready+s.scheduled+s.leased >= int64(capacity) {
			e.err = fmt.Errorf("%w: %q holds %d tasks, and its capacity is %d: enqueue again once workers have caught up", driver.ErrQueueFull, s.name, s.ready+s.scheduled+s.leased, capacity)
			continue
		}
		due, ok := t.add(s, e.task, e.envelope)
		if !ok {
			e.err = fmt.Errorf("%w: %s is already on queue %q", driver.ErrDuplicate, e.task.ID, s.name)
			continue
		}
		answers[i] = driver.Enqueued{ID: e.task.ID, Queue: s.name, DueAt: due}
	}
}

// add puts one task on a queue, and reports false if its ID is already there.
func (t *tx) add(s *state, task *driver.Task, envelope []byte) (due time.Time, ok bool) {
	due = dueAt(task, t.now)
	j := job{queue: s.id, id: task.ID, level: int64(task.Priority), due: nanos(due), grp: task.GroupKey}
	if j.due <= t.now {
		j.place = s.next()
	}
	if task.UniqueKey != "" && task.UniqueFor == 0 {
		j.ukey, j.unique = task.UniqueKey, true
	}
	if !t.insert(&j, 0, envelope) {
		return due, false
	}
	if task.UniqueKey != "" {
		t.takeUniqueKey(s, task, due)
	}
	t.joinOrDelay(s, j)
	return due, true
}

// insert writes a job's row and sets its seq. It reports false if the queue already has
// the ID (and copy).
func (t *tx) insert(j *job, copied int64, envelope []byte) bool {
	s := t.prepare(sqlJobAdd, []int64{j.queue, j.level, j.place, j.due, copied, j.origin})
	if s == nil {
		return false
	}
	s.BindText(7, j.id)
	s.BindText(8, j.grp)
	if j.unique {
		s.BindText(9, j.ukey)
	}
	s.BindBytes(10, envelope)
	if t.run(s) == 0 {
		return false
	}
	j.seq = t.c.lastID()
	return true
}

// holder returns the ID of the task that holds the unique key of this one, and
// when it is or was due.
func (t *tx) holder(s *state, task *driver.Task) (id string, due time.Time, taken bool) {
	if task.UniqueKey == "" {
		return "", due, false
	}
	r := t.queryText(sqlUniqueGet, task.UniqueKey, s.id)
	if !r.next() {
		return "", due, false
	}
	defer r.done()
	until := r.int(1)
	return r.text(0), time.Unix(0, r.int(2)), until == 0 || until > t.now
}

// takeUniqueKey takes the unique key for a task.
func (t *tx) takeUniqueKey(s *state, task *driver.Task, due time.Time) {
	until := int64(0)
	if task.UniqueFor > 0 {
		until = after(t.now, task.UniqueFor)
	}
	st := t.prepare(sqlUniquePut, []int64{s.id, until, nanos(due)})
	if st == nil {
		return
	}
	st.BindText(4, task.UniqueKey)
	st.BindText(5, task.ID)
	t.run(st)
}

// freeUniqueKey releases the unique key of a job.
func (t *tx) freeUniqueKey(j job) {
	st := t.prepare(sqlUniqueDrop, []int64{j.queue})
	if st == nil {
		return
	}
	st.BindText(2, j.ukey)
	st.BindText(3, j.id)
	t.run(st)
}

// dueAt is when a task that is enqueued now may be handed out.
func dueAt(task *driver.Task, now int64) time.Time {
	if at := task.ScheduledFor; !at.IsZero() && nanos(at) > now {
		return at
	}
	return time.Unix(0, now)
}

// nanos is the Unix time in nanoseconds; a time that does not fit (before 1678 or after
// 2262) becomes the nearest one that does.
func nanos(at time.Time) int64 {
	switch s := at.Unix(); {
	case s <= math.MinInt64/int64(time.Second):
		return math.MinInt64
	case s >= math.MaxInt64/int64(time.Second):
		return math.MaxInt64
	}
	return at.UnixNano()
}

// after is now + d, bounded by the last time that can be stored.
func after(now int64, d time.Duration) int64 {
	if d > 0 && now > math.MaxInt64-int64(d) {
		return math.MaxInt64
	}
	return now + int64(d)
}
