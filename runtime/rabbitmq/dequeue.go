package rabbitmq

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

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

// A waiter is a Dequeue that waits for tasks.
type waiter struct {
	limit int
	lease time.Duration
	got   chan []*lease // capacity 1
	fail  chan error    // capacity 1
}

// want waits for tasks.
func (st *queueState) want(ctx context.Context, closed <-chan struct{}, limit int, d time.Duration) ([]*lease, error) {
	w := &waiter{limit: limit, lease: d, got: make(chan []*lease, 1), fail: make(chan error, 1)}
	st.mu.Lock()
	st.forget()
	if now := time.Now(); !st.next.IsZero() && !st.next.After(now) {
		st.endLeases(now) // the alarm may come a little late
	}
	if st.kind == driver.Standard && len(st.waiters) == 0 && len(st.drawn) > 0 {
		defer st.mu.Unlock()
		return st.handOut(limit, d), nil
	}
	st.waiters = append(st.waiters, w)
	if st.kind == driver.FIFO {
		st.asked = time.Now()
		if st.held() == 0 {
			st.signalShares()
		}
	}
	if st.unwanted == nil {
		st.unwanted = make(chan struct{})
	}
	st.mu.Unlock()
	st.wake()
	select {
	case got := <-w.got:
		return got, nil
	case err := <-w.fail:
		return nil, err
	case <-ctx.Done():
	case <-closed:
	}
	st.mu.Lock()
	if st.kind == driver.Standard && ctx.Err() != nil && len(st.drawn) > 0 && len(st.waiters) > 0 && st.waiters[0] == w {
		w.got <- st.handOut(limit, d) // further tasks take longer
	}
	st.waiters = slices.DeleteFunc(st.waiters, func(o *waiter) bool { return o == w })
	st.asked = time.Now()
	st.unwant()
	st.mu.Unlock()
	st.wake() // the next waiter may want something else
	select {
	case got := <-w.got: // in the last moment
		return got, nil
	default:
		return nil, driver.ErrNoTasks
	}
}

// serve hands out drawn tasks.
func (st *queueState) serve() {
	st.mu.Lock()
	defer st.mu.Unlock()
	for len(st.waiters) > 0 && len(st.drawn) > 0 {
		w := st.waiters[0]
		st.waiters = st.waiters[1:]
		w.got <- st.handOut(w.limit, w.lease)
	}
	st.unwant()
}
