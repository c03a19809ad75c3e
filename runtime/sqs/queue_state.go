package sqs

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// shortPollInterval is the time between the short polls of a Dequeue whose context ends
// within a second, which is too soon for long polls. Each round takes one request per SQS
// queue.
const shortPollInterval = 100 * time.Millisecond

// A queueState is the state of one queue in this process, shared by all handles.
type queueState struct {
	p            *Provider
	name         string
	kind         driver.QueueType
	levels       int
	isDLQ        bool
	onExisting   bool      // the SQS queues were given by WithQueue
	on           Existing  // its Existing
	fifo         bool      // the SQS queues are fifo; for a dead letter queue this may differ from kind
	sources      []*source // by level, the highest first; one if there are no levels
	later        *source   // holds the delayed tasks of a fifo queue; else nil
	dlq          *sqsQueue // nil on a dead letter queue, and if tasks are only sent
	deadName     string    // its name in the API
	attemptHints *attemptHints
	crashCounts  *crashCounts

	mu               sync.Mutex
	handles          []*Queue
	waiters          []*waiter
	leased           map[driver.Receipt]*message // leased to workers
	delayedHeads     map[*message]driver.Timer   // heads of fifo groups that wait here for their retry
	lastForget       time.Time
	laterPolledAt    time.Time // when later was last polled
	laterFailed      int       // failed polls of later, in a row
	laterRetryAt     time.Time // when it may be polled again after failures
	storeWarned      time.Time
	lastMessage      time.Time         // when a poll last returned a message
	dequeues         int               // Dequeues, for WithStarvationFree
	unreported       []*driver.Task    // undecodable tasks, for the next Dequeue to report
	pollsStarted     uint64            // polls so far
	returned         []returnedDequeue // returned Dequeues to notify when their polls are over
	ours             bool              // the SQS queues are known to be ours: see foreignLimit
	undecodableSeen  int               // messages that were not tasks, until then
	foreignPolls     int               // polls of a queue that seems to belong to another system
	foreignErr       error             // why it seems so
	foreignUntil     time.Time         // it is not polled until then
	closing          bool
	giveBackTimer    *time.Timer
	givenBack        chan struct{}          // closed when unrequested messages have gone back; nil before the first time
	moving           map[chan struct{}]bool // moves of unleased messages; Stats waits for them
	work             sync.WaitGroup         // polls, and work on their unleased messages
	pollCtx          context.Context        // of polls
	cancelPolls      context.CancelFunc
	background       context.Context // of work that continues after its call has ended
	cancelBackground context.CancelFunc
}

// A waiter is a Dequeue that has found no tasks yet.
type waiter struct {
	ctx           context.Context
	limit         int
	lease         time.Duration
	wake          chan struct{} // capacity 1
	nextShortPoll time.Time     // when it may start short polls again
	err           error         // of a poll
}

// markMoving records that unleased messages are being moved, until done is called:
// meanwhile they are in two places.
func (e *queueState) markMoving() (done func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.markMovingLocked()
}

func (e *queueState) markMovingLocked() (done func()) {
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
		e.notifyReturned()
	}
}

// reopened is a new state on the same SQS queues.
func (e *queueState) reopened() *queueState {
	n := &queueState{p: e.p, name: e.name, kind: e.kind, levels: e.levels, isDLQ: e.isDLQ, onExisting: e.onExisting, on: e.on, fifo: e.fifo, dlq: e.dlq, deadName: e.deadName, leased: make(map[driver.Receipt]*message), attemptHints: e.attemptHints, crashCounts: e.crashCounts, ours: e.ours, lastMessage: time.Now()}
	for _, l := range e.sources {
		n.sources = append(n.sources, newSource(n, l.sqsQueue, l.level))
	}
	if e.later != nil {
		n.later = newSource(n, e.later.sqsQueue, 0)
	}
	return n
}

// retriesInPlace reports whether a task keeps its message when it is released for a retry:
// on a fifo queue a new message would lose its place. SQS then keeps none of the worker's
// changes.
func (e *queueState) retriesInPlace() bool { return !e.isDLQ && (e.fifo || e.p.byVisibility) }

// chargesReceives reports whether the receive count is the attempt.
func (e *queueState) chargesReceives() bool { return e.retriesInPlace() && !e.fifo }

// maxPayload leaves room in a message for the rest of the envelope.
func (e *queueState) maxPayload() int {
	if e.p.store != nil {
		return driver.Unlimited
	}
	least := maxBatchSize
	for _, l := range e.sources {
		least = min(least, l.maxSize)
	}
	return least - reserve
}

// allSources are all sources that the queue polls.
func (e *queueState) allSources() []*source {
	if e.later != nil {
		return append(slices.Clone(e.sources), e.later)
	}
	return e.sources
}

func (e *queueState) dequeue(ctx context.Context, q *Queue, limit int, lease time.Duration) ([]*driver.Delivery, error) {
	w := &waiter{ctx: ctx, limit: limit, lease: lease, wake: make(chan struct{}, 1)}
	polled := make(map[*source]bool) // polled and found empty in this round
	e.mu.Lock()
	e.dequeues++
	lowest := e.p.fairEvery > 0 && e.dequeues%e.p.fairEvery == 0 && len(e.sources) > 1
	e.waiters = append(e.waiters, w)
	back := e.givenBack
	e.mu.Unlock()
	defer e.leave(w)
	if len(e.sources) > 1 && back != nil {
		// Messages on their way back are on no level, and may be the most urgent.
		select {
		case <-back:
		case <-q.done:
		case <-ctx.Done():
		}
	}
	for {
		e.mu.Lock()
		e.pollLater(ctx)
		ms, next := e.scan(limit, polled, lowest)
		err := w.err
		if err == nil && len(ms) == 0 {
			err = e.currentForeignErr()
		}
		if len(ms) == 0 && err == nil && ctx.Err() == nil && !e.closing {
			e.startPolls(ctx, w, next)
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
		if err := e.await(ctx, q, w, next, polled); err != nil {
			return nil, err
		}
	}
}

// await waits for the poll of next, or for news of any source. It adds to polled the sources
// that need not be polled again in this round.
func (e *queueState) await(ctx context.Context, q *Queue, w *waiter, next *source, polled map[*source]bool) error {
	var pause <-chan time.Time
	var probed <-chan struct{}
	if next != nil {
		e.mu.Lock()
		probed = next.probing
		e.mu.Unlock()
		if probed == nil {
			polled[next] = true // it has answered already
			return nil
		}
	} else if endsSoon(ctx) {
		t := time.NewTimer(time.Until(w.nextShortPoll))
		defer t.Stop()
		pause = t.C
	}
	select {
	case <-probed:
		polled[next] = true
	case <-w.wake:
		if next == nil {
			clear(polled)
		}
	case <-pause:
		clear(polled)
	case <-q.done:
		return driver.QueueClosed(q.cfg.Name)
	case <-ctx.Done():
		return e.noTasks()
	}
	return nil
}

func (e *queueState) noTasks() error { return fmt.Errorf("queue %q: %w", e.name, driver.ErrNoTasks) }

// endsSoon reports whether a context ends too soon for a long poll.
func endsSoon(ctx context.Context) bool {
	end, ok := ctx.Deadline()
	return ok && time.Until(end) < time.Second
}

// waitOf is how long a poll for a Dequeue may wait: no longer than the Dequeue itself.
func (e *queueState) waitOf(ctx context.Context) time.Duration {
	if end, ok := ctx.Deadline(); ok {
		return min(e.pollWait(), time.Until(end)).Truncate(time.Second)
	}
	return e.pollWait()
}

const (
	// shortWait is the wait of polls while tasks arrive at times: a stopping pool waits
	// for the last poll.
	shortWait = 5 * time.Second
	// idleAfter is the time without messages after which polls wait as long as SQS allows.
	idleAfter = 5 * time.Minute
)

// pollWait is how long polls wait. mu is held.
func (e *queueState) pollWait() time.Duration {
	switch {
	case e.p.wait != unset:
		return e.p.wait
	case time.Since(e.lastMessage) < idleAfter:
		return shortWait
	}
	return maxWait
}

// scan takes ready messages from the highest level that has some. If a higher level
// has to be polled first, scan returns that. A level counts as empty if it was polled in
// this round, or if a poll waits on it that began after it was found empty. mu is held.
func (e *queueState) scan(limit int, polled map[*source]bool, lowest bool) (ms []*message, next *source) {
	if lowest {
		for _, l := range slices.Backward(e.sources) {
			if ms = l.take(limit); len(ms) > 0 {
				return ms, nil
			}
			if !polled[l] && !l.knownEmpty() {
				return nil, l
			}
		}
		return nil, nil
	}
	for i, l := range e.sources {
		if ms = l.take(limit); len(ms) > 0 {
			return ms, nil
		}
		if i < len(e.sources)-1 && !polled[l] && !l.knownEmpty() {
			return nil, l
		}
	}
	return nil, nil
}

// startPolls starts the polls that a Dequeue needs: a short one of one source if that must be
// polled first, else long ones of all. mu is held.
func (e *queueState) startPolls(ctx context.Context, w *waiter, one *source) {
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
		if now.Before(w.nextShortPoll) {
			return // woken by the last short polls, which found nothing
		}
		w.nextShortPoll = now.Add(shortPollInterval)
	}
	for _, l := range e.sources {
		l.topUpPolls(w.lease, wait)
	}
}

// pollLater keeps a poll on the delayed tasks of a fifo queue while a Dequeue is
// running, however many tasks are ready. mu is held.
func (e *queueState) pollLater(ctx context.Context) {
	if e.later == nil || e.later.polls > 0 || e.closing || ctx.Err() != nil {
		return
	}
	wait, now := e.waitOf(ctx), time.Now()
	if now.Before(e.laterRetryAt) || wait == 0 && now.Sub(e.laterPolledAt) < shortPollInterval {
		return
	}
	e.laterPolledAt = now
	e.later.start(poll{limit: maxBatch, lease: laterLease, wait: wait})
}

// laterLease is how long delayed tasks of a fifo queue stay hidden if the answer to
// their poll was lost, or if moving them failed: long enough to move them.
const laterLease = 10 * time.Second

// demand is how many messages the waiting Dequeues would accept. mu is held.
func (e *queueState) demand() int {
	n := 0
	for _, w := range e.waiters {
		n += w.limit
	}
	return n
}

// leave ends a waiter. Messages that came for it and that no other waiter takes go back
// to SQS after a while.
func (e *queueState) leave(w *waiter) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.waiters = slices.DeleteFunc(e.waiters, func(o *waiter) bool { return o == w })
	if e.atWork() {
		e.returned = append(e.returned, returnedDequeue{driver.Behind(w.ctx), e.pollsStarted})
	}
	e.notifyReturned()
	e.scheduleGiveBack()
}

// wakeAll wakes every waiter. mu is held.
func (e *queueState) wakeAll() {
	for _, w := range e.waiters {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}
