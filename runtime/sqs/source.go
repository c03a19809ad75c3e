package sqs

import (
	"context"
	"errors"
	"slices"
	"time"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/uuid"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A source is one SQS queue from which a queue receives. It is guarded by queueState.mu.
type source struct {
	state *queueState
	*sqsQueue
	level int

	ready     []*message // received, and with no worker; on a fifo queue the heads of groups
	polls     int        // under way
	requested int        // messages that they may bring
	target    int        // how many polls should be under way
	inFlight  map[chan struct{}]pollInFlight
	empty     bool // the last poll brought nothing
	probing   chan struct{}
}

// A pollInFlight is a poll in progress.
type pollInFlight struct {
	began  time.Time
	number uint64
}

func newSource(e *queueState, r *sqsQueue, level int) *source {
	if e.cancelPolls == nil {
		e.pollCtx, e.cancelPolls = context.WithCancel(context.Background())
		e.background, e.cancelBackground = context.WithCancel(context.Background())
	}
	return &source{state: e, sqsQueue: r, level: level, target: 1, inFlight: make(map[chan struct{}]pollInFlight)}
}

// firstLease bounds the lease that a poll requests. A longer lease begins when the
// message is handed out: if the answer of a poll is lost, its messages are hidden for
// no longer than this.
const firstLease = 30 * time.Second

// quick is the time within which a poll without a wait is answered. SQS does not say
// when a lease began: not before the request, and, if the poll may have waited, just
// before the answer. An answer that comes after the poll's longest wait was in transit,
// or waited for a process that stood still.
const quick = 100 * time.Millisecond

// A poll is one ReceiveMessage.
type poll struct {
	limit int
	lease time.Duration
	wait  time.Duration
	probe bool // a caller waits to learn whether the source is empty

	began time.Time
	done  chan struct{} // closed when it is over
}

// knownEmpty reports whether a poll waits that began after the source was found empty.
func (l *source) knownEmpty() bool { return l.empty && l.polls > 0 && l.probing == nil }

// topUpPolls sends polls until the target is reached, and no more than the waiting Dequeues
// accept.
func (l *source) topUpPolls(lease, wait time.Duration) {
	want := l.state.demand()
	for l.polls < l.target && l.requested < want {
		l.start(poll{limit: min(maxBatch, want-l.requested), lease: lease, wait: wait})
	}
}

func (l *source) start(p poll) {
	p.lease = min(p.lease, firstLease)
	p.began, p.done = time.Now(), make(chan struct{})
	l.polls++
	l.requested += p.limit
	l.state.pollsStarted++
	l.inFlight[p.done] = pollInFlight{p.began, l.state.pollsStarted}
	l.state.work.Add(1)
	go func() {
		defer l.state.work.Done()
		l.run(p)
	}()
}

// receive requests up to limit messages.
func (l *source) receive(ctx context.Context, limit int, wait, lease time.Duration) (*awssqs.ReceiveMessageOutput, error) {
	in := &awssqs.ReceiveMessageInput{
		QueueUrl: &l.url, MaxNumberOfMessages: int32(limit), WaitTimeSeconds: seconds(wait), VisibilityTimeout: seconds(lease),
		MessageAttributeNames:       []string{"All"},
		MessageSystemAttributeNames: systemAttributes,
	}
	var how []func(*awssqs.Options)
	if in.WaitTimeSeconds == 0 {
		in.WaitTimeSeconds, how = -1, []func(*awssqs.Options){explicitZero}
	}
	if l.fifo {
		// A receive that is repeated with this ID, because its answer was lost, gets
		// the same messages.
		id := uuid.NewString()
		in.ReceiveRequestAttemptId = &id
	}
	out, err := l.state.p.api.ReceiveMessage(waiting(ctx, wait), in, how...)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return out, explain("receive from "+l.name, err)
}

// run makes one poll. It is not cancelled when its Dequeue ends: SQS would lease its
// messages to nobody.
func (l *source) run(p poll) {
	e := l.state
	sentAt := e.p.clock.Now()
	out, err := l.receive(e.pollCtx, p.limit, p.wait, p.lease)
	at := e.p.clock.Now()
	if l == e.later {
		if err == nil {
			err = e.promote(out.Messages, at)
		}
		e.recordLaterPoll(err)
		l.endEmptyPoll(p, nil)
		return
	}
	if err != nil {
		l.endEmptyPoll(p, err)
		return
	}
	since := at
	switch late := sentAt.Add(p.wait + quick); {
	case at.Sub(sentAt) < quick:
		since = sentAt
	case at.After(late):
		since = late
	}
	good, rest, err := l.classify(out.Messages, at, since, p.lease)
	if foreignErr := e.checkOwner(l, good, rest, at); foreignErr != nil {
		e.returnUnchanged(rest)
		l.endEmptyPoll(p, foreignErr)
		return
	}
	if len(rest) > 0 {
		defer e.markMoving()()
	}
	l.endPoll(p, good, len(out.Messages), err)
	e.handleUnrunnable(rest)
}

// An unrunnable is a message that is not for a worker, with the reason.
type unrunnable struct {
	*message
	cause  error // why it is no task; nil: it goes back until it is due
	drop   bool  // it is to be deleted
	isTask bool  // it is a task: only its payload is missing
}

// storePause is how long a task waits whose payload is unavailable.
const storePause = 5 * time.Second

// classify separates the tasks for workers from other messages. since is when the lease
// began. The error is that of an unavailable store: the tasks that need it go back for
// a while. On a fifo queue their followers go back as well.
func (l *source) classify(raw []types.Message, at, since time.Time, lease time.Duration) (good []*message, rest []unrunnable, storeErr error) {
	e := l.state
	away := make(map[string]bool) // groups whose next task cannot be read now
	for _, r := range raw {
		group := r.Attributes[string(types.MessageSystemAttributeNameMessageGroupId)]
		m, err := l.read(r, since, lease)
		if l.fifo && away[group] {
			rest = append(rest, unrunnable{message: m}) // it would be handed out before the unavailable one
			continue
		}
		if err == nil && m.task == nil {
			rest = append(rest, unrunnable{message: m, drop: true})
			continue
		}
		if err == nil && m.stored != "" {
			err = m.fetchStored(e.pollCtx)
			if err != nil && !errors.Is(err, ErrNotStored) && !errors.Is(err, driver.ErrInvalidTask) {
				away[group], storeErr = true, err
				m.due = at.Add(storePause)
				m.payload = m.task.Payload // its payload stays where it is
				rest = append(rest, unrunnable{message: m})
				continue
			}
		}
		switch {
		case err != nil && e.isDLQ:
			m.markUndecodable(r, at, err)
		case err != nil:
			isTask := m.task != nil
			m.markUndecodable(r, at, err)
			rest = append(rest, unrunnable{message: m, cause: err, isTask: isTask})
			continue
		case e.isDLQ && !m.undecodable:
			e.explainDeath(m)
		case m.task.ScheduledFor.After(at):
			away[group], m.due = true, m.task.ScheduledFor
			rest = append(rest, unrunnable{message: m})
			continue
		}
		good = append(good, m)
	}
	if l.fifo {
		good = groupHeads(good, raw)
	}
	return good, rest, storeErr
}

// explainDeath completes a task that SQS itself moved to the dead letter queue: the
// reason was not written, and the time is unknown.
func (e *queueState) explainDeath(m *message) {
	if m.origin == "" && m.task.Metadata[driver.MetaFailureReason] == "" {
		driver.RecordDeath(m.task, m.task.Queue, e.p.clock.Now(), driver.ErrMaxDeliveries)
		delete(m.task.Metadata, driver.MetaFailedAt)
	}
}

// endEmptyPoll ends a poll that brought nothing for workers, or an error.
func (l *source) endEmptyPoll(p poll, err error) {
	e := l.state
	e.mu.Lock()
	defer e.mu.Unlock()
	l.pollEnded(p, 0)
	e.failWaiter(err)
	e.wakeAll()
	e.notifyReturned()
}

// failWaiter makes a waiting Dequeue return an error. mu is held.
func (e *queueState) failWaiter(err error) {
	if err != nil && !e.closing && len(e.waiters) > 0 {
		e.waiters[0].err = err
	}
}

// endPoll ends a poll that SQS answered with n messages, of which ms are for workers. The
// error says why others are not.
func (l *source) endPoll(p poll, ms []*message, n int, storeErr error) {
	e := l.state
	e.mu.Lock()
	defer e.mu.Unlock()
	l.pollEnded(p, n)
	if n > 0 {
		e.lastMessage = time.Now()
	}
	l.ready = append(l.ready, ms...)
	switch {
	case n == maxBatch:
		l.target = min(2*l.target, e.p.polls)
	case n < p.limit:
		l.target = 1
	}
	if len(ms) == 0 {
		e.failWaiter(storeErr)
	} else {
		e.warnStore(storeErr)
	}
	e.wakeAll()
	e.scheduleGiveBack()
	e.notifyReturned()
}

// pollEnded updates the source after a poll. mu is held.
func (l *source) pollEnded(p poll, n int) {
	close(p.done)
	delete(l.inFlight, p.done)
	l.polls--
	l.requested -= p.limit
	l.empty = n == 0
	if p.probe {
		close(l.probing)
		l.probing = nil
	}
	if p.probe && n == 0 && !l.state.closing && len(l.state.waiters) > 0 && l.polls == 0 {
		// From now on a poll that waits shows that the source is empty.
		if w := l.state.waiters[0]; w.ctx.Err() == nil {
			l.start(poll{limit: min(w.limit, maxBatch), lease: w.lease, wait: max(l.state.waitOf(w.ctx), time.Second)})
		}
	}
}

// take returns up to limit ready messages. It drops those whose lease has ended: SQS
// hands them out again.
func (l *source) take(limit int) []*message {
	now := l.state.p.clock.Now()
	l.ready = slices.DeleteFunc(l.ready, func(m *message) bool { return !m.until.After(now) })
	n := min(limit, len(l.ready))
	ms := slices.Clone(l.ready[:n])
	l.ready = slices.Delete(l.ready, 0, n)
	return ms
}

// handleUnrunnable handles messages that are not for workers: tasks that are not due go
// back with the remaining delay, and messages that are no tasks are buried.
func (e *queueState) handleUnrunnable(rest []unrunnable) {
	if len(rest) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(e.background, giveBackTimeout)
	defer cancel()
	var undue, over []*message
	for _, s := range rest {
		if s.drop {
			over = append(over, s.message)
			continue
		}
		if s.cause == nil {
			undue = append(undue, s.message)
			continue
		}
		e.buryUndecodable(ctx, s.message)
	}
	e.deleteMessages(ctx, over, make([]error, len(over))) // if this fails, they come back when their lease ends
	for _, m := range undue {
		if !e.fifo && m.due.After(m.task.ScheduledFor) {
			later := *m.task
			later.ScheduledFor = m.due
			m.task = &later
		}
	}
	e.giveBack(e.background, undue)
}

// giveBackTimeout bounds the work on one batch of messages that go back or are buried; the
// rest comes back when its lease ends.
const giveBackTimeout = 20 * time.Second
