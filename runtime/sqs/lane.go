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

// A lane is one SQS queue that an engine polls. It is guarded by engine.mu.
type lane struct {
	e *engine
	*remote
	level int

	ready   []*message // received, and with no worker; of a fifo queue the heads of lines
	polls   int        // under way
	room    int        // messages that they may bring
	target  int        // polls to have under way
	flying  map[chan struct{}]flight
	empty   bool // the last poll brought nothing
	probing chan struct{}
}

// A flight is a poll in progress.
type flight struct {
	began  time.Time
	number uint64
}

func newLane(e *engine, r *remote, level int) *lane {
	if e.cut == nil {
		e.polling, e.cut = context.WithCancel(context.Background())
		e.moves, e.halt = context.WithCancel(context.Background())
	}
	return &lane{e: e, remote: r, level: level, target: 1, flying: make(map[chan struct{}]flight)}
}

// firstLease bounds the lease that a poll asks for. A longer one begins when the
// message is handed out: where the answer of a poll is lost, its messages are away
// for no longer than this.
const firstLease = 30 * time.Second

// quick is how soon an answer comes to a poll that did not wait. SQS does not say when
// a lease began: it was not before the request, and where the poll may have waited
// just before the answer came. An answer that comes when the poll can wait no longer has
// been on its way, or has waited for a process that stood still.
const quick = 100 * time.Millisecond

// A poll is one ReceiveMessage.
type poll struct {
	limit int
	lease time.Duration
	wait  time.Duration
	probe bool // somebody waits to hear whether the lane is empty

	began  time.Time
	landed chan struct{} // closed when it is over
}

// silent reports whether a poll waits that began after the lane was found empty.
func (l *lane) silent() bool { return l.empty && l.polls > 0 && l.probing == nil }

// pump sends polls until there are as many as the lane deserves, and no more than
// the waiting Dequeues have room for.
func (l *lane) pump(lease, wait time.Duration) {
	want := l.e.demand()
	for l.polls < l.target && l.room < want {
		l.start(poll{limit: min(maxBatch, want-l.room), lease: lease, wait: wait})
	}
}

func (l *lane) start(p poll) {
	p.lease = min(p.lease, firstLease)
	p.began, p.landed = time.Now(), make(chan struct{})
	l.polls++
	l.room += p.limit
	l.e.begun++
	l.flying[p.landed] = flight{p.began, l.e.begun}
	l.e.work.Add(1)
	go func() {
		defer l.e.work.Done()
		l.run(p)
	}()
}

// receive asks for up to limit messages.
func (l *lane) receive(ctx context.Context, limit int, wait, lease time.Duration) (*awssqs.ReceiveMessageOutput, error) {
	in := &awssqs.ReceiveMessageInput{
		QueueUrl: &l.url, MaxNumberOfMessages: int32(limit), WaitTimeSeconds: seconds(wait), VisibilityTimeout: seconds(lease),
		MessageAttributeNames:       []string{"All"},
		MessageSystemAttributeNames: systemAttributes,
	}
	var how []func(*awssqs.Options)
	if in.WaitTimeSeconds == 0 {
		in.WaitTimeSeconds, how = -1, []func(*awssqs.Options){sayZero}
	}
	if l.fifo {
		// A receive that is tried again with this ID, because its answer was lost,
		// is given the same messages.
		id := uuid.NewString()
		in.ReceiveRequestAttemptId = &id
	}
	out, err := l.e.p.api.ReceiveMessage(waiting(ctx, wait), in, how...)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return out, explain("receive from "+l.name, err)
}

// run makes one poll. It is not cancelled when the Dequeue that asked for it
// ends: SQS would lease its messages to nobody.
func (l *lane) run(p poll) {
	e := l.e
	asked := e.p.clock.Now()
	out, err := l.receive(e.polling, p.limit, p.wait, p.lease)
	at := e.p.clock.Now()
	if l == e.later {
		if err == nil {
			err = e.promote(out.Messages, at)
		}
		e.laterDid(err)
		l.arrive(p, nil)
		return
	}
	if err != nil {
		l.arrive(p, err)
		return
	}
	since := at
	switch late := asked.Add(p.wait + quick); {
	case at.Sub(asked) < quick:
		since = asked
	case at.After(late):
		since = late
	}
	good, rest, err := l.sort(out.Messages, at, since, p.lease)
	if strange := e.judge(l, good, rest, at); strange != nil {
		e.leaveAlone(rest)
		l.arrive(p, strange)
		return
	}
	if len(rest) > 0 {
		defer e.aside()()
	}
	l.bring(p, good, len(out.Messages), err)
	e.setRight(rest)
}

// A stray is a message that is not for a worker, and why.
type stray struct {
	*message
	cause  error // why it is no task; nil: it goes back until it is due
	drop   bool  // it is to be deleted
	isTask bool  // all the same: its payload alone is missing
}

// storePause is how long a task waits whose payload cannot be had now.
const storePause = 5 * time.Second

// sort tells what is for workers from what is not. since is when the lease began. The
// error is the store's, which is away: what it was asked for goes back for a while. Of a
// fifo queue what stands behind something that goes back in its group goes back as well.
func (l *lane) sort(raw []types.Message, at, since time.Time, lease time.Duration) (good []*message, rest []stray, trouble error) {
	e := l.e
	away := make(map[string]bool) // groups whose next task cannot be read now
	for _, r := range raw {
		group := r.Attributes[string(types.MessageSystemAttributeNameMessageGroupId)]
		m, err := l.read(r, since, lease)
		if l.fifo && away[group] {
			rest = append(rest, stray{message: m}) // it would be handed out before the one that is away
			continue
		}
		if err == nil && m.task == nil {
			rest = append(rest, stray{message: m, drop: true})
			continue
		}
		if err == nil && m.stored != "" {
			err = m.fetchStored(e.polling)
			if err != nil && !errors.Is(err, ErrNotStored) && !errors.Is(err, driver.ErrInvalidTask) {
				away[group], trouble = true, err
				m.due = at.Add(storePause)
				m.payload = m.task.Payload // it stays where it is
				rest = append(rest, stray{message: m})
				continue
			}
		}
		switch {
		case err != nil && e.isDLQ:
			m.estrange(r, at, err)
		case err != nil:
			isTask := m.task != nil
			m.estrange(r, at, err)
			rest = append(rest, stray{message: m, cause: err, isTask: isTask})
			continue
		case e.isDLQ && !m.foreign:
			e.explainDeath(m)
		case m.task.ScheduledFor.After(at):
			away[group], m.due = true, m.task.ScheduledFor
			rest = append(rest, stray{message: m})
			continue
		}
		good = append(good, m)
	}
	if l.fifo {
		good = line(good, raw)
	}
	return good, rest, trouble
}

// explainDeath completes a task that SQS itself moved to the dead letter queue:
// nobody could write why, and nobody knows when.
func (e *engine) explainDeath(m *message) {
	if m.origin == "" && m.task.Metadata[driver.MetaFailureReason] == "" {
		driver.Bury(m.task, m.task.Queue, e.p.clock.Now(), driver.ErrMaxDeliveries)
		delete(m.task.Metadata, driver.MetaFailedAt)
	}
}

// arrive ends a poll that brought nothing for workers, or an error.
func (l *lane) arrive(p poll, err error) {
	e := l.e
	e.mu.Lock()
	defer e.mu.Unlock()
	l.ended(p, 0)
	e.complain(err)
	e.wakeAll()
	e.tellBehind()
}

// complain has a Dequeue that waits answer an error. mu is held.
func (e *engine) complain(err error) {
	if err != nil && !e.closing && len(e.waiters) > 0 {
		e.waiters[0].err = err
	}
}

// bring ends a poll that SQS answered with n messages, of which ms are for
// workers. The error says why others are not.
func (l *lane) bring(p poll, ms []*message, n int, trouble error) {
	e := l.e
	e.mu.Lock()
	defer e.mu.Unlock()
	l.ended(p, n)
	if n > 0 {
		e.came = time.Now()
	}
	l.ready = append(l.ready, ms...)
	switch {
	case n == maxBatch:
		l.target = min(2*l.target, e.p.polls)
	case n < p.limit:
		l.target = 1
	}
	if len(ms) == 0 {
		e.complain(trouble)
	} else {
		e.tellStore(trouble)
	}
	e.wakeAll()
	e.holdBack()
	e.tellBehind()
}

// ended is guarded by mu.
func (l *lane) ended(p poll, n int) {
	close(p.landed)
	delete(l.flying, p.landed)
	l.polls--
	l.room -= p.limit
	l.empty = n == 0
	if p.probe {
		close(l.probing)
		l.probing = nil
	}
	if p.probe && n == 0 && !l.e.closing && len(l.e.waiters) > 0 && l.polls == 0 {
		// From now on a poll that waits says that the lane is empty.
		if w := l.e.waiters[0]; w.ctx.Err() == nil {
			l.start(poll{limit: min(w.limit, maxBatch), lease: w.lease, wait: max(l.e.waitOf(w.ctx), time.Second)})
		}
	}
}

// take returns up to limit messages that are ready. Those whose lease has ended
// are dropped: SQS hands them out again.
func (l *lane) take(limit int) []*message {
	now := l.e.p.clock.Now()
	l.ready = slices.DeleteFunc(l.ready, func(m *message) bool { return !m.until.After(now) })
	n := min(limit, len(l.ready))
	ms := slices.Clone(l.ready[:n])
	l.ready = slices.Delete(l.ready, 0, n)
	return ms
}

// setRight deals with messages that are not for workers: what is not due yet goes back
// with the delay that is left, what is no task is buried.
func (e *engine) setRight(rest []stray) {
	if len(rest) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(e.moves, strayTime)
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
		e.buryStray(ctx, s.message)
	}
	e.drop(ctx, over, make([]error, len(over))) // what fails comes back when its lease ends
	for _, m := range undue {
		if !e.fifo && m.due.After(m.task.ScheduledFor) {
			later := *m.task
			later.ScheduledFor = m.due
			m.task = &later
		}
	}
	e.giveBack(e.moves, undue)
}

// strayTime bounds the work on one batch of strays; what is left undone comes
// back when its lease ends.
const strayTime = 20 * time.Second
