package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// maxPayload is well below the 128 MiB that a broker takes by default: quorum queues keep
// several copies of each message on its way to the disk.
const maxPayload = 4 << 20

// lateness is what a due task needs from the gate to a worker, with a margin.
const lateness = 250 * time.Millisecond

// A queue is one open queue of a Provider.
type queue struct {
	p    *Provider
	st   *queueState
	cfg  driver.QueueConfig
	ctx  context.Context // ends when the queue is closed
	shut context.CancelFunc

	around driver.Revival // of what Redrive moves
}

var _ interface {
	driver.Queue
	driver.Purger
	driver.Reviver
	driver.Discarder
} = (*queue)(nil)

// Config implements [driver.Queue].
func (q *queue) Config() driver.QueueConfig { return q.cfg }

// Capabilities implements [driver.Queue].
func (q *queue) Capabilities() driver.Capabilities {
	return driver.Capabilities{
		MaxDelay:      driver.Unlimited,
		MaxLease:      q.p.maxLease,
		MaxPayload:    maxPayload,
		MaxBatch:      maxDraw,
		KeepsReleased: true, CountsLeased: true,
		Ordered:         q.cfg.Type == driver.FIFO,
		Priorities:      q.cfg.Levels,
		Durable:         true,
		ForgivesCrashes: true, FairGroups: true, CountsExpired: true,
		CountsCrashes: !q.st.isDLQ,
		// A process receives from the partitions of a fifo queue ahead of its workers.
		ExactCrashes: q.cfg.Type != driver.FIFO,
		Lateness:     lateness,
		Purge:        true,
		Redrive:      !q.st.isDLQ, Discard: !q.st.isDLQ,
	}
}

// Close implements [driver.Queue].
func (q *queue) Close() error {
	q.shut()
	q.p.mu.Lock()
	defer q.p.mu.Unlock()
	delete(q.p.queues, q)
	return nil
}

// open returns an error when the queue is closed.
func (q *queue) open() error {
	if q.ctx.Err() != nil {
		return driver.QueueClosed(q.cfg.Name)
	}
	return nil
}

// bound is a context that ends with ctx and when the queue is closed.
func (q *queue) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(q.ctx, func() { cancel(q.open()) })
	return ctx, func() { stop(); cancel(nil) }
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

// Dequeue implements [driver.Queue]. It waits until ctx ends, and requests at most limit
// tasks from the broker. With a context that has ended it does not check for tasks.
func (q *queue) Dequeue(ctx context.Context, limit int, d time.Duration) ([]*driver.Delivery, error) {
	if err := driver.CheckDequeue(q.cfg.Name, limit, d); err != nil {
		return nil, err
	}
	if err := q.p.keeps(d); err != nil {
		return nil, err
	}
	for {
		if err := q.open(); err != nil {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, driver.ErrNoTasks
		}
		got, err := q.st.want(ctx, q.ctx.Done(), limit, d)
		if err != nil {
			return nil, errors.Join(q.open(), err)
		}
		if ds := q.deliver(ctx, got); len(ds) > 0 {
			return ds, nil
		}
	}
}

// deliver decodes the drawn messages. A message that cannot be decoded goes to the dead
// letter queue, and a misdelivered one to its place.
func (q *queue) deliver(ctx context.Context, got []*lease) []*driver.Delivery {
	room := make([]driver.Delivery, len(got))
	tasks := make([]*driver.Task, len(got))
	q.st.mu.Lock() // a lease that has ended may be on its way to somebody else
	for i, l := range got {
		room[i] = driver.Delivery{Receipt: l.receipt, LeaseUntil: l.until, Crashes: l.crashes}
		if l.task != nil { // of a group: its worker may change its own copy
			tasks[i] = l.task.Clone()
		}
	}
	q.st.mu.Unlock()
	ds := make([]*driver.Delivery, 0, len(got))
	var misdelivered []*driver.Delivery
	now := time.Now()
	for i, l := range got {
		d := &room[i]
		if d.Task = tasks[i]; d.Task == nil {
			var err error
			if q.st.isDLQ {
				d.Task = q.letterOf(l)
			} else if d.Task, err = decode(l.body, headersOf(l.from)); err != nil {
				q.buryUndecodable(ctx, l, err)
				continue
			}
		}
		if q.st.isDLQ {
			d.Crashes = 0
		}
		if q.st.elsewhere(l, d.Task, now) {
			misdelivered = append(misdelivered, d)
			continue
		}
		ds = append(ds, d)
	}
	q.sendOn(misdelivered, now)
	return ds
}
