package sqs

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/taskgen/taskgen/runtime/driver"
)

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
