package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

const (
	// A range of the index of dead tasks: one row as a rule.
	sqlDeadByID = `SELECT seq, queue, id, level, place, due, begun, crashes, origin, grp, ukey
		FROM taskgen_job INDEXED BY taskgen_job_dead_id WHERE origin = ? AND origin > 0 AND id = ?`
	// A range of the index of dead tasks, in the order they died.
	sqlDeadAll = `SELECT seq FROM taskgen_job INDEXED BY taskgen_job_dead
		WHERE origin = ?1 AND origin > 0 AND seq > ?2 AND seq <= ?3 ORDER BY seq LIMIT +?4`
	sqlDeadLast = `SELECT max(seq) FROM taskgen_job INDEXED BY taskgen_job_dead WHERE origin = ? AND origin > 0` // one seek
	// One row by the index of ids.
	sqlJobAny = `SELECT 1 FROM taskgen_job WHERE queue = ? AND id = ? LIMIT 1`
)

func (q *queue) deadByID(t *tx, id string) []job {
	var jobs []job
	for r := t.queryText(sqlDeadByID, id, q.id); r.next(); {
		jobs = append(jobs, r.job())
	}
	return jobs
}

// Redrive implements [driver.Redriver]. Tasks that a worker of the dead letter queue has
// leased stay, and so do those whose ID is on the queue again: the error is then a
// *BatchError with ErrDuplicate, in the order of the tasks that were found. Redrive
// ignores Capacity. It works in transactions of 1000 tasks or 4 MB. With nil ids it
// leaves alone the tasks that die while it runs.
func (q *queue) Redrive(ctx context.Context, ids []string) ([]string, error) {
	if q.isDLQ {
		return nil, driver.NoRedrive(q.cfg.Name)
	}
	if err := q.open(); err != nil {
		return nil, err
	}
	if ids == nil {
		return q.redriveAll(ctx)
	}
	var back redrive
	for from := 0; from < len(ids); from += maxTxTasks {
		part := ids[from:min(from+maxTxTasks, len(ids))]
		err := back.add(ctx, q, func(t *tx) (jobs []job) {
			for _, id := range part {
				jobs = append(jobs, q.deadByID(t, id)...)
			}
			return jobs
		})
		if err != nil {
			return back.ids, err
		}
	}
	return back.ids, back.failed.OrNil()
}

func (q *queue) redriveAll(ctx context.Context) ([]string, error) {
	var (
		back  redrive
		last  = int64(-1) // the newest dead task when it began
		after = int64(0)  // the last one that was checked
		next  int64
	)
	for {
		err := back.add(ctx, q, func(t *tx) (jobs []job) {
			if last < 0 {
				last = t.newestDead(q.id)
			}
			next = after
			for _, seq := range t.seqs(sqlDeadAll, q.id, after, last, maxTxTasks) {
				if j, ok := t.job(seq); ok {
					jobs = append(jobs, j)
				}
				next = seq
			}
			return jobs
		})
		if err != nil || next == after {
			return back.ids, errors.Join(err, back.failed.OrNil())
		}
		after = next
	}
}

func (t *tx) newestDead(origin int64) int64 {
	r := t.query(sqlDeadLast, origin)
	defer r.done()
	if !r.next() {
		return 0
	}
	return r.int(0)
}

// OnRedrive implements [driver.Reviver].
func (q *queue) OnRedrive(redriveHook driver.Revival) { q.redriveHook = redriveHook }

// redrive collects the results of a redrive.
type redrive struct {
	ids     []string
	failed  driver.BatchError
	checked int
}

// add redrives the dead jobs that find returns. It finds them before the transaction that
// moves them, which must not wait for other stores.
func (b *redrive) add(ctx context.Context, q *queue, find func(*tx) []job) error {
	var there []job
	err := q.p.reader.do(ctx, q.p.clock.Now().UnixNano(), func(t *tx) { there = find(t) })
	if err != nil {
		return err
	}
	ids := make([]string, len(there))
	for i, j := range there {
		ids[i] = j.id
	}
	before := len(b.ids)
	var failed error
	err = q.redriveHook.Around(ctx, ids, func() []string {
		failed = b.move(ctx, q, func(t *tx) (jobs []job) {
			for _, was := range there {
				// If another process has moved the job, its number may belong to another.
				if j, ok := t.job(was.seq); ok && j.origin == q.id && j.id == was.id {
					jobs = append(jobs, j)
				}
			}
			return jobs
		})
		return b.ids[before:]
	})
	return errors.Join(failed, err)
}

// move redrives the dead jobs that find returns: in one transaction, or in several if
// they are large.
func (b *redrive) move(ctx context.Context, q *queue, find func(*tx) []job) error {
	for find != nil {
		var moved, taken []string
		var at []int
		var left []int64 // jobs that did not fit
		n := 0
		err := q.p.writer.do(ctx, maxTxTasks, func(t *tx) {
			moved, taken, at, left = nil, nil, nil, nil
			s := t.state(q.id)
			jobs := find(t)
			bytesLeft := maxTxBytes
			for i, j := range jobs {
				if bytesLeft < 0 {
					left = append(left, j.seq)
					continue
				}
				if t.onQueue(s, j.id) {
					taken, at = append(taken, j.id), append(at, b.checked+i)
				} else if envelope := t.envelope(j.seq); t.redrive(s, j, s.task(j, envelope, t.now)) {
					moved = append(moved, j.id)
					bytesLeft -= len(envelope)
				}
			}
			n = len(jobs) - len(left)
		})
		if err != nil {
			return err
		}
		b.ids, b.checked = append(b.ids, moved...), b.checked+n
		for i, id := range taken {
			b.failed.Add(at[i], id, fmt.Errorf("%w: task %s is on queue %q again", driver.ErrDuplicate, id, q.cfg.Name))
		}
		if find = nil; len(left) > 0 {
			find = func(t *tx) (jobs []job) {
				for _, seq := range left {
					if j, ok := t.job(seq); ok {
						jobs = append(jobs, j)
					}
				}
				return jobs
			}
		}
	}
	return nil
}

func (t *tx) onQueue(s *state, id string) bool {
	r := t.queryText(sqlJobAny, id, s.id)
	defer r.done()
	return r.next()
}

// task reads a dead row of the queue, or makes the task that represents a row that cannot
// be decoded.
func (s *state) task(j job, envelope []byte, now int64) *driver.Task {
	task, err := driver.DecodeEnvelope(envelope)
	if err != nil {
		task = driver.Undecodable(j.id, s.name, envelope, time.Unix(0, now), err)
	}
	return task
}

// redrive moves a dead job back to its queue of origin, at the end of the line, as the
// given task, and reports false if a worker of the dead letter queue has it.
func (t *tx) redrive(s *state, j job, task *driver.Task) bool {
	dlq := t.state(j.queue)
	if t.takeOut(dlq, j) == "" {
		return false
	}
	driver.ClearDeath(task, dlq.name)
	task.Queue, task.ID = s.name, j.id
	t.detach(j)
	t.exec(sqlJobDrop, j.seq)
	// The unique key is not taken again.
	back := job{queue: s.id, id: j.id, level: int64(task.Priority), place: s.next(), due: t.now, grp: task.GroupKey}
	t.insert(&back, 0, driver.AppendEnvelope(nil, task))
	t.join(s, back, false)
	return true
}

// Discard implements [driver.Discarder]. Tasks that a worker of the dead letter
// queue has leased stay.
func (q *queue) Discard(ctx context.Context, ids []string) ([]string, error) {
	if q.isDLQ {
		return nil, driver.NoDiscard(q.cfg.Name)
	}
	return q.each(ctx, ids, func(t *tx, _ *state, id string) bool {
		gone := false
		for _, j := range q.deadByID(t, id) {
			gone = t.remove(t.state(j.queue), j) || gone
		}
		return gone
	})
}
