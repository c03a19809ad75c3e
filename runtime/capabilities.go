package runtime

import "time"

// Unlimited marks a Capabilities limit that the provider does not have.
const Unlimited = -1

// Capabilities says what a queue can do, so that what is missing fails at
// start and never silently.
type Capabilities struct {
	MaxDelay    time.Duration // longest delay of a task; Unlimited where there is no bound
	MaxLease    time.Duration // longest lease; Unlimited where there is no bound
	MaxPayload  int           // bytes of one payload; Unlimited where there is no bound
	MaxBatch    int           // tasks that one round trip carries; larger batches are split
	DedupWindow time.Duration // longest UniqueFor; 0: no unique keys; Unlimited: any
	// UniqueUntilDone says that a unique key without a window (UniqueFor 0) is
	// held until the task is completed or dead.
	UniqueUntilDone bool
	Ordered         bool // keeps the order of groups: a queue of type fifo
	Priorities      int  // levels this queue hands out by; 1: no priority
	Durable         bool // a task survives a kill -9 of whatever holds the queue
	Fencing         bool // a stale receipt changes nothing, proved by the backend
	// CrashIsAttempt says that the provider cannot tell a crash from a failure,
	// so that a dead worker costs a retry.
	CrashIsAttempt bool
	// CountsCrashes says that Delivery.Crashes is kept, and so is
	// QueueConfig.MaxDeliveries.
	CountsCrashes bool
	// GathersEnqueues says that the provider itself commits concurrent
	// enqueues in one go, so that the manager need not.
	GathersEnqueues bool
	// Lateness is the longest that a due task waits to be handed out on an
	// idle, healthy queue.
	Lateness time.Duration

	Browse, Cancel, Reschedule, Purge, Pause, Redrive, Discard, Transactions bool
}
