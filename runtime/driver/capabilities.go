package driver

import (
	"fmt"
	"time"
)

// Unlimited marks a Capabilities limit that the provider does not have.
const Unlimited = -1

// Exact is the Granularity of a queue whose leases and delays are as long as asked for.
const Exact = time.Nanosecond

// Capabilities says what a queue can do, so that what is missing fails at
// start and never silently.
//
// The zero value promises nothing: a field that a provider forgets can only make the
// provider promise less than it keeps. A manager opens no queue whose MaxLease is 0, and
// enqueues no payload where MaxPayload is 0. Package drivertest tests no provider that leaves
// MaxLease, MaxPayload, Granularity or Lateness at 0.
type Capabilities struct {
	// MaxDelay is the longest delay with which a task can be enqueued; 0: none at
	// all; Unlimited where there is no bound. A released task can always be delayed.
	MaxDelay time.Duration
	// DelayHop is the longest delay that the backend handles by itself; 0: none;
	// Unlimited: any. A worker that receives a task with a longer one too early delays it
	// again; until then the task counts as ready.
	DelayHop time.Duration
	// MaxLease is the longest lease that Dequeue and Extend take; 0: none at all;
	// Unlimited where there is no bound. Where the broker also bounds the whole time of a delivery,
	// Extend makes a lease end at that bound, and LeaseUntil says so.
	MaxLease time.Duration
	// MaxPayload is how many bytes a payload may have; 0: none at all; Unlimited where
	// there is no bound.
	MaxPayload int
	// MaxBatch is how many tasks one round trip carries: larger batches are split. 0 is
	// 1; Unlimited where there is no bound.
	MaxBatch    int
	DedupWindow time.Duration // longest UniqueFor; 0: no unique keys; Unlimited: any
	// UniqueUntilDone says that a unique key without a window (UniqueFor 0) is
	// held until the task is completed or dead.
	UniqueUntilDone bool
	Ordered         bool // keeps the order of groups: a queue of type fifo
	Priorities      int  // levels this queue hands out by; 0 and 1: no priority
	Durable         bool // a task survives a kill -9 of whatever holds the queue
	Fencing         bool // a stale receipt changes nothing, proved by the backend
	// ForgivesCrashes says that the provider distinguishes a crash of a worker from a
	// failure of its handler. Where it is false a dead worker costs its task a retry.
	ForgivesCrashes bool
	// CountsCrashes says that Delivery.Crashes is kept, and so is
	// QueueConfig.MaxDeliveries.
	CountsCrashes bool
	// ExactCrashes says that a task counts as crashed only after a worker received it,
	// apart from answers that are lost on their way. Where it is false the backend may
	// answer a waiting Dequeue whose process has died, or a process may receive tasks
	// ahead of the calls that ask for them. Both count as crashes of tasks that no worker
	// has seen, and such a task may die after fewer runs than MaxDeliveries.
	ExactCrashes bool
	// RefusesIDs says that Enqueue answers ErrDuplicate for an ID that is on the
	// queue already. Where it is false the task is there twice.
	RefusesIDs bool
	// KeepsReleased says that Release stores the task as it is in the delivery. Where it
	// is false a task comes back as it was enqueued, and RetryCount is what the provider
	// counts (see ForgivesCrashes).
	KeepsReleased bool
	// FirstInFirstOut says that ready tasks of one level are handed out in the
	// order of arrival. Where it is false they are so only roughly. Ordered is about
	// the order within groups.
	FirstInFirstOut bool
	// FairGroups says that the groups of a fifo queue take turns. Where it is false the
	// broker chooses the next group: a long one may go before others when workers take
	// one task at a time.
	FairGroups bool
	// FreeLeases says that a lease is bound to its receipt alone: it outlives the handle,
	// the connection and the process that took it, and any handle can settle it. Where it
	// is false a lease ends at once when one of these is gone, and only its handle can
	// settle it.
	FreeLeases bool
	// ConfirmsAcks says that Complete, Release and DeadLetter return nil only when the
	// broker has confirmed the call. Where it is false an ack that was sent may be lost
	// with its connection, and its task is handed out again.
	ConfirmsAcks bool
	// CountsScheduled says that Stats counts the tasks that are not due separately.
	// Where it is false they count as ready or leased, or not at all.
	CountsScheduled bool
	// CountsLeased says that Stats counts the leases of every process. Where it is false
	// Leased counts those of this process.
	CountsLeased bool
	// CountsExpired says that Stats counts a task as ready as soon as its lease has
	// ended. Where it is false the task of a killed worker counts as leased until a
	// Dequeue follows, even if the worker had moved it to the dead letter queue already.
	CountsExpired bool
	// ExactReady says that Stats.Ready is exact at that moment, and that a Dequeue finds
	// every ready task that may be handed out. Where it is false the count may lag, and a
	// Dequeue that waits for less than a second may miss tasks: only a longer one shows
	// that a queue is empty.
	ExactReady bool
	// CountsOrigins says that Stats.Dead counts only the queue's own dead tasks on a
	// shared dead letter queue. Where it is false it counts all tasks there.
	CountsOrigins bool
	// CountsAge says that Stats.OldestAge is kept. Where it is false it is 0.
	CountsAge bool
	// Granularity is what leases and delays are rounded up to a multiple of; Exact: they
	// have the requested length; 0: it is not known.
	Granularity time.Duration
	// Unmetered says that the backend bills no requests. Where it is false a pool fills its
	// requests: from a backlog it fetches ahead what its workers begin within a second, up
	// to MaxBatch. Fewer completed tasks than MaxBatch are settled when no more are
	// expected, after 3 s at the latest and a tenth of the lease, and fewer that failed
	// after 1 s.
	Unmetered bool
	// GathersEnqueues says that the provider itself commits concurrent
	// enqueues in one go, so that the manager need not.
	GathersEnqueues bool
	// Lateness is the longest that a due task waits to be handed out on an
	// idle, healthy queue; 0: it is not known.
	Lateness time.Duration

	Browse, Cancel, Reschedule, Purge, Pause, Delete, Redrive, Discard, Transactions bool
}

// Accepts reports whether a queue with these capabilities can keep what a task
// asks for at the given time, as an error wrapping [ErrUnsupported], or nil. A
// manager calls it for every task. A task that it refuses would silently be early, or
// enqueued twice.
func (c Capabilities) Accepts(t *Task, now time.Time) error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w by queue %q: task %s (%s) "+format, append([]any{ErrUnsupported, t.Queue, t.ID, t.Type}, args...)...)
	}
	if c.MaxDelay != Unlimited {
		if d := t.ScheduledFor.Sub(now); d > c.MaxDelay {
			return bad("is due in %s, and the longest delay is %s: keep it in a schedule, or use a queue that delays for longer", d, c.MaxDelay)
		}
	}
	switch {
	case t.UniqueKey == "":
	case t.UniqueFor == 0 && !c.UniqueUntilDone:
		return bad("has a unique key until it is done, which the queue cannot hold: give it a window, or use another queue")
	case t.UniqueFor > 0 && c.DedupWindow == 0:
		return bad("has a unique key, and the queue holds none: use another queue")
	case c.DedupWindow != Unlimited && t.UniqueFor > c.DedupWindow:
		return bad("is unique for %s, and the queue holds keys for %s", t.UniqueFor, c.DedupWindow)
	}
	return nil
}
