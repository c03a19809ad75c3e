package sqs

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// lookEvery is the time between the short polls of a Dequeue whose context ends within
// a second, which is too soon for long polls. Each round takes one request per SQS
// queue.
const lookEvery = 100 * time.Millisecond

// An engine is the state of one queue in this process, shared by all handles.
type engine struct {
	p        *Provider
	name     string
	kind     driver.QueueType
	levels   int
	isDLQ    bool
	adopted  bool     // the SQS queues were given by WithQueue
	on       Existing // its Existing
	fifo     bool     // the SQS queues are fifo; for a dead letter queue this may differ from kind
	lanes    []*lane  // by level, the highest first; one if there are no levels
	later    *lane    // holds the delayed tasks of a fifo queue; else nil
	dlq      *remote  // nil on a dead letter queue, and if tasks are only sent
	deadName string   // its name in the API
	memos    *memos
	killers  *killers

	mu          sync.Mutex
	handles     []*Queue
	waiters     []*waiter
	out         map[driver.Receipt]*message // leased to workers
	resting     map[*message]driver.Timer   // heads of fifo groups that wait here for their retry
	swept       time.Time
	looked      time.Time // when later was last polled
	laterFailed int       // failed polls of later, in a row
	laterRest   time.Time // when it may be polled again after failures
	storeTold   time.Time
	came        time.Time      // when a poll last returned a message
	turns       int            // Dequeues, for WithStarvationFree
	buried      []*driver.Task // undecodable tasks, for the next Dequeue to report
	begun       uint64         // polls so far
	behind      []behind       // returned Dequeues to notify when their polls are over
	ours        bool           // the SQS queues are known to be ours: see enough
	foreign     int            // messages that were not tasks, until then
	refused     int            // looks at a queue that seems to belong to another system
	strange     error          // why it seems so
	strangeRest time.Time      // it is not polled until then
	closing     bool
	holding     *time.Timer
	back        chan struct{}          // closed when unrequested messages have gone back; nil before the first time
	moving      map[chan struct{}]bool // moves of unleased messages; Stats waits for them
	work        sync.WaitGroup         // polls, and work on their unleased messages
	polling     context.Context        // of polls
	cut         context.CancelFunc
	moves       context.Context // of work that continues after its call has ended
	halt        context.CancelFunc
}

// A waiter is a Dequeue that has found no tasks yet.
type waiter struct {
	ctx   context.Context
	limit int
	lease time.Duration
	wake  chan struct{} // capacity 1
	look  time.Time     // when it may start short polls again
	err   error         // of a poll
}

// aside notes that unleased messages are being moved, until done is called: meanwhile
// they are in two places.
func (e *engine) aside() (done func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.asideLocked()
}

func (e *engine) asideLocked() (done func()) {
	c := make(chan struct{})
	if e.moving == nil {
		e.moving = make(map[chan struct{}]bool)
	}
	e.moving[c] = true
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.moving, c)
		close(c)
		e.tellBehind()
	}
}

// again is a new engine on the same SQS queues.
func (e *engine) again() *engine {
	n := &engine{p: e.p, name: e.name, kind: e.kind, levels: e.levels, isDLQ: e.isDLQ, adopted: e.adopted, on: e.on, fifo: e.fifo, dlq: e.dlq, deadName: e.deadName, out: make(map[driver.Receipt]*message), memos: e.memos, killers: e.killers, ours: e.ours, came: time.Now()}
	for _, l := range e.lanes {
		n.lanes = append(n.lanes, newLane(n, l.remote, l.level))
	}
	if e.later != nil {
		n.later = newLane(n, e.later.remote, 0)
	}
	return n
}

// stays reports whether a task's message stays when it is released for a retry: on a
// fifo queue a new message would lose its place. SQS then keeps none of the worker's
// changes.
func (e *engine) stays() bool { return !e.isDLQ && (e.fifo || e.p.byVisibility) }

// chargesReceives reports whether the receive count is the attempt.
func (e *engine) chargesReceives() bool { return e.stays() && !e.fifo }

// maxPayload leaves room in a message for the rest of the envelope.
func (e *engine) maxPayload() int {
	if e.p.store != nil {
		return driver.Unlimited
	}
	least := maxBatchSize
	for _, l := range e.lanes {
		least = min(least, l.maxSize)
	}
	return least - reserve
}

// inputs are all lanes that the engine polls.
func (e *engine) inputs() []*lane {
	if e.later != nil {
		return append(slices.Clone(e.lanes), e.later)
	}
	return e.lanes
}

func (e *engine) dequeue(ctx context.Context, q *Queue, limit int, lease time.Duration) ([]*driver.Delivery, error) {
	w := &waiter{ctx: ctx, limit: limit, lease: lease, wake: make(chan struct{}, 1)}
	asked := make(map[*lane]bool) // asked and found empty in this round
	e.mu.Lock()
	e.turns++
	lowest := e.p.fairEvery > 0 && e.turns%e.p.fairEvery == 0 && len(e.lanes) > 1
	e.waiters = append(e.waiters, w)
	back := e.back
	e.mu.Unlock()
	defer e.leave(w)
	if len(e.lanes) > 1 && back != nil {
		// Messages on their way back are on no level, and may be the most urgent.
		select {
		case <-back:
		case <-q.done:
		case <-ctx.Done():
		}
	}
	for {
		e.mu.Lock()
		e.watchLater(ctx)
		ms, ask := e.scan(limit, asked, lowest)
		err := w.err
		if err == nil && len(ms) == 0 {
			err = e.refuses()
		}
		if len(ms) == 0 && err == nil && ctx.Err() == nil && !e.closing {
			e.ask(ctx, w, ask)
		}
		e.mu.Unlock()
		if len(ms) > 0 {
			ds, gone := e.handOut(ctx, ms, lease, q.cfg.MaxDeliveries)
			switch {
			case len(ds) > 0:
				return ds, nil
			case gone:
				return nil, e.noTasks()
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := e.await(ctx, q, w, ask, asked); err != nil {
			return nil, err
		}
	}
}

// await waits for news of the lane that was asked, or of any. It notes in asked which
// lanes need not be asked again in this round.
func (e *engine) await(ctx context.Context, q *Queue, w *waiter, ask *lane, asked map[*lane]bool) error {
	var pause <-chan time.Time
	var probed <-chan struct{}
	if ask != nil {
		e.mu.Lock()
		probed = ask.probing
		e.mu.Unlock()
		if probed == nil {
			asked[ask] = true // it has answered already
			return nil
		}
	} else if brief(ctx) {
		t := time.NewTimer(time.Until(w.look))
		defer t.Stop()
		pause = t.C
	}
	select {
	case <-probed:
		asked[ask] = true
	case <-w.wake:
		if ask == nil {
			clear(asked)
		}
	case <-pause:
		clear(asked)
	case <-q.done:
		return fmt.Errorf("queue %q: %w", q.cfg.Name, driver.ErrClosed)
	case <-ctx.Done():
		return e.noTasks()
	}
	return nil
}

func (e *engine) noTasks() error { return fmt.Errorf("queue %q: %w", e.name, driver.ErrNoTasks) }

// brief reports whether a context ends too soon for a long poll.
func brief(ctx context.Context) bool {
	end, ok := ctx.Deadline()
	return ok && time.Until(end) < time.Second
}

// waitOf is how long a poll for a Dequeue may wait: no longer than the Dequeue itself.
func (e *engine) waitOf(ctx context.Context) time.Duration {
	if end, ok := ctx.Deadline(); ok {
		return min(e.pollWait(), time.Until(end)).Truncate(time.Second)
	}
	return e.pollWait()
}

const (
	// shortWait is the wait of polls while tasks arrive at times: a stopping pool waits
	// for the last poll.
	shortWait = 5 * time.Second
	// lull is the time without messages after which polls wait as long as SQS allows.
	lull = 5 * time.Minute
)

// pollWait is how long polls wait. mu is held.
func (e *engine) pollWait() time.Duration {
	switch {
	case e.p.wait != unset:
		return e.p.wait
	case time.Since(e.came) < lull:
		return shortWait
	}
	return maxWait
}

// scan takes messages at hand from the highest level that has some. If a higher level
// has to be asked first, scan returns that. A level counts as empty if it was asked in
// this round, or if a poll waits on it that began after it was found empty. mu is held.
func (e *engine) scan(limit int, asked map[*lane]bool, lowest bool) (ms []*message, ask *lane) {
	if lowest {
		for _, l := range slices.Backward(e.lanes) {
			if ms = l.take(limit); len(ms) > 0 {
				return ms, nil
			}
			if !asked[l] && !l.silent() {
				return nil, l
			}
		}
		return nil, nil
	}
	for i, l := range e.lanes {
		if ms = l.take(limit); len(ms) > 0 {
			return ms, nil
		}
		if i < len(e.lanes)-1 && !asked[l] && !l.silent() {
			return nil, l
		}
	}
	return nil, nil
}

// ask starts the polls that a Dequeue needs: a short one of a lane that must be asked,
// or long ones of all. mu is held.
func (e *engine) ask(ctx context.Context, w *waiter, one *lane) {
	if one != nil {
		if one.probing == nil {
			one.probing = make(chan struct{})
			one.start(poll{limit: min(w.limit, maxBatch), lease: w.lease, probe: true})
		}
		return
	}
	wait := e.waitOf(ctx)
	if wait == 0 {
		now := time.Now()
		if now.Before(w.look) {
			return // woken by the last short polls, which found nothing
		}
		w.look = now.Add(lookEvery)
	}
	for _, l := range e.lanes {
		l.pump(w.lease, wait)
	}
}

// watchLater keeps a poll on the delayed tasks of a fifo queue while a Dequeue is
// running, however many tasks are ready. mu is held.
func (e *engine) watchLater(ctx context.Context) {
	if e.later == nil || e.later.polls > 0 || e.closing || ctx.Err() != nil {
		return
	}
	wait, now := e.waitOf(ctx), time.Now()
	if now.Before(e.laterRest) || wait == 0 && now.Sub(e.looked) < lookEvery {
		return
	}
	e.looked = now
	e.later.start(poll{limit: maxBatch, lease: laterLease, wait: wait})
}

// laterLease is how long delayed tasks of a fifo queue stay hidden if the answer to
// their poll was lost, or if moving them failed: long enough to move them.
const laterLease = 10 * time.Second

// demand is how many messages the waiting Dequeues would accept. mu is held.
func (e *engine) demand() int {
	n := 0
	for _, w := range e.waiters {
		n += w.limit
	}
	return n
}

// leave ends a waiter. Messages that came for it and that no other waiter takes go back
// to SQS after a while.
func (e *engine) leave(w *waiter) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.waiters = slices.DeleteFunc(e.waiters, func(o *waiter) bool { return o == w })
	if e.atWork() {
		e.behind = append(e.behind, behind{driver.Behind(w.ctx), e.begun})
	}
	e.tellBehind()
	e.holdBack()
}

// wakeAll wakes every waiter. mu is held.
func (e *engine) wakeAll() {
	for _, w := range e.waiters {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}
