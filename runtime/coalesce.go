package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

const (
	// maxCoalesced bounds the tasks of a shared batch if the provider has no bound.
	maxCoalesced = 1000
	// maxCoalescedBytes bounds the payloads of a shared batch: a caller with little of
	// its own should not wait for the payloads of all others.
	maxCoalescedBytes = 4 << 20
	// maxCoalesceWait is how long arrivals wait behind a round trip, about as long as a slow
	// round trip takes: one that hangs must not delay all others.
	maxCoalesceWait = 10 * time.Millisecond
	// longRoundTrip is the least duration of a round trip after which the next one waits for
	// the callers that have just been answered, for maxRejoinWait at most.
	longRoundTrip = 500 * time.Microsecond
	maxRejoinWait = time.Millisecond
)

// A coalescer batches the enqueues of many goroutines on one queue. Enqueues that arrive
// during a round trip are sent together when it ends, when they fill a batch, or after
// maxCoalesceWait. A lone caller pays nothing, and a busy queue gets as large batches as its
// callers can make.
//
// Callers that have just been answered tend to come back at once. They would split into
// two batches that take turns, each waiting for the other's round trip before its own.
// So if round trips are long, the next one waits until as many calls have joined as
// there were, for a quarter of a round trip at most.
//
// With a linger, arrivals are collected for that long, whether or not a round trip is
// under way.
type coalescer struct {
	queue  driver.Queue
	limit  int // tasks in one batch
	linger time.Duration
	clock  driver.Clock

	mu       sync.Mutex
	inFlight int            // round trips in progress
	pending  *sharedBatch   // what goes out next; nil: no call waits
	sending  []*sharedBatch // in progress, for close
	closed   bool
	wg       sync.WaitGroup // the goroutines that send shared batches

	lastRoundTrip time.Duration // how long the last round trip took
	rejoinTimer   driver.Timer  // set while the next round trip waits for callers to come back
	expected      int           // how many calls the next round trip waits for
}

// A sharedBatch is a batch of the tasks of several calls.
type sharedBatch struct {
	calls   []*waitingCall
	tasks   int
	bytes   int          // of their payloads
	timer   driver.Timer // sends the batch
	sent    bool
	waiters int                // callers that still wait, once it is sent
	cancel  context.CancelFunc // called when waiters reaches 0
	done    chan struct{}
}

// A waitingCall is a call of enqueue that waits for a shared batch.
type waitingCall struct {
	tasks   []*Task
	bytes   int
	answers []Enqueued
	err     error
}

func newCoalescer(q driver.Queue, linger time.Duration, clock driver.Clock) *coalescer {
	limit := max(q.Capabilities().MaxBatch, 1)
	if q.Capabilities().MaxBatch == driver.Unlimited {
		limit = maxCoalesced
	}
	return &coalescer{queue: q, limit: limit, linger: linger, clock: clock}
}

// enqueue is the queue's Enqueue, shared with concurrent callers.
func (c *coalescer) enqueue(ctx context.Context, tasks []*Task) ([]Enqueued, error) {
	c.mu.Lock()
	switch {
	case c.closed:
		c.mu.Unlock()
		return nil, c.errClosed()
	case len(tasks) >= c.limit || c.linger <= 0 && c.inFlight == 0 && c.rejoinTimer == nil:
		c.inFlight++
		c.mu.Unlock()
		defer c.roundTripDone(nil, c.clock.Now())
		return enqueueOn(ctx, c.queue, tasks)
	case ctx.Err() != nil:
		c.mu.Unlock()
		return nil, c.errEnded(ctx)
	}
	call := &waitingCall{tasks: tasks}
	for _, t := range tasks {
		call.bytes += len(t.Payload)
	}
	b := c.joinLocked(call)
	c.mu.Unlock()
	select {
	case <-b.done:
		return call.answers, call.err
	case <-ctx.Done():
		return c.withdraw(ctx, b, call)
	}
}

// join adds a call to the batch that goes out next, and sends the batch when it is full.
// The caller holds c.mu.
func (c *coalescer) joinLocked(call *waitingCall) *sharedBatch {
	if c.pending != nil && (c.pending.tasks+len(call.tasks) > c.limit || c.pending.bytes+call.bytes > maxCoalescedBytes) {
		c.sendLocked()
	}
	b := c.pending
	if b == nil {
		b = &sharedBatch{done: make(chan struct{})}
		c.pending = b
		wait := maxCoalesceWait
		if c.linger > 0 {
			wait = c.linger
		}
		b.timer = c.clock.AfterFunc(wait, func() { c.onTimer(b) })
	}
	b.calls = append(b.calls, call)
	b.tasks += len(call.tasks)
	b.bytes += call.bytes
	if b.tasks == c.limit || b.bytes >= maxCoalescedBytes || c.rejoinTimer != nil && len(b.calls) >= c.expected {
		c.sendLocked()
	}
	return b
}

// onTimer sends a batch that has waited long enough, unless it is already sent.
func (c *coalescer) onTimer(b *sharedBatch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pending == b {
		c.sendLocked()
	}
}

// send starts the round trip of the pending batch. The caller holds c.mu.
func (c *coalescer) sendLocked() {
	b := c.pending
	c.pending = nil
	b.timer.Stop()
	c.endRejoinLocked()
	// No caller's context may end the call of the others: the call ends when the last
	// caller has left.
	ctx, cancel := context.WithCancel(context.Background())
	b.sent, b.waiters, b.cancel = true, len(b.calls), cancel
	c.sending = append(c.sending, b)
	c.inFlight++
	c.wg.Go(func() {
		defer cancel()
		defer c.roundTripDone(b, c.clock.Now())
		b.deliver(c.roundTrip(ctx, b))
	})
}

func (c *coalescer) roundTrip(ctx context.Context, b *sharedBatch) ([]Enqueued, error) {
	tasks := make([]*Task, 0, b.tasks)
	for _, call := range b.calls {
		tasks = append(tasks, call.tasks...)
	}
	return enqueueOn(ctx, c.queue, tasks)
}

// roundTripDone ends a round trip of a shared batch or of a lone caller.
func (c *coalescer) roundTripDone(b *sharedBatch, began time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inFlight--
	c.lastRoundTrip = c.clock.Now().Sub(began)
	calls := 1
	if b != nil {
		c.sending = slices.DeleteFunc(c.sending, func(other *sharedBatch) bool { return other == b })
		close(b.done)
		calls = len(b.calls)
	}
	if c.inFlight > 0 || c.linger > 0 || c.closed {
		return
	}
	if c.pending != nil {
		calls += len(c.pending.calls)
	}
	if calls > 1 && c.lastRoundTrip >= longRoundTrip {
		c.awaitRejoinLocked(calls)
	} else if c.pending != nil {
		c.sendLocked()
	}
}

// awaitRejoinLocked makes the next round trip wait for the given number of calls. The caller
// holds c.mu.
func (c *coalescer) awaitRejoinLocked(calls int) {
	c.endRejoinLocked()
	c.expected = calls
	var t driver.Timer
	t = c.clock.AfterFunc(min(c.lastRoundTrip/4, maxRejoinWait), func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.rejoinTimer != t {
			return
		}
		c.rejoinTimer = nil
		if c.pending != nil && c.inFlight == 0 {
			c.sendLocked()
		}
	})
	c.rejoinTimer = t
}

// endRejoinLocked ends the wait for calls. The caller holds c.mu.
func (c *coalescer) endRejoinLocked() {
	if c.rejoinTimer != nil {
		c.rejoinTimer.Stop()
		c.rejoinTimer = nil
	}
}

// deliver gives each call its answers and errors.
func (b *sharedBatch) deliver(answers []Enqueued, err error) {
	var be *BatchError
	if err != nil && !errors.As(err, &be) {
		for _, call := range b.calls {
			call.err = err
		}
		return
	}
	var items []driver.ItemError
	if be != nil {
		items = be.Items
	}
	first := 0
	for _, call := range b.calls {
		end := first + len(call.tasks)
		call.answers = answers[first:end:end]
		var failed BatchError
		for _, it := range items {
			if it.Index >= first && it.Index < end {
				failed.Add(it.Index-first, it.ID, it.Err)
			}
		}
		call.err = failed.OrNil()
		first = end
	}
}

// withdraw takes a call whose context has ended out of its batch, if that is not on its
// way yet.
func (c *coalescer) withdraw(ctx context.Context, b *sharedBatch, call *waitingCall) ([]Enqueued, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b.sent {
		select {
		case <-b.done: // it was answered in the meantime
			return call.answers, call.err
		default:
		}
		if b.waiters--; b.waiters == 0 {
			b.cancel()
		}
		return nil, fmt.Errorf("enqueue on queue %q: %w: the tasks were on their way and may have been enqueued", c.queue.Config().Name, driver.Unavailable(ctx.Err()))
	}
	b.calls = slices.DeleteFunc(b.calls, func(other *waitingCall) bool { return other == call })
	b.tasks -= len(call.tasks)
	b.bytes -= call.bytes
	if len(b.calls) == 0 && c.pending == b {
		c.pending = nil
		b.timer.Stop()
	}
	return nil, c.errEnded(ctx)
}

// close refuses new and waiting calls. Then it closes the queue, ends the round trips of
// shared batches and waits for them.
func (c *coalescer) close() error {
	c.mu.Lock()
	if b := c.pending; b != nil && !c.closed {
		c.pending = nil
		b.timer.Stop()
		b.deliver(nil, c.errClosed())
		close(b.done)
	}
	c.closed = true
	c.endRejoinLocked()
	c.mu.Unlock()
	err := c.queue.Close()
	c.mu.Lock()
	for _, b := range c.sending {
		b.cancel()
	}
	c.mu.Unlock()
	c.wg.Wait()
	return err
}

func (c *coalescer) errClosed() error {
	return fmt.Errorf("enqueue on queue %q: %w: nothing was sent", c.queue.Config().Name, ErrClosed)
}

func (c *coalescer) errEnded(ctx context.Context) error {
	return fmt.Errorf("enqueue on queue %q: %w: nothing was sent", c.queue.Config().Name, ctx.Err())
}
