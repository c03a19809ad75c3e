package nats

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// Complete implements [driver.Queue]. It takes 1 request per task, on a fifo queue 6, for
// all tasks of a batch at once.
func (q *queue) Complete(ctx context.Context, ds []*driver.Delivery) error {
	return q.settle(ctx, ds, func(ctx context.Context, ls []*lease, _ []*driver.Delivery) []error {
		for _, l := range ls {
			l.finished = true
		}
		return q.finish(ctx, ls)
	})
}

// DeadLetter implements [driver.Queue]. On a queue that is itself a dead letter queue it
// returns an error wrapping ErrUnsupported. It takes 1 request more than Complete.
func (q *queue) DeadLetter(ctx context.Context, ds []*driver.Delivery) error {
	if err := q.beginCall(); err != nil {
		return err
	}
	defer q.p.calls.Done()
	if q.isDLQ() {
		return driver.NoDLQ(q.cfg.Name)
	}
	return q.settle(ctx, ds, func(ctx context.Context, ls []*lease, ds []*driver.Delivery) []error {
		tasks := make([]*driver.Task, len(ds))
		for i, d := range ds {
			tasks[i] = d.Task
		}
		return q.moveToDLQ(ctx, ls, tasks)
	})
}

// moveToDLQ writes tasks to the dead letter queue and then removes them from this one. The
// originID of the message here identifies it there, so that a repeated write is noticed.
func (q *queue) moveToDLQ(ctx context.Context, ls []*lease, tasks []*driver.Task) []error {
	rs := make([]*request, len(ls))
	for i, l := range ls {
		rs[i] = q.deadLetterRequest(l, tasks[i])
		l.buried = true
	}
	errs := make([]error, len(ls))
	why := q.requester.roundTrip(ctx, rs, alive(ls))
	var buried []*lease
	var at []int
	for i, r := range rs {
		if _, err := r.ack(); err != nil {
			errs[i] = queueFull(preferCause(err, why))
			continue
		}
		ls[i].finished = true
		buried, at = append(buried, ls[i]), append(at, i)
	}
	for k, err := range q.finish(ctx, buried) {
		errs[at[k]] = err
	}
	return errs
}

// Extend implements [driver.Queue]. It takes 1 request per task, all at once.
func (q *queue) Extend(ctx context.Context, ds []*driver.Delivery, length time.Duration) error {
	if err := driver.CheckExtend(q.cfg.Name, length); err != nil {
		return err
	}
	until := time.Now().Add(length)
	return q.claim(ctx, ds, func(ctx context.Context, ls []*lease, ds []*driver.Delivery) []error {
		rs := make([]*request, len(ls))
		for i, l := range ls {
			rs[i] = l.nakRequest(time.Until(until) + slack)
		}
		why := q.requester.roundTrip(ctx, rs, alive(ls))
		errs := make([]error, len(ls))
		for i, r := range rs {
			end := ls[i].until
			if r.reply == nil {
				errs[i] = preferCause(r.unanswered(), why)
			} else {
				end, ds[i].LeaseUntil = until, until
			}
			q.held.unclaim(q.queueState, ls[i], end)
		}
		return errs
	})
}

// fullPause is how long a task waits at least after a full stream refused its retry.
const fullPause = time.Second

// Release implements [driver.Queue]. A task without a delay goes to the end of the
// queue; on a fifo queue it stays the first of its group. It takes 2 requests per task:
// one writes a copy, which the server refuses if there is a later one, and one removes
// the old message.
func (q *queue) Release(ctx context.Context, ds []*driver.Delivery) error {
	now := time.Now()
	return q.settle(ctx, ds, func(ctx context.Context, ls []*lease, ds []*driver.Delivery) []error {
		errs := make([]error, len(ls))
		rs := make([]*request, len(ls))
		delays := make([]time.Duration, len(ls))
		for i, d := range ds {
			task := *d.Task
			if delays[i] = max(d.Delay, fullPause); d.Delay > 0 {
				task.ScheduledFor = now.Add(d.Delay)
				rs[i] = q.delayed(ls[i], nil, task.ScheduledFor)
			} else {
				rs[i] = publish(ls[i].subject, nil, q.replaceGuard(ls[i]), q.headerOf(ls[i], 0))
			}
			q.fit(rs[i], &task) // otherwise it is put back unchanged
		}
		q.replace(ctx, ls, rs, delays, errs)
		return errs
	})
}

// delayed is a request that stores a copy of a delivered message which is due later.
func (q *queue) delayed(l *lease, data []byte, at time.Time) *request {
	place, target := placeWaiting, placeHead
	if q.kind != driver.FIFO {
		partition := l.place[len(placeReady):]
		place, target = placeScheduled+partition, placeReady+partition
	}
	header := q.later(q.headerOf(l, 0), at, q.at(target, l.tail))
	return publish(q.at(place, l.tail), data, guard{q.copies(l), l.seq}, header)
}

// replace writes copies, and then removes the delivered messages.
func (q *queue) replace(ctx context.Context, ls []*lease, rs []*request, delays []time.Duration, errs []error) {
	why := q.requester.roundTrip(ctx, rs, alive(ls))
	var acks, backs []*request
	var at []int
	for i, r := range rs {
		_, err := r.ack()
		switch {
		case codeOf(err) == codeWrongSequence && r.resent && q.wroteLast(ctx, ls[i], r):
			err = nil // the answer to an earlier try was lost
		case codeOf(err) == codeWrongSequence:
			err = lostLease(ls[i].id, q.name)
		case hasNoCopy(err):
			// There is no space for a copy. The message itself comes back in time,
			// unchanged, which counts as a crash.
			q.p.logger().Warn("nats: no space for the retry of a task: it is put back unchanged, which counts as a crash", "task", ls[i].id, "queue", q.name, "error", err)
			backs, at = append(backs, ls[i].nakRequest(delays[i])), append(at, i)
			continue
		case err != nil:
			err = preferCause(err, why)
		}
		if errs[i] = err; err == nil {
			acks = append(acks, ls[i].ackRequest())
		}
	}
	if len(backs) > 0 {
		why := q.requester.roundTrip(ctx, backs, alive(ls))
		for k, r := range backs {
			if r.reply == nil {
				errs[at[k]] = preferCause(r.unanswered(), why)
			}
		}
	}
	// A message that stays nevertheless is dropped when it comes again, because it has a
	// later copy.
	_ = q.requester.roundTrip(ctx, acks, func(int) bool { return false })
}

// wroteLast reports whether the last copy of a task is the one that r wrote.
func (q *queue) wroteLast(ctx context.Context, l *lease, r *request) bool {
	get := q.requester.last(q.names.stream, q.at(anyPlace, l.tail))
	if err := q.requester.roundTrip(ctx, []*request{get}, nil); err != nil {
		return false
	}
	m, err := get.message()
	return err == nil && m != nil && m.seq > l.seq && string(m.data) == string(r.data)
}

// finish removes delivered messages from their stream.
func (s *queueState) finish(ctx context.Context, ls []*lease) []error {
	if s.kind == driver.FIFO {
		return s.advance(ctx, ls)
	}
	errs := s.remove(ctx, ls)
	var finished []*lease
	for i, l := range ls {
		if l.redelivered && l.finished && errs[i] == nil {
			finished = append(finished, l)
		}
	}
	s.dropCopies(ctx, finished)
	return errs
}

// dropCopies removes copies of done tasks that earlier holders wrote, and that reached
// the server after it had handed the tasks out again itself, because it had stalled. A
// task whose copy cannot be looked up runs again.
func (s *queueState) dropCopies(ctx context.Context, ls []*lease) {
	if len(ls) == 0 {
		return
	}
	gets := make([]*request, len(ls))
	for i, l := range ls {
		gets[i] = s.requester.last(s.names.stream, s.copies(l))
		gets[i].brings = max(len(l.data), 1)
	}
	if s.requester.roundTrip(ctx, gets, alive(ls)) != nil {
		return
	}
	var copies []*stored
	for i, l := range ls {
		if m, err := gets[i].message(); err == nil && s.replaces(m, l) {
			copies = append(copies, m)
		}
	}
	_, _ = s.discard(ctx, copies)
}

// replaces reports whether a message is a copy that replaces a delivery's.
func (s *queueState) replaces(m *stored, l *lease) bool {
	return m != nil && m.seq > l.seq && m.header.Get(headerReplaces) == s.originID(l.seq, l.stored)
}

// remove acknowledges messages, and deletes those that another worker may have. It also
// deletes if an answer is missing: a server that was killed may have forgotten that it
// delivered a message, and then ignores an acknowledgement.
func (s *queueState) remove(ctx context.Context, ls []*lease) []error {
	room := make([]request, len(ls))
	rs := make([]*request, len(ls))
	deleted := make([]bool, len(ls))
	for i, l := range ls {
		if deleted[i] = l.ack == ""; deleted[i] {
			room[i] = *s.requester.remove(s.names.stream, l.seq)
		} else {
			room[i] = *l.ackRequest()
		}
		rs[i] = &room[i]
	}
	keep := alive(ls)
	why := s.requester.roundTrip(ctx, rs, func(i int) bool {
		if deleted[i] {
			return keep(i)
		}
		deleted[i] = true
		away := s.requester.remove(s.names.stream, ls[i].seq)
		rs[i].subject, rs[i].data = away.subject, away.data
		return keep(i)
	})
	errs := make([]error, len(ls))
	for i, r := range rs {
		var err error
		switch {
		case r.reply == nil:
			err = r.unanswered()
		case deleted[i]:
			_, err = r.removed()
		}
		if err != nil {
			errs[i] = preferCause(err, why)
		}
	}
	return errs
}

// alive ends the tries for messages that have lost their lease.
func alive(ls []*lease) func(i int) bool {
	return func(i int) bool { return time.Now().Before(ls[i].until) }
}

// preferCause prefers the error that ended a batch of requests to the error of a request
// without an answer.
func preferCause(err, why error) error {
	if err == errNoAnswer && why != nil {
		return fmt.Errorf("%w: %w", errNoAnswer, why)
	}
	return err
}

func lostLease(id, queue string) error {
	return fmt.Errorf("%w: task %s of queue %q", driver.ErrLeaseLost, id, queue)
}

type settleStep func(ctx context.Context, ls []*lease, ds []*driver.Delivery) []error

// settle runs a step that ends leases.
func (q *queue) settle(ctx context.Context, ds []*driver.Delivery, step settleStep) error {
	return q.claim(ctx, ds, func(ctx context.Context, ls []*lease, ds []*driver.Delivery) []error {
		defer q.moves.begin()()
		errs := step(ctx, ls, ds)
		for i, l := range ls {
			if errs[i] == nil || isLost(errs[i]) {
				q.held.drop(l)
			} else {
				q.held.unclaim(q.queueState, l, l.until)
			}
		}
		return errs
	})
}

// claim runs a step for the deliveries whose lease is held, and records the others. The
// step ends when the last of the leases has ended.
func (q *queue) claim(ctx context.Context, ds []*driver.Delivery, step settleStep) error {
	if err := q.beginCall(); err != nil {
		return err
	}
	defer q.p.calls.Done()
	var (
		failed driver.BatchError
		ls     []*lease
		mine   []*driver.Delivery
		at     []int
		ends   []time.Time // of the leases, which are others' when the step is over
		end    time.Time
	)
	taken, err := q.held.claim(ctx, ds)
	if err != nil {
		return fmt.Errorf("queue %q: %w", q.cfg.Name, err)
	}
	for i, l := range taken {
		if l == nil {
			failed.Add(i, idOf(ds[i]), lostLease(idOf(ds[i]), q.name))
			continue
		}
		ls, mine, at, ends = append(ls, l), append(mine, ds[i]), append(at, i), append(ends, l.until)
		if l.until.After(end) {
			end = l.until
		}
	}
	if len(ls) > 0 {
		limited, cancel := context.WithDeadline(ctx, end)
		defer cancel()
		for k, err := range step(limited, ls, mine) {
			if err != nil && !isLost(err) && !time.Now().Before(ends[k]) {
				err = fmt.Errorf("%w: %w", lostLease(idOf(mine[k]), q.name), err)
			}
			failed.Add(at[k], idOf(mine[k]), err)
		}
	}
	return failed.Sorted()
}

func isLost(err error) bool { return errors.Is(err, driver.ErrLeaseLost) }

func idOf(d *driver.Delivery) string {
	if d.Task == nil {
		return ""
	}
	return d.Task.ID
}
