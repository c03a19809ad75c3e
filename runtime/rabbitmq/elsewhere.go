package rabbitmq

import (
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// Other programs publish tasks by hand, and most of them to the name of the queue. The
// envelope counts: a task that is not due goes to the ladder, and one of another level
// or partition to its own line.

// elsewhere reports whether a task does not belong where it was drawn.
func (st *queueState) elsewhere(l *lease, t *driver.Task, now time.Time) bool {
	return !st.isDLQ && !l.kept && (t.ScheduledFor.After(now) || st.lineOf(t) != l.line)
}

// sendOn sends tasks to where they belong. The clocks of two processes differ a little:
// a task that is almost due waits here.
func (q *queue) sendOn(ds []*driver.Delivery, now time.Time) {
	var far []*driver.Delivery
	for _, d := range ds {
		if rest := d.Task.ScheduledFor.Sub(now); rest > 0 && rest < step(0)+stepSlack {
			q.st.postpone(d, rest)
		} else {
			far = append(far, d)
		}
	}
	if len(far) == 0 {
		return
	}
	ctx, cancel := outlast(q.p.ctx)
	defer cancel()
	err := q.settle(ctx, far, func(l *lease, d *driver.Delivery) *letter {
		on := &letter{id: l.id, body: l.body, from: l.from, crashes: l.crashes}
		q.st.address(on, q.st.lineOf(d.Task), d.Task.ScheduledFor, now)
		return on
	})
	if err != nil {
		for _, d := range far { // nothing of the tasks that have left is here any more
			q.st.postpone(d, againWait)
		}
	}
}

// postpone keeps a task here for a while that was handed out but not received.
func (st *queueState) postpone(d *driver.Delivery, wait time.Duration) {
	l := st.take([]*driver.Delivery{d})[0]
	if l == nil {
		return
	}
	if st.kind != driver.FIFO {
		time.AfterFunc(wait, func() { st.keep(l) })
		return
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	delete(st.leases, l.receipt)
	l.state, l.until = resting, time.Now().Add(wait)
	st.wakeAt(l.until)
}
