package rabbitmq

import (
	"context"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// Enqueue implements [driver.Queue]. When it returns nil, the broker has written the
// tasks to the disk of a majority of its nodes. It takes one and a half round trips for
// each 256 tasks. If the connection ends meanwhile, unconfirmed tasks are sent again,
// and may be there twice. While the broker takes no messages, because it is short of
// memory or disk, Enqueue returns ErrQueueFull at once. A task that is on its way at
// that moment may be stored later: its error is ErrUnavailable, and not ErrQueueFull.
func (q *queue) Enqueue(ctx context.Context, tasks []*driver.Task) ([]driver.Enqueued, error) {
	if err := q.open(); err != nil {
		return nil, err
	}
	ctx, cancel := q.bound(ctx)
	defer cancel()
	var (
		answers = make([]driver.Enqueued, len(tasks))
		letters = make([]*letter, 0, len(tasks))
		at      = make([]int, 0, len(tasks))
		ids     = make(map[string]bool, len(tasks))
		failed  = make([]error, len(tasks))
		now     = time.Now()
	)
	for i, t := range tasks {
		if t.Queue != q.cfg.Name {
			moved := *t
			t, moved.Queue = &moved, q.cfg.Name
		}
		if failed[i] = q.refuses(t, ids); failed[i] != nil {
			continue
		}
		due := t.ScheduledFor
		if due.IsZero() {
			due = t.CreatedAt
		}
		answers[i] = driver.Enqueued{ID: t.ID, Queue: q.cfg.Name, DueAt: due}
		l := &letter{id: t.ID, body: driver.AppendEnvelope(nil, t)}
		q.st.address(l, q.st.lineOf(t), t.ScheduledFor, now)
		letters, at = append(letters, l), append(at, i)
	}
	q.p.publish(ctx, letters)
	for k, l := range letters {
		failed[at[k]] = l.err
	}
	return answers, batchError(failed, func(i int) string { return tasks[i].ID })
}

// refuses says why a task cannot be on this queue.
func (q *queue) refuses(t *driver.Task, ids map[string]bool) error {
	if err := q.cfg.Accepts(t); err != nil {
		return err
	}
	switch {
	case t.UniqueKey != "":
		return fmt.Errorf("%w: task %s (%s) has a unique key, and RabbitMQ keeps none", driver.ErrUnsupported, t.ID, t.Type)
	case len(t.Payload) > maxPayload:
		return fmt.Errorf("%w: task %s (%s) has %d bytes, and RabbitMQ takes %d here", driver.ErrPayloadTooLarge, t.ID, t.Type, len(t.Payload), maxPayload)
	case ids[t.ID]:
		return fmt.Errorf("%w: %s is in the batch twice", driver.ErrDuplicate, t.ID)
	}
	ids[t.ID] = true
	return nil
}

// batchError makes one error of those of the items.
func batchError(errs []error, id func(i int) string) error {
	var be driver.BatchError
	for i, err := range errs {
		if err != nil {
			be.Add(i, id(i), err)
		}
	}
	return be.OrNil()
}

// lineOf is the line that a task of this queue waits in.
func (st *queueState) lineOf(t *driver.Task) int {
	switch st.kind {
	case driver.Priority:
		return min(max(t.Priority, 0), len(st.lines)-1)
	case driver.FIFO:
		h := fnv.New32a()
		_, _ = h.Write([]byte(t.GroupKey))
		return int(h.Sum32() % uint32(len(st.lines)))
	}
	return 0
}

// address is the destination of a task that is due at the given time.
func (st *queueState) address(l *letter, line int, due, now time.Time) {
	rest := due.Sub(now)
	if rest <= 0 {
		l.to = st.lines[line]
		return
	}
	l.to, l.line, l.due = st.p.names.gate(st.name), line, due
	if k := stepFor(rest, st.p.top); k >= 0 {
		l.exchange = st.p.names.wait(k)
	}
}
