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

	ready   []*message // received, and with no worker; on a fifo queue the heads of lines
	polls   int        // under way
	room    int        // messages that they may bring
	target  int        // how many polls should be under way
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
	probe bool // a caller waits to learn whether the lane is empty

	began  time.Time
	landed chan struct{} // closed when it is over
}

// silent reports whether a poll waits that began after the lane was found empty.
func (l *lane) silent() bool { return l.empty && l.polls > 0 && l.probing == nil }

// pump sends polls until the target is reached, and no more than the waiting Dequeues
// have room for.
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

// receive requests up to limit messages.
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
		// A receive that is repeated with this ID, because its answer was lost, gets
		// the same messages.
		id := uuid.NewString()
		in.ReceiveRequestAttemptId = &id
	}
	out, err := l.e.p.api.ReceiveMessage(waiting(ctx, wait), in, how...)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return out, explain("receive from "+l.name, err)
}

// run makes one poll. It is not cancelled when its Dequeue ends: SQS would lease its
// messages to nobody.
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

// A stray is a message that is not for a worker, with the reason.
type stray struct {
	*message
	cause  error // why it is no task; nil: it goes back until it is due
	drop   bool  // it is to be deleted
	isTask bool  // it is a task: only its payload is missing
}

// storePause is how long a task waits whose payload is unavailable.
const storePause = 5 * time.Second

// sort separates the tasks for workers from other messages. since is when the lease
// began. The error is that of an unavailable store: the tasks that need it go back for
// a while. On a fifo queue the messages behind them in their groups go back as well.
func (l *lane) sort(raw []types.Message, at, since time.Time, lease time.Duration) (good []*message, rest []stray, trouble error) {
	e := l.e
	away := make(map[string]bool) // groups whose next task cannot be read now
	for _, r := range raw {
		group := r.Attributes[string(types.MessageSystemAttributeNameMessageGroupId)]
		m, err := l.read(r, since, lease)
		if l.fifo && away[group] {
			rest = append(rest, stray{message: m}) // it would be handed out before the unavailable one
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
				m.payload = m.task.Payload // its payload stays where it is
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

// explainDeath completes a task that SQS itself moved to the dead letter queue: the
// reason was not written, and the time is unknown.
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

// complain makes a waiting Dequeue return an error. mu is held.
func (e *engine) complain(err error) {
	if err != nil && !e.closing && len(e.waiters) > 0 {
		e.waiters[0].err = err
	}
}

// bring ends a poll that SQS answered with n messages, of which ms are for workers. The
// error says why others are not.
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

// ended updates the lane after a poll. mu is held.
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
		// From now on a poll that waits shows that the lane is empty.
		if w := l.e.waiters[0]; w.ctx.Err() == nil {
			l.start(poll{limit: min(w.limit, maxBatch), lease: w.lease, wait: max(l.e.waitOf(w.ctx), time.Second)})
		}
	}
}

// take returns up to limit ready messages. It drops those whose lease has ended: SQS
// hands them out again.
func (l *lane) take(limit int) []*message {
	now := l.e.p.clock.Now()
	l.ready = slices.DeleteFunc(l.ready, func(m *message) bool { return !m.until.After(now) })
	n := min(limit, len(l.ready))
	ms := slices.Clone(l.ready[:n])
	l.ready = slices.Delete(l.ready, 0, n)
	return ms
}

// setRight handles messages that are not for workers: tasks that are not due go back
// with the remaining delay, and messages that are no tasks are buried.
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
	e.drop(ctx, over, make([]error, len(over))) // if this fails, they come back when their lease ends
	for _, m := range undue {
		if !e.fifo && m.due.After(m.task.ScheduledFor) {
			later := *m.task
			later.ScheduledFor = m.due
			m.task = &later
		}
	}
	e.giveBack(e.moves, undue)
}

// strayTime bounds the work on one batch of strays; the rest comes back when its lease
// ends.
const strayTime = 20 * time.Second
