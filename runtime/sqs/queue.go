package sqs

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A Queue is one handle on a queue of a Provider. Handles of one queue share its polls:
// one handle may settle a task that another has leased.
type Queue struct {
	state *queueState
	cfg   driver.QueueConfig
	once  sync.Once
	done  chan struct{}

	revival  driver.Revival // of what Redrive moves
	deletion driver.Deletion
}

var _ interface {
	driver.Queue
	driver.Reviver
	driver.Discarder
	driver.Deleter
} = (*Queue)(nil)

// lateness is what a due task waits on an idle queue: whole seconds of delay,
// rounded up, and the hop of a delayed task onto a fifo queue.
const lateness = 2 * time.Second

// Config implements [driver.Queue].
func (q *Queue) Config() driver.QueueConfig { return q.cfg }

// Capabilities implements [driver.Queue].
func (q *Queue) Capabilities() driver.Capabilities {
	delay, hop := time.Duration(driver.Unlimited), maxDelay
	if q.state.undelayed() {
		delay, hop = 0, 0
	}
	return driver.Capabilities{
		MaxDelay:        delay,
		DelayHop:        hop,
		MaxLease:        maxLease,
		MaxPayload:      q.state.maxPayload(),
		MaxBatch:        maxBatch,
		Ordered:         q.cfg.Type == driver.FIFO,
		Priorities:      q.cfg.Levels,
		Durable:         true,
		ForgivesCrashes: !q.state.chargesReceives(),
		CountsCrashes:   !q.state.isDLQ && !q.state.retriesInPlace(),
		ExactCrashes:    q.state.isDLQ || q.state.fifo,
		KeepsReleased:   !q.state.fifo && !q.state.retriesInPlace(),
		FreeLeases:      true,
		ConfirmsAcks:    true,
		// What is hidden for its delay is in flight to SQS.
		CountsScheduled: !q.state.fifo && !q.state.retriesInPlace(),
		CountsLeased:    true,
		CountsExpired:   true,
		Granularity:     time.Second,
		Lateness:        lateness,
		Redrive:         q.state.dlq != nil, Discard: q.state.dlq != nil,
		Delete: !q.state.isDLQ && !q.state.onExisting,
	}
}

// Close implements [driver.Queue]. The last handle of a queue waits for polls in
// progress, as long as one may take (see WithCloseWait), and gives back their messages.
func (q *Queue) Close() error {
	q.once.Do(func() {
		close(q.done)
		e := q.state
		e.p.mu.Lock()
		e.mu.Lock()
		e.handles = slices.DeleteFunc(e.handles, func(o *Queue) bool { return o == q })
		last := len(e.handles) == 0
		if last {
			e.closing = true
			delete(e.p.states, e.name)
		}
		e.mu.Unlock()
		e.p.mu.Unlock()
		if last {
			e.shutDown()
		}
	})
	return nil
}

// checkOpen returns an error when the handle is closed.
func (q *Queue) checkOpen() error {
	select {
	case <-q.done:
		return driver.QueueClosed(q.cfg.Name)
	default:
		return nil
	}
}

func idOf(d *driver.Delivery) string {
	if d.Task == nil {
		return ""
	}
	return d.Task.ID
}

func (q *Queue) tooLong(lease time.Duration) error {
	return fmt.Errorf("%w: a lease of %s on queue %q: SQS leases a message for 12 hours at most", driver.ErrUnsupported, lease, q.cfg.Name)
}
