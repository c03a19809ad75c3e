package sqs

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/taskgen/taskgen/runtime/driver"
)

// Release implements [driver.Queue]. On standard and priority queues it sends the task
// again, as it is in the delivery, and then deletes the old message: two requests for
// ten tasks. With RetryByVisibility a charged retry hides the message for the delay:
// one request for ten.
//
// On fifo queues it costs one request. A task whose retry was charged stays leased
// here, with its followers, and is handed out here again. An uncharged one goes back
// to SQS, hidden for the delay, for any process that can run it. A delay beyond the
// rest of the 12 hours from the receive is refused with ErrUnsupported, as it is with
// RetryByVisibility.
func (q *Queue) Release(ctx context.Context, ds []*driver.Delivery) error {
	return q.settle(ctx, ds, func(e *queueState, ms []*message, errs []error) {
		e.awaitExtends(ctx, ms, errs)
		kept, hidden, anew := make([]*message, len(ms)), make([]*message, len(ms)), make([]*message, len(ms))
		now := e.p.clock.Now()
		for i, m := range ms {
			if m == nil || errs[i] != nil {
				continue
			}
			charged := ds[i].Task.RetryCount > m.retries
			switch {
			case e.fifo && charged && !e.isDLQ && m.canWaitHere(now.Add(ds[i].Delay)):
				kept[i] = m
			case e.fifo, e.retriesInPlace() && charged && m.receives < maxReceives/2: // far from where SQS moves it
				hidden[i] = m
			default:
				if anew[i] = m; ds[i].Delay > 0 {
					later := *m.task
					later.ScheduledFor = now.Add(ds[i].Delay)
					m.task = &later
				}
			}
		}
		e.recordOutcomes(ctx, ms, errs, false)
		e.delayHeads(ctx, ds, kept, errs)
		e.hideForDelay(ctx, ds, hidden, errs)
		e.resend(ctx, anew, errs)
		for i, m := range kept {
			if m != nil && errs[i] == nil {
				ms[i] = nil // settle must not touch it any more
			}
		}
	})
}

// awaitExtends waits for the current calls of Extend for messages that are about to be
// hidden, and lets no more begin: for SQS the last request counts, and an Extend would
// make them visible when the lease ends.
func (e *queueState) awaitExtends(ctx context.Context, ms []*message, errs []error) {
	for i, m := range ms {
		if m == nil {
			continue
		}
		e.mu.Lock()
		over := m.extended
		m.setReleasing(true)
		e.mu.Unlock()
		if over == nil {
			continue
		}
		select {
		case <-over:
		case <-ctx.Done():
			errs[i] = fmt.Errorf("release task %s, whose lease is being extended: %w", m.task.ID, unavailable(ctx.Err()))
		}
	}
}

// setReleasing records that a Release of the message begins or has ended. queueState.mu is
// held.
func (m *message) setReleasing(begins bool) {
	if m.releasing != nil {
		close(m.releasing)
		m.releasing = nil
	}
	if begins {
		m.releasing = make(chan struct{})
	}
}

// hideForDelay hides messages for their delays. It makes their followers visible: SQS hands
// out nothing of a group before its head.
func (e *queueState) hideForDelay(ctx context.Context, ds []*driver.Delivery, ms []*message, errs []error) {
	now := e.p.clock.Now()
	all := make([]*message, len(ms), 2*len(ms))
	copy(all, ms)
	delays := make(map[*message]time.Duration)
	for i, m := range ms {
		if m == nil || errs[i] != nil {
			continue
		}
		most := m.received.Add(maxLease).Sub(now)
		if ds[i].Delay > most {
			errs[i] = fmt.Errorf("%w: task %s cannot wait for %s: SQS hides a message for 12 hours from its receive at most, of which %s are left", driver.ErrUnsupported, m.task.ID, ds[i].Delay, most)
			continue
		}
		delays[m] = ds[i].Delay
		if e.fifo {
			delays[m] = min(max(delays[m], m.giveBackDelay()), most)
		}
		e.attemptHints.record(m, m.task)
		e.mu.Lock()
		rest := m.followers()
		if m.group != nil {
			m.group.messages = m.group.messages[:1]
		}
		e.mu.Unlock()
		for _, o := range rest {
			delays[o] = o.giveBackDelay()
			all = append(all, o)
		}
	}
	allErrs := append(errs[:len(errs):len(errs)], make([]error, len(all)-len(ms))...)
	e.hide(ctx, true, all, allErrs, func(m *message) int32 { return seconds(delays[m]) })
	copy(errs, allErrs)
}

// DeadLetter implements [driver.Queue]. It sends the tasks to the dead letter queue and
// then deletes them: two requests for ten tasks. If the delete fails, the task is on
// both for a while, and the call is to be repeated.
func (q *Queue) DeadLetter(ctx context.Context, ds []*driver.Delivery) error {
	if q.state.isDLQ {
		return driver.NoDLQ(q.cfg.Name)
	}
	return q.settle(ctx, ds, func(e *queueState, ms []*message, errs []error) {
		e.moveToDLQ(ctx, ms, errs)
		e.recordOutcomes(ctx, ms, errs, true)
	})
}

// moveToDLQ moves messages to the dead letter queue.
func (e *queueState) moveToDLQ(ctx context.Context, ms []*message, errs []error) {
	e.move(ctx, ms, errs, func(m *message) *outgoing {
		// The message's own ID: a move that is repeated within five minutes is stored
		// once, and another death of the same task is another message.
		o := m.outgoing(e.dlq)
		o.group, o.dedup = token(m.id), token(m.id)
		if (m.undecodable || m.byCodec) && m.sender.group != "" {
			o.group = m.sender.group
		}
		if m.undecodable {
			return o
		}
		delete(o.attrs, attrCrashes)
		o.attrs[attrDead] = e.name
		return o
	})
}

// buryUndecodable buries a message that is no task. The next Dequeue reports it.
func (e *queueState) buryUndecodable(ctx context.Context, m *message) {
	const most = 1000 // of those to report: perhaps no Dequeue comes any more
	errs := make([]error, 1)
	if e.moveToDLQ(ctx, []*message{m}, errs); errs[0] != nil {
		slog.Error("sqs: cannot bury a message that is not a task, will try again when its lease ends", slog.String("queue", e.name), slog.String("message", m.id), slog.Any("error", errs[0]))
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if m.moved && len(e.unreported) < most {
		e.unreported = append(e.unreported, m.task)
	}
}

// reportUndecodable reports to a Dequeue what was buried since the last one.
func (e *queueState) reportUndecodable(ctx context.Context) {
	e.mu.Lock()
	buried := e.unreported
	e.unreported = nil
	e.mu.Unlock()
	for _, t := range buried {
		driver.Buried(ctx, t)
	}
}

// resend sends messages again to the queue that they are on.
func (e *queueState) resend(ctx context.Context, ms []*message, errs []error) {
	now := e.p.clock.Now()
	e.move(ctx, ms, errs, func(m *message) *outgoing {
		o := m.outgoing(m.source.sqsQueue)
		if m.source != e.later && !m.undecodable {
			o.to = e.sourceFor(m.task).sqsQueue
		}
		o.delay = m.task.ScheduledFor.Sub(now)
		return o
	})
}

// move publishes messages in another place and then deletes the old ones: a crash in
// between makes a duplicate, never a loss. A message that was published before, and not
// deleted, is not published again.
func (e *queueState) move(ctx context.Context, ms []*message, errs []error, as func(*message) *outgoing) {
	var batch []*outgoing
	for i, m := range ms {
		if m == nil || errs[i] != nil || m.moved {
			continue
		}
		o := as(m)
		o.index = i
		if o.err = e.p.encodeOrStore(ctx, o); o.err != nil {
			o.task = withoutHistory(o.task)
			o.err = e.p.encodeOrStore(ctx, o)
		}
		if o.err != nil && o.byCodec && o.to == e.dlq { // it dies as it was sent
			o.byCodec = false
			delete(o.attrs, attrTask)
			o.prepare()
		}
		batch = append(batch, o)
	}
	for j, err := range e.p.send(ctx, batch) {
		i := batch[j].index
		errs[i], ms[i].moved = err, err == nil
	}
	e.deleteMessages(ctx, ms, errs)
}

// withoutHistory is a task without the lines and stacks of its attempts, which have made it
// too large for a message.
func withoutHistory(t *driver.Task) *driver.Task {
	c := *t
	c.Metadata = maps.Clone(t.Metadata)
	maps.DeleteFunc(c.Metadata, func(k, _ string) bool {
		return strings.HasPrefix(k, driver.MetaAttemptPrefix) || strings.HasPrefix(k, driver.MetaStackPrefix)
	})
	return &c
}

// outgoing is the message to be sent again, with everything that its sender added.
func (m *message) outgoing(to *sqsQueue) *outgoing {
	o := &outgoing{to: to, task: m.task, attrs: m.attributes(), sender: m.sender}
	if m.undecodable {
		o.raw = &m.raw
	} else if m.keepsBody() {
		o.raw, o.byCodec = &m.raw, true
	}
	return o
}

// attributes are taskgen's own attributes that a message keeps when it is sent again.
func (m *message) attributes() map[string]string {
	if m.undecodable {
		return map[string]string{attrBuried: m.deathRecord.String()}
	}
	a := make(map[string]string, 2)
	if m.crashes > 0 {
		a[attrCrashes] = strconv.Itoa(m.crashes)
	}
	switch {
	case !m.source.state.isDLQ:
	case m.origin != "":
		a[attrDead] = m.origin
	case m.byCodec: // SQS itself moved it, and does not say so again
		a[attrDead] = m.task.Queue
	}
	if m.stored != "" && string(m.payload) == string(m.task.Payload) {
		a[attrStored] = m.stored
	}
	return a
}

// promote puts due delayed tasks of a fifo queue at the end of their groups. The
// error is that of tasks that could not be moved; they come back when their leases end.
func (e *queueState) promote(raw []types.Message, at time.Time) error {
	if len(raw) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(e.background, laterLease)
	defer cancel()
	defer e.markMoving()()
	var due, rest []*message
	for _, r := range raw {
		m, err := e.later.read(r, at, laterLease)
		switch {
		case err != nil:
			m.markUndecodable(r, at, err)
			e.buryUndecodable(ctx, m)
			continue
		case m.task.ScheduledFor.After(at):
			rest = append(rest, m)
		default:
			due = append(due, m)
		}
		if m.stored != "" {
			m.payload = m.task.Payload // its payload stays where it is
		}
	}
	errs := make([]error, len(rest)+len(due))
	e.resend(ctx, rest, errs[:len(rest)])
	e.move(ctx, due, errs[len(rest):], func(m *message) *outgoing {
		o := m.outgoing(e.sources[0].sqsQueue)
		o.group, o.dedup = token(m.task.GroupKey), e.deduplication(m.task, token(m.id))
		delete(o.attrs, attrCrashes)
		return o
	})
	e.mu.Lock()
	e.wakeAll() // so that there is a poll again
	e.mu.Unlock()
	return result(errs, func(i int) string { return slices.Concat(rest, due)[i].task.ID })
}
