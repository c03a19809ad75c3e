package nats

import (
	"context"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A queue is one open queue of a Provider.
type queue struct {
	*queueState
	cfg    driver.QueueConfig
	around driver.Revival // of what Redrive moves

	deletion driver.Deletion

	closing       context.Context // ended by Close
	cancelClosing context.CancelFunc
	// closeMu keeps a Dequeue from starting during Close, which waits for dequeues.
	closeMu  sync.RWMutex
	dequeues sync.WaitGroup
}

var _ interface {
	driver.Queue
	driver.Browser
	driver.Finder
	driver.Canceller
	driver.Rescheduler
	driver.Purger
	driver.Pauser
	driver.Reviver
	driver.Discarder
	driver.Deleter
} = (*queue)(nil)

const (
	// batchSize is the most tasks that one Dequeue requests.
	batchSize = 1000
	// lateness: the server checks its schedules at most every 250 ms.
	lateness = 300 * time.Millisecond
	// headroom of a message is kept free for headers, and for the history of failures
	// that a task accumulates (see driver.RecordAttempt).
	headroom = 32 << 10
	// roomForRest is the usual size of an envelope without its payload.
	roomForRest = 384
)

// Config implements [driver.Queue].
func (q *queue) Config() driver.QueueConfig { return q.cfg }

// Capabilities implements [driver.Queue].
func (q *queue) Capabilities() driver.Capabilities {
	dlq := q.isDLQ()
	return driver.Capabilities{
		MaxDelay:        driver.Unlimited,
		DelayHop:        driver.Unlimited,
		MaxLease:        driver.Unlimited,
		MaxPayload:      q.maxPayload(),
		MaxBatch:        batchSize,
		DedupWindow:     driver.Unlimited,
		UniqueUntilDone: true,
		Ordered:         q.cfg.Type == driver.FIFO,
		Priorities:      q.cfg.Levels,
		Durable:         true,
		ForgivesCrashes: true,
		CountsCrashes:   true,
		RefusesIDs:      true,
		KeepsReleased:   true,
		FirstInFirstOut: true,
		FairGroups:      true,
		FreeLeases:      true,
		ConfirmsAcks:    true,
		CountsScheduled: true,
		CountsLeased:    true,
		CountsOrigins:   true,
		CountsAge:       true,
		Granularity:     driver.Exact,
		Unmetered:       true,
		Lateness:        lateness,
		Browse:          true, Cancel: true, Reschedule: true, Purge: true, Pause: true,
		Redrive: !dlq, Discard: !dlq, Delete: !dlq,
	}
}

// maxPayload is the longest payload accepted from a caller: it still fits as base64.
func (s *queueState) maxPayload() int { return s.maxEnvelope() / 4 * 3 }

// maxEnvelope is the longest envelope accepted from a caller.
func (s *queueState) maxEnvelope() int {
	return max(int(s.p.js.Conn().MaxPayload())-headroom, 1<<10)
}

// Close implements [driver.Queue]. It waits until the Dequeues that it ends have given
// back the messages that the server had sent them.
func (q *queue) Close() error {
	q.end()
	q.dequeues.Wait()
	q.p.mu.Lock()
	defer q.p.mu.Unlock()
	delete(q.p.queues, q)
	return nil
}

func (q *queue) end() {
	q.closeMu.Lock()
	defer q.closeMu.Unlock()
	q.cancelClosing()
}

func (q *queue) errClosed() error { return driver.QueueClosed(q.cfg.Name) }

// open returns an error when the queue is closed.
func (q *queue) open() error {
	if q.closing.Err() != nil {
		return q.errClosed()
	}
	return nil
}

// beginCall begins a call that the provider's Close waits for; q.p.calls.Done ends it.
func (q *queue) beginCall() error {
	if err := q.open(); err != nil {
		return err
	}
	return q.p.beginCall()
}

// beginDequeue begins a call that this queue's Close waits for; q.dequeues.Done ends it.
func (q *queue) beginDequeue() error {
	q.closeMu.RLock()
	defer q.closeMu.RUnlock()
	if err := q.open(); err != nil {
		return err
	}
	q.dequeues.Add(1)
	return nil
}
