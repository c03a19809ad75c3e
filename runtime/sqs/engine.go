package sqs

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// lookEvery is the time between short looks of a Dequeue whose context ends
// within a second: too soon for a poll that waits. Each look is a request for each
// SQS queue.
const lookEvery = 100 * time.Millisecond

// An engine is the state of one queue in this process, shared by all handles.
type engine struct {
	p        *Provider
	name     string
	kind     driver.QueueType
	levels   int
	isDLQ    bool
	adopted  bool     // the SQS queues were given by WithQueue
	on       Existing // what was given there
	fifo     bool     // the SQS queues are; of a dead letter queue it may be, whatever kind says
	lanes    []*lane  // by level, the highest first; one where there are no levels
	later    *lane    // where the delayed tasks of a fifo queue wait; else nil
	dlq      *remote  // nil on a dead letter queue, and where tasks are only sent
	deadName string   // its name as users know it
	memos    *memos
	killers  *killers

	mu          sync.Mutex
	handles     []*Queue
	waiters     []*waiter
	out         map[driver.Receipt]*message // with workers
	resting     map[*message]driver.Timer   // heads of fifo groups that wait here for their retry
	swept       time.Time
	looked      time.Time // when later was last polled
	laterFailed int       // polls of later, in a row
	laterRest   time.Time // when it may be polled again after that
	storeTold   time.Time
	came        time.Time      // when a poll last brought something
	turns       int            // Dequeues, for WithStarvationFree
	buried      []*driver.Task // what could not be decoded, to be told by the next Dequeue
	begun       uint64         // polls
	behind      []behind       // what is to hear when they are over
	ours        bool           // it is known that the SQS queues are: see enough
	foreign     int            // messages that were no tasks, until then
	refused     int            // looks at a queue that seems to be somebody else's
	strange     error          // why it does
	strangeRest time.Time      // until when it is left alone
	closing     bool
	holding     *time.Timer
	back        chan struct{}          // closed when what nobody asked for has gone back; nil before the first time
	moving      map[chan struct{}]bool // moves of messages that no worker has; Stats waits for them
	work        sync.WaitGroup         // polls, and what they bring that is no worker's
	polling     context.Context        // of polls
	cut         context.CancelFunc
	moves       context.Context // of what else goes on when the call that it was for has ended
	halt        context.CancelFunc
}

// A waiter is a Dequeue that has found no tasks yet.
type waiter struct {
	ctx   context.Context
	limit int
	lease time.Duration
	wake  chan struct{} // capacity 1
	look  time.Time     // when it may look again by polls that do not wait
	err   error         // of a poll
}

// aside notes that messages which no worker has are being moved, until done is
// called: in between they are in two places.
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

// stays reports whether the message of a task stays where it is when it is released for a
// retry: on a fifo queue another would lose its place. SQS then keeps nothing of what
// the worker wrote.
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

// inputs are all SQS queues that the engine polls.
func (e *engine) inputs() []*lane {
	if e.later != nil {
		return append(slices.Clone(e.lanes), e.later)
	}
	return e.lanes
}

func (e *engine) dequeue(ctx context.Context, q *Queue, limit int, lease time.Duration) ([]*driver.Delivery, error) {
	w := &waiter{ctx: ctx, limit: limit, lease: lease, wake: make(chan struct{}, 1)}
	asked := make(map[*lane]bool) // and found empty, in this round
	e.mu.Lock()
	e.turns++
	lowest := e.p.fairEvery > 0 && e.turns%e.p.fairEvery == 0 && len(e.lanes) > 1
	e.waiters = append(e.waiters, w)
	back := e.back
	e.mu.Unlock()
	defer e.leave(w)
	if len(e.lanes) > 1 && back != nil {
		// What is on its way back is on no level, and may be the most urgent.
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

// await waits for news: of the lane that was asked, or of any. It notes in asked
// which lanes need not be asked again in this round.
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

// brief reports whether a context ends too soon for a poll that waits.
func brief(ctx context.Context) bool {
	end, ok := ctx.Deadline()
	return ok && time.Until(end) < time.Second
}

// waitOf is how long a poll for a Dequeue may wait: no longer than the Dequeue,
// for a poll without one serves nobody.
func (e *engine) waitOf(ctx context.Context) time.Duration {
	if end, ok := ctx.Deadline(); ok {
		return min(e.pollWait(), time.Until(end)).Truncate(time.Second)
	}
	return e.pollWait()
}

const (
	// shortWait is the wait of polls while tasks come now and then: a pool that stops
	// waits for the last one.
	shortWait = 5 * time.Second
	// lull is how long nothing comes until polls take as long as SQS allows.
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

// scan takes what is at hand from the highest level that has something. Where a
// level above has to be asked first, it returns that. A level is known to be
// empty when it was asked in this round, or when a poll waits on it that began
// after it was found empty. mu is held.
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

// ask sends the polls that a Dequeue needs: a short one to a lane that has to
// be asked, or long ones to all. mu is held.
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
			return // the answer to the last look, which was nothing, is no reason for another
		}
		w.look = now.Add(lookEvery)
	}
	for _, l := range e.lanes {
		l.pump(w.lease, wait)
	}
}

// watchLater has a poll on the delayed tasks of a fifo queue whenever somebody works
// on the queue, however much is ready on it. mu is held.
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

// laterLease is how long delayed tasks of a fifo queue are away whose poll's answer was
// lost, or that could not be moved: enough for moving them.
const laterLease = 10 * time.Second

// demand is how many messages the waiting Dequeues would take. mu is held.
func (e *engine) demand() int {
	n := 0
	for _, w := range e.waiters {
		n += w.limit
	}
	return n
}

// leave ends a waiter. What came for it and nobody else wants goes back to SQS
// after a while.
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

// wakeAll tells every waiter to look. mu is held.
func (e *engine) wakeAll() {
	for _, w := range e.waiters {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}
