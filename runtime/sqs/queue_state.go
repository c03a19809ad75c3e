package sqs

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

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

// wakeAll wakes every waiter. mu is held.
func (e *queueState) wakeAll() {
	for _, w := range e.waiters {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}
