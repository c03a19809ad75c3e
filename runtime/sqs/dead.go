package sqs

import (
	"context"
	"errors"
	"fmt"
	"slices"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/taskgen/taskgen/runtime/driver"
)

// Redrive implements [driver.Redriver]. SQS cannot look up a message: a redrive walks
// through the dead letter queue, ten messages per request, hides other messages until
// it is done, and stops early once it has found all requested ones. It waits at most 30
// s for messages that others have received, also by SQS's count, which lags. Each task
// is sent to the queue before it is deleted from the dead letter queue. A box of
// package dlq makes one walk for all letters that its filter matches, at a rate. For
// all dead tasks of a large queue see [Queue.StartRedrive].
func (q *Queue) Redrive(ctx context.Context, ids []string) ([]string, error) {
	var stale error // of the moved messages
	done, err := q.walk(ctx, driver.NoRedrive, selection{ids: ids, all: ids == nil}, func(ctx context.Context, e *queueState, ms []*message) (errs []error) {
		ids := make([]string, len(ms))
		for i, m := range ms {
			ids[i] = m.task.ID
		}
		err := q.revival.Around(ctx, ids, func() (moved []string) {
			errs = q.moveBack(nil)(ctx, e, ms)
			for i, m := range ms {
				if m.moved {
					moved = append(moved, ids[i])
				}
			}
			return moved
		})
		if errs == nil { // nothing was tried
			return slices.Repeat([]error{err}, len(ms))
		}
		stale = errors.Join(stale, err)
		return errs
	})
	if stale != nil {
		err = errors.Join(err, stale)
	}
	return driver.IDsOf(done), err
}

// OnRedrive implements [driver.Reviver].
func (q *Queue) OnRedrive(revival driver.Revival) { q.revival = revival }

// RedriveDeaths implements [driver.Redriver] with a walk like Redrive: while it holds a
// message no other process has it.
func (q *Queue) RedriveDeaths(ctx context.Context, deaths []driver.Death, edits []*driver.Edit) ([]driver.Death, error) {
	return q.revival.Deaths(ctx, deaths, func() ([]driver.Death, error) {
		return q.redriveDeaths(ctx, deaths, edits)
	})
}

func (q *Queue) redriveDeaths(ctx context.Context, deaths []driver.Death, edits []*driver.Edit) ([]driver.Death, error) {
	edited := make(map[driver.Death]*driver.Edit)
	for i, edit := range edits {
		if edit != nil {
			edited[deaths[i]] = edit
		}
	}
	return q.walk(ctx, driver.NoRedrive, selectDeaths(deaths), q.moveBack(edited))
}

// moveBack returns a function that moves messages to the queue, some of them edited.
func (q *Queue) moveBack(edits map[driver.Death]*driver.Edit) func(context.Context, *queueState, []*message) []error {
	return func(ctx context.Context, e *queueState, ms []*message) []error {
		errs := make([]error, len(ms))
		fit, at := make([]*message, 0, len(ms)), make([]int, 0, len(ms))
		for i, m := range ms {
			if edit, ok := edits[driver.DeathOf(m.task)]; ok {
				if errs[i] = q.edit(m, edit); errs[i] != nil {
					continue
				}
			}
			fit, at = append(fit, m), append(at, i)
		}
		some := make([]error, len(fit))
		e.move(ctx, fit, some, func(m *message) *outgoing {
			if m.undecodable || m.restoreBody() {
				return e.originalMessage(m)
			}
			driver.ClearDeath(m.task, e.deadName)
			m.task.Queue = e.name
			o := m.outgoing(e.sourceFor(m.task).sqsQueue)
			o.group, o.dedup = token(m.task.GroupKey), token(m.id)
			delete(o.attrs, attrCrashes)
			delete(o.attrs, attrDead)
			return o
		})
		for k, err := range some {
			errs[at[k]] = err
		}
		return errs
	}
}

// edit changes a dead task.
func (q *Queue) edit(m *message, edit *driver.Edit) error {
	if m.undecodable || m.task.Type == driver.UndecodableType {
		return fmt.Errorf("%w: message %s is not a task", driver.ErrUnsupported, m.task.ID)
	}
	if most := q.Capabilities().MaxPayload; most != driver.Unlimited && len(edit.Payload) > most {
		return fmt.Errorf("%w: the payload of task %s (%s) has %d bytes, and an SQS queue takes %d: store the data elsewhere and send a reference, or use WithStore", driver.ErrPayloadTooLarge, m.task.ID, m.task.Type, len(edit.Payload), most)
	}
	task := *m.task
	edit.Apply(&task)
	task.Queue = q.cfg.Name
	if err := q.cfg.Accepts(&task); err != nil {
		return err
	}
	m.task = &task
	return nil
}

// Discard implements [driver.Discarder] with a walk like Redrive.
func (q *Queue) Discard(ctx context.Context, ids []string) ([]string, error) {
	done, err := q.walk(ctx, driver.NoDiscard, selection{ids: ids}, discardAll)
	return driver.IDsOf(done), err
}

// DiscardDeaths implements [driver.Discarder] with a walk like Redrive.
func (q *Queue) DiscardDeaths(ctx context.Context, deaths []driver.Death) ([]driver.Death, error) {
	return q.walk(ctx, driver.NoDiscard, selectDeaths(deaths), discardAll)
}

func discardAll(ctx context.Context, e *queueState, ms []*message) []error {
	errs := make([]error, len(ms))
	e.deleteMessages(ctx, ms, errs)
	for i, m := range ms {
		if errs[i] == nil && m.stored != "" && e.p.store != nil {
			_ = e.p.store.Delete(ctx, m.stored) // as in Complete
		}
	}
	return errs
}

// A selection selects the messages that a walk looks for.
type selection struct {
	all    bool
	ids    []string
	deaths map[driver.Death]bool // selects among ids; nil: all
}

func selectDeaths(deaths []driver.Death) selection {
	p := selection{ids: driver.IDsOf(deaths), deaths: make(map[driver.Death]bool, len(deaths))}
	for _, d := range deaths {
		p.deaths[d] = true
	}
	return p
}

// walk goes through the dead letter queue and calls do with the matching dead tasks of
// this queue.
func (q *Queue) walk(ctx context.Context, refuse func(dlq string) error, of selection, do func(context.Context, *queueState, []*message) []error) (done []driver.Death, err error) {
	e := q.state
	if err := q.checkOpen(); err != nil {
		return nil, err
	}
	if err := e.sendsOnly(); err != nil {
		return nil, err
	}
	if e.isDLQ {
		return nil, refuse(q.cfg.Name)
	}
	want := make(map[string]int, len(of.ids)) // messages still to find, by ID
	for _, id := range of.ids {
		if want[id]++; of.deaths == nil {
			want[id] = 1
		}
	}
	w := newWalk(e)
	defer w.end(ctx)
	var be driver.BatchError
	seen := make(map[string]bool)
	for again := false; !again && (of.all || len(want) > 0); {
		ms, err := w.next(ctx)
		if err != nil || len(ms) == 0 {
			return done, orFirst(err, &be)
		}
		chosen := ms[:0:0]
		var deaths []driver.Death
		for _, m := range ms {
			again = again || seen[m.id] // the walk could not keep it hidden
			seen[m.id] = true
			d := driver.DeathOf(m.task)
			if !e.diedHere(m) || !of.all && want[d.ID] == 0 || of.deaths != nil && !of.deaths[d] || of.all && m.undecodable && m.sent.After(w.began) {
				w.held = append(w.held, m)
			} else {
				chosen, deaths = append(chosen, m), append(deaths, d)
			}
		}
		for i, err := range do(ctx, e, chosen) {
			d := deaths[i]
			if want[d.ID]--; want[d.ID] <= 0 {
				delete(want, d.ID)
			}
			if be.Add(slices.Index(of.ids, d.ID), d.ID, err); err == nil {
				done = append(done, d)
			} else {
				w.held = append(w.held, chosen[i])
			}
		}
	}
	return done, be.OrNil()
}

func orFirst(err error, be *driver.BatchError) error {
	if err != nil {
		return err
	}
	return be.OrNil()
}

// originalMessage turns a message that is not a task back into its original, for its SQS
// queue. The first process to receive it there may bury it again.
func (e *queueState) originalMessage(m *message) *outgoing {
	o := m.outgoing(e.sources[len(e.sources)-1].sqsQueue)
	for _, l := range e.allSources() {
		if l.arn == m.deathRecord.From {
			o.to = l.sqsQueue
		}
	}
	o.attrs, o.dedup = nil, token(m.id)
	if o.group = m.sender.group; o.group == "" {
		o.group = token(m.id)
	}
	return o
}

// diedHere reports whether a dead letter is this queue's. If SQS moved it, its source
// is known; if another system put it there, it is no queue's.
func (e *queueState) diedHere(m *message) bool {
	if !m.undecodable || m.deathRecord.Queue != "" {
		return e.origin(m) == e.name
	}
	return slices.ContainsFunc(e.allSources(), func(l *source) bool { return l.arn == m.deathRecord.From })
}

// origin is the queue that a dead task died on.
func (e *queueState) origin(m *message) string {
	if m.origin != "" {
		return m.origin
	}
	if from := m.task.Metadata[driver.MetaOriginalQueue]; from != "" {
		return from
	}
	return m.task.Queue // SQS moved it and recorded no origin
}

// StartRedrive makes SQS itself move everything on the dead letter queue back to the
// queue (StartMessageMoveTask), up to the given number of messages per second, at most
// 500; 0: as fast as SQS can. It returns at once, with the handle for
// ListMessageMoveTasks and CancelMessageMoveTask of the AWS API, and does not report
// what was moved. Such tasks start with RetryCount 0 and the metadata that Redrive
// writes. Tasks that SQS itself had buried come back as they were enqueued.
//
// It is for standard queues whose dead letter queue no other queue shares, because SQS
// does not say from which queue a message came; elsewhere it returns ErrUnsupported. A
// dead letter queue can have one move at a time.
func (q *Queue) StartRedrive(ctx context.Context, perSecond int32) (handle string, err error) {
	if err := q.checkOpen(); err != nil {
		return "", err
	}
	e := q.state
	if err := e.sendsOnly(); err != nil {
		return "", err
	}
	if e.isDLQ || e.kind != driver.Standard {
		return "", fmt.Errorf("%w: SQS moves the dead tasks of standard queues only, and %q is %s: use Redrive", driver.ErrUnsupported, q.cfg.Name, e.kind)
	}
	sources, err := e.p.api.ListDeadLetterSourceQueues(ctx, &awssqs.ListDeadLetterSourceQueuesInput{QueueUrl: &e.dlq.url})
	if err != nil {
		return "", explain("list the queues that share "+e.dlq.name, err)
	}
	if len(sources.QueueUrls) > 1 {
		return "", fmt.Errorf("%w: %d queues share the dead letter queue %s, and SQS would move the tasks of all of them here: use Redrive", driver.ErrUnsupported, len(sources.QueueUrls), e.dlq.name)
	}
	in := &awssqs.StartMessageMoveTaskInput{SourceArn: &e.dlq.arn, DestinationArn: &e.sources[0].arn}
	if perSecond > 0 {
		in.MaxNumberOfMessagesPerSecond = &perSecond
	}
	out, err := e.p.api.StartMessageMoveTask(ctx, in)
	if err != nil {
		return "", explain("have SQS move the messages of "+e.dlq.name, err)
	}
	return *out.TaskHandle, nil
}
