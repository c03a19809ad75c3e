package rabbitmq

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// take begins to settle deliveries: nil for one whose lease is over, or that is already
// being settled. Until settled or restore is called, the lease is valid, can be
// extended and does not end.
func (st *queueState) take(ds []*driver.Delivery) []*lease {
	st.mu.Lock()
	defer st.mu.Unlock()
	now := time.Now()
	held := make([]*lease, len(ds))
	for i, d := range ds {
		if l := st.leases[d.Receipt]; l.holds(now) && l.state == leased {
			l.state = settling
			held[i] = l
		}
	}
	return held
}

// settled ends leases whose tasks have left the queue.
func (st *queueState) settled(held []*lease) {
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, l := range held {
		if l != nil {
			delete(st.leases, l.receipt)
			l.state = gone
		}
	}
	if st.kind == driver.FIFO { // the next tasks of their groups may go
		st.drawn = slices.DeleteFunc(st.drawn, func(l *lease) bool { return l.state == gone })
		st.wake()
	}
}

// restore gives back a lease whose task could not be settled.
func (st *queueState) restore(l *lease) {
	st.mu.Lock()
	defer st.mu.Unlock()
	l.state = leased
	st.wakeAt(l.until)
}

func (q *queue) lost(d *driver.Delivery) error {
	return fmt.Errorf("%w: task %s on queue %q", driver.ErrLeaseLost, idOf(d), q.cfg.Name)
}

func idOf(d *driver.Delivery) string {
	if d.Task == nil {
		return ""
	}
	return d.Task.ID
}

// settle takes deliveries off the queue. With letter, each is first published to a new
// place, and stays where it is if that fails.
//
// Acknowledgements are sent in runs and have no answer; one more round trip shows that
// the broker has them. If the connection ends before, the task may come again:
// ErrLeaseLost.
func (q *queue) settle(ctx context.Context, ds []*driver.Delivery, write func(l *lease, d *driver.Delivery) *letter) error {
	if err := q.open(); err != nil {
		return err
	}
	ctx, cancel := q.bound(ctx)
	defer cancel()
	held := q.st.take(ds)
	failed := make([]error, len(ds))
	for i, l := range held {
		if l == nil {
			failed[i] = q.lost(ds[i])
		}
	}
	if write != nil {
		q.move(ctx, ds, held, failed, write)
	}
	q.acknowledge(ctx, ds, held, failed)
	q.st.settled(held)
	return batchError(failed, func(i int) string { return idOf(ds[i]) })
}

// keep takes back an unchanged task for the next worker here, without a message to the
// broker.
func (st *queueState) keep(l *lease) {
	st.mu.Lock()
	defer st.mu.Unlock()
	delete(st.leases, l.receipt)
	l.state, l.until = waiting, time.Time{}
	st.draw(l)
	st.wake()
}

// move publishes the new copies of deliveries. If write returns none, there is nothing
// to do. If the broker reports meanwhile that it takes no messages for now, the leases
// stay valid, and the call may be repeated: a message under way is then not published
// again.
func (q *queue) move(ctx context.Context, ds []*driver.Delivery, held []*lease, failed []error, write func(l *lease, d *driver.Delivery) *letter) {
	var letters []*letter
	var at []int
	for i, l := range held {
		if l == nil {
			continue
		}
		letter := l.moving
		if letter == nil {
			if letter = write(l, ds[i]); letter == nil {
				held[i] = nil
				continue
			}
		}
		letters, at = append(letters, letter), append(at, i)
	}
	q.p.publish(ctx, letters)
	var again []*letter
	for k, letter := range letters {
		l := held[at[k]]
		if errors.Is(letter.err, driver.ErrPayloadTooLarge) && l.raw == nil && shrink(letter, l.body, l.from, ds[at[k]].Task) {
			again = append(again, letter)
		}
	}
	if len(again) > 0 {
		q.p.publish(ctx, again)
	}
	for k, letter := range letters {
		l := held[at[k]]
		if l.moving = nil; letter.err == nil {
			continue
		}
		if letter.sent != nil || letter.stuck != nil {
			l.moving = letter
		}
		if errors.Is(letter.err, errUnanswered) {
			letter.err = fmt.Errorf("%w: %w", driver.ErrQueueFull, letter.err)
		}
		failed[at[k]] = letter.err
		q.st.restore(l)
		held[at[k]] = nil
	}
}

func (q *queue) acknowledge(ctx context.Context, ds []*driver.Delivery, held []*lease, failed []error) {
	by := make(map[*receiver][]*lease, 1)
	for _, l := range held {
		if l != nil {
			by[l.t] = append(by[l.t], l)
		}
	}
	// The partitions of a fifo queue have a channel each: all are asked at once.
	errs := make(map[*receiver]error, len(by))
	var mu sync.Mutex
	settle := func(t *receiver, done []*lease) {
		err := t.ack(done)
		if err == nil {
			err = t.barrier(ctx)
		}
		mu.Lock()
		defer mu.Unlock()
		errs[t] = err
	}
	var all sync.WaitGroup
	for t, done := range by {
		if len(by) == 1 {
			settle(t, done)
		} else {
			all.Go(func() { settle(t, done) })
		}
	}
	all.Wait()
	for i, l := range held {
		if l != nil && errs[l.t] != nil {
			failed[i] = fmt.Errorf("%w (%w)", q.lost(ds[i]), errs[l.t])
		}
	}
}

// Complete implements [driver.Queue].
func (q *queue) Complete(ctx context.Context, ds []*driver.Delivery) error {
	return q.settle(ctx, ds, nil)
}

// Release implements [driver.Queue]. The task goes to the end of its line, or to the
// ladder. A crash between the two steps leaves it there twice. While the broker takes
// no messages, an unchanged task stays with this process, and others fail with
// ErrQueueFull. On a fifo queue a task stays in its place and with this process, which
// keeps the changes of the delivery as long as it lives: the next process gets the task
// as it was enqueued.
func (q *queue) Release(ctx context.Context, ds []*driver.Delivery) error {
	if q.st.kind == driver.FIFO {
		return q.releaseInPlace(ds)
	}
	out := q.p.out.current()
	full := out != nil && out.alarm.err() != nil
	now := time.Now()
	return q.settle(ctx, ds, func(l *lease, d *driver.Delivery) *letter {
		task := *d.Task
		due := time.Time{}
		if d.Delay > 0 {
			due = now.Add(d.Delay)
			task.ScheduledFor = due
		}
		letter := &letter{id: task.ID, crashes: l.crashes}
		if l.raw != nil { // an undecodable task: its bytes go back unchanged
			letter.from, letter.body, letter.headers = l.raw, l.body, marks(l.raw.Headers)
		} else {
			letter.body = driver.AppendEnvelope(nil, &task)
		}
		if full && due.IsZero() && bytes.Equal(letter.body, l.body) {
			q.st.keep(l)
			return nil
		}
		q.st.address(letter, l.line, due, now)
		return letter
	})
}

// DeadLetter implements [driver.Queue]. The task is on the disk of the dead letter queue
// before it leaves this one.
func (q *queue) DeadLetter(ctx context.Context, ds []*driver.Delivery) error {
	if err := q.open(); err != nil {
		return err
	}
	if q.st.isDLQ {
		return driver.NoDLQ(q.cfg.Name)
	}
	return q.settle(ctx, ds, func(_ *lease, d *driver.Delivery) *letter { return q.burial(d.Task) })
}

func (q *queue) burial(t *driver.Task) *letter {
	return &letter{to: q.p.names.line(q.cfg.DLQ, 0), id: t.ID, body: driver.AppendEnvelope(nil, t)}
}

// Extend implements [driver.Queue]. It sends nothing to the broker: this process keeps
// the leases, and gives a task back when its lease ends. No lease is extended beyond
// Capabilities.MaxLease after the broker delivered the task.
func (q *queue) Extend(_ context.Context, ds []*driver.Delivery, d time.Duration) error {
	if err := q.open(); err != nil {
		return err
	}
	if err := driver.CheckExtend(q.cfg.Name, d); err != nil {
		return err
	}
	if err := q.p.keeps(d); err != nil {
		return err
	}
	st, now := q.st, time.Now()
	failed := make([]error, len(ds))
	st.mu.Lock()
	defer st.mu.Unlock()
	for i, del := range ds {
		l := st.leases[del.Receipt]
		if !l.holds(now) {
			failed[i] = q.lost(del)
			continue
		}
		l.until = l.end(now.Add(d))
		del.LeaseUntil = l.until
		st.wakeAt(l.until)
	}
	return batchError(failed, func(i int) string { return idOf(ds[i]) })
}
