package rabbitmq

import (
	"context"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A search looks for dead tasks of one queue on its dead letter queue.
type search struct {
	*scan
	q   *queue
	ids map[string]int // how many of each are searched; nil: all
	// deaths are the required deaths of the tasks of ids; nil: any.
	deaths map[driver.Death]bool
	// again says that the tasks were counted once more, because some were not found.
	again bool
}

// search begins a search; nil if the dead letter queue is empty.
func (q *queue) search(ctx context.Context, ids []string, deaths []driver.Death) (*search, error) {
	s, err := q.p.link.session(ctx)
	if err != nil {
		return nil, err
	}
	if err := q.awaitLetters(ctx, s); err != nil {
		return nil, err
	}
	c, err := s.scan(ctx, q.p.names.line(q.cfg.DLQ, 0))
	if c == nil {
		return nil, err
	}
	f := &search{scan: c, q: q}
	if ids != nil || deaths != nil {
		f.ids = make(map[string]int, len(ids)+len(deaths))
	}
	for _, id := range ids {
		f.ids[id] = 1
	}
	if deaths != nil {
		f.deaths = make(map[driver.Death]bool, len(deaths))
		for _, d := range deaths {
			f.deaths[d] = true
			f.ids[d.ID]++
		}
	}
	return f, nil
}

// drawnWait bounds how long a search waits for letters that a process has drawn and not
// handed out: many times as long as it may keep them, because it may be starved of time.
const drawnWait = 5 * time.Second

// awaitLetters waits until no process has letters that were drawn for a worker of the
// dead letter queue that has left: each process gives them back after deadIdleWait, or at
// the latest after maxDeadIdleWait.
func (q *queue) awaitLetters(ctx context.Context, s *session) error {
	for deadline := time.Now().Add(drawnWait); ; {
		all, err := s.tallyAll(ctx, q.cfg.DLQ, "")
		if err != nil || all.drawn == 0 || time.Now().After(deadline) {
			return err
		}
		select {
		case <-time.After(deadIdleWait):
		case <-ctx.Done():
			return ended(ctx)
		}
	}
}

// A deadTask is a requested dead task of the search's queue.
type deadTask struct {
	seen
	task *driver.Task
	// death is the task's death; edited says that its payload was changed since.
	death  driver.Death
	edited bool
	raw    bool // an undecodable task
	from   *amqp.Delivery
	body   []byte
}

// next returns some of the requested tasks; none when the search is over.
func (f *search) next(ctx context.Context) (found []deadTask, err error) {
	if f.n == 0 && len(f.ids) > 0 && !f.again {
		f.again = true
		if err := f.count(ctx); err != nil {
			return nil, err
		}
	}
	if f.ids != nil && len(f.ids) == 0 {
		return nil, nil
	}
	err = f.read(ctx, func(d *amqp.Delivery, at seen) bool {
		x := f.q.p.names.readDead(d.Body, d.MessageId, d.Headers, f.q.cfg.DLQ)
		if x.task.Metadata[driver.MetaOriginalQueue] != f.q.cfg.Name || f.ids != nil && f.ids[x.task.ID] == 0 {
			return false
		}
		death := driver.DeathOf(x.task)
		if f.deaths != nil && !f.deaths[death] {
			return false
		}
		found = append(found, deadTask{seen: at, task: x.task, death: death, raw: x.raw, from: foreign(d, accounts), body: d.Body})
		return true
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// drop removes dead tasks.
func (f *search) drop(ctx context.Context, gone []deadTask) error {
	done := make([]seen, len(gone))
	for i, x := range gone {
		done[i] = x.seen
		if f.ids == nil { // all are searched
			continue
		}
		if f.ids[x.task.ID]--; f.ids[x.task.ID] <= 0 {
			delete(f.ids, x.task.ID)
		}
	}
	return f.settle(ctx, done, ack)
}

// dig calls f with dead tasks, then removes them from their queue, and returns their
// deaths. It searches for the given IDs, the given deaths, or all if both are nil.
func (q *queue) dig(ctx context.Context, ids []string, deaths []driver.Death, f func(context.Context, []deadTask) ([]deadTask, error)) ([]driver.Death, error) {
	if err := q.open(); err != nil {
		return nil, err
	}
	ctx, cancel := q.bound(ctx)
	defer cancel()
	return q.digClosed(ctx, ids, deaths, f)
}

// digClosed is dig on a queue that may be closed.
func (q *queue) digClosed(ctx context.Context, ids []string, deaths []driver.Death, f func(context.Context, []deadTask) ([]deadTask, error)) (done []driver.Death, err error) {
	select { // two scans would hide the tasks from each other
	case q.st.digging <- struct{}{}:
	case <-ctx.Done():
		return nil, ended(ctx)
	}
	free := func() { <-q.st.digging }
	c, err := q.search(ctx, ids, deaths)
	if c == nil {
		free()
		return nil, err
	}
	defer func() { // if ctx ends, it continues without the caller
		_ = do(ctx, func() error {
			defer free()
			c.end()
			return nil
		})
	}()
	for {
		found, err := c.next(ctx)
		if err != nil || len(found) == 0 {
			return done, err
		}
		gone, failed := f(ctx, found)
		if err := c.drop(ctx, gone); err != nil {
			return done, err
		}
		for _, x := range gone {
			done = append(done, x.death)
		}
		if failed != nil {
			return done, failed
		}
	}
}
