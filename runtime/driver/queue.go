package driver

import (
	"context"
	"log/slog"
	"time"
)

// A Provider is a backend: it opens the named queues of one broker, file or
// process. It is safe for use by many goroutines.
type Provider interface {
	// Name is the provider's short name ("memory", "sqlite"), for errors and
	// metrics.
	Name() string
	// Open creates the queue that cfg describes, with its dead letter queue,
	// or verifies the one that is there. Each call gives a handle of its own,
	// which is closed on its own. It returns an error wrapping
	// ErrUnsupported when the provider cannot do what cfg asks for, and
	// ErrQueueMismatch when the existing queue is of another type, or when a queue
	// that tasks are taken from would be the dead letter queue of another: cfg.DLQ is
	// one, or cfg is one by [QueueConfig.AsDead].
	Open(ctx context.Context, cfg QueueConfig) (Queue, error)
	// Close closes every queue that Open returned, and the backend's own
	// resources. What is leased stays leased until its lease ends.
	Close() error
}

// A Queue is one named queue of a provider. All its methods may be called by
// many goroutines at once, work on batches, and answer per item: where some
// items fail the error is a [*BatchError] that says which and why, and the
// others are done and must not be sent again.
//
// A nil error means the whole batch is done and as durable as the provider's
// Capabilities say. After Close every method returns an error wrapping
// [ErrClosed].
//
// What only some queues can do is in small interfaces, from [Browser] to [Discarder].
// Capabilities says which ones a queue implements.
//
// Complete, Extend, Release and DeadLetter return ErrLeaseLost for a delivery
// whose receipt a later delivery has replaced, or whose task is gone. Between
// the end of a lease and the next delivery a provider may carry out the call or
// return ErrLeaseLost; what it returns is true either way.
//
// After any other error of an item it is unknown whether the item was settled: the
// connection may have been cut on the way there or back. The call may be repeated
// with the same delivery. It is then carried out, or returns ErrLeaseLost. While the
// lease holds by LeaseUntil nobody else can have had the task, so ErrLeaseLost in
// answer to a repeated call means that an earlier call has settled it: the pool
// takes it as success, and so does a provider that repeats requests itself. Leases
// that are bound to a connection (see Capabilities.FreeLeases) may have ended with
// it, and ErrLeaseLost then says nothing of the earlier call.
type Queue interface {
	// Config is what the queue was opened with, defaults filled in.
	Config() QueueConfig
	// Capabilities says in data what this queue can do.
	Capabilities() Capabilities

	// Enqueue puts tasks on the queue. The answers stand in the order of the
	// tasks. A task whose unique key is taken is no error, whether by a task on
	// the queue or by one earlier in the batch: its answer has Duplicate set and
	// the ID of the task that holds the key; so it is with a task that is sent
	// again with its own key. Without a key, an ID that is on the queue already, or
	// earlier in the batch, fails with ErrDuplicate. Tasks that the queue has
	// no room for fail with ErrQueueFull. The tasks are copied: the caller keeps
	// them.
	//
	// Where it is not known what became of a task, because the connection was cut
	// or the reply is lost, its error says so by being none of those named here.
	// Such a task may be enqueued again with its ID: on a queue whose Capabilities
	// say RefusesIDs it is there once then, whether the answer is nil, Duplicate or
	// ErrDuplicate; on others perhaps twice. So it is when a provider itself repeats
	// a request.
	//
	// A queue refuses, with ErrInvalidTask, what QueueConfig.Accepts refuses, whether a
	// manager has validated it before or not.
	Enqueue(ctx context.Context, tasks []*Task) ([]Enqueued, error)

	// Dequeue leases up to limit tasks that are due for the given time; both must
	// be positive. It waits until there is at least one and wakes at once; when
	// ctx ends before that, or the provider's own longest wait is over, it returns
	// ErrNoTasks. With a ctx that has ended already a provider may look once for
	// what is there, or not at all. It returns what is there without waiting for
	// more. A lease above Capabilities.MaxLease is refused with ErrUnsupported; so it
	// is by Extend.
	//
	// A provider whose receive cannot be cancelled without losing what it brings
	// lets it come to its end behind a Dequeue that has returned: what it brings is
	// handed out by the handle's next Dequeue, or put back on the queue. It begins
	// no receive that would outlast the deadline of ctx, so that this concerns those
	// alone that are cancelled. It tells of them by Behind, so that a pool that stops
	// can wait for what they bring.
	//
	// What cannot be decoded a provider buries by itself, and tells of by Buried.
	//
	// The Delivery and its Task are the caller's, but for the bytes of
	// Payload, which providers may share and nobody may change.
	Dequeue(ctx context.Context, limit int, lease time.Duration) ([]*Delivery, error)

	// Complete takes done tasks off the queue for good.
	Complete(ctx context.Context, ds []*Delivery) error
	// Extend makes the leases end the given time from now, and sets LeaseUntil
	// of those that it extended.
	Extend(ctx context.Context, ds []*Delivery, lease time.Duration) error
	// Release puts tasks back on the queue, due again after each one's
	// Delivery.Delay. It keeps the Task as it stands in the delivery: RetryCount
	// and Metadata are the caller's to change beforehand. Whether ScheduledFor then
	// says when the task is due again is the provider's affair.
	//
	// A worker that lives may say of a lease that has ended that it was no crash, by
	// a release with its receipt. The answer is ErrLeaseLost as ever; where the end of
	// the lease was counted, a provider that can takes that back, once for each
	// receipt, and changes nothing else of the task, whoever has it now.
	Release(ctx context.Context, ds []*Delivery) error
	// DeadLetter moves tasks to the dead letter queue, as they stand in the
	// delivery. The runtime writes the failure into the task beforehand (see
	// [Bury]).
	DeadLetter(ctx context.Context, ds []*Delivery) error

	// Stats counts the queue's tasks, in time that does not grow with their
	// number.
	Stats(ctx context.Context) (Stats, error)
	// Close ends every waiting Dequeue with ErrClosed. It leaves the queue's
	// tasks where they are, and may be called more than once.
	Close() error
}

// A Delivery is a task handed to one worker for the time of a lease.
type Delivery struct {
	Task *Task
	// Receipt proves the lease: it fences off a worker whose lease has ended.
	Receipt Receipt
	// LeaseUntil is when the lease ends, on this process's clock.
	LeaseUntil time.Time
	// Crashes is how many earlier deliveries of the task ended with nothing
	// said, because the worker died or its lease ran out. 0 where the provider
	// cannot tell.
	Crashes int
	// Delay is how long a released task waits until it is due again. It is set
	// by the caller of Release.
	Delay time.Duration
}

// Attempt counts the runs of the task that were charged, this one included: 1
// the first time.
func (d *Delivery) Attempt() int { return d.Task.RetryCount + 1 }

// LogValue is the delivery as a log may show it: without the task's payload.
func (d Delivery) LogValue() slog.Value {
	attrs := []slog.Attr{slog.Time("lease_until", d.LeaseUntil), slog.Int("crashes", d.Crashes)}
	if d.Task != nil {
		attrs = append(attrs, slog.Attr{Key: "task", Value: d.Task.LogValue()})
	}
	return slog.GroupValue(attrs...)
}

// A Receipt is the fencing token of one delivery. It means something only to
// the queue that gave it.
type Receipt string

// Enqueued says what became of one task given to Enqueue.
type Enqueued struct {
	// ID of the task, or of the one that holds its unique key.
	ID string
	// Queue that the task is on.
	Queue string
	// DueAt is when the task may be handed out.
	DueAt time.Time
	// Duplicate says that nothing was enqueued, because the unique key is
	// taken by the task ID names.
	Duplicate bool
}

// Stats are the numbers of one queue.
type Stats struct {
	Ready     int64 // due and waiting for a worker
	Scheduled int64 // not due yet, retries that wait included
	Leased    int64 // with a worker
	Dead      int64 // on the dead letter queue
	// OldestAge is how long the oldest ready task has been due; 0 when none is.
	OldestAge time.Duration
}

// A Browser lists tasks without leasing them.
type Browser interface {
	// Browse returns up to limit tasks in the given state after the cursor, in
	// the order they will be handed out, and the cursor of the next page, empty
	// after the last. The first page has the cursor "".
	Browse(ctx context.Context, state State, cursor string, limit int) (tasks []*Task, next string, err error)
}

// A Finder looks up tasks by their ID.
type Finder interface {
	// Find returns what the queue has under an ID, in time that does not grow with the
	// number of tasks that wait or are dead: at most one that is ready, scheduled or
	// leased, and then those that died on the queue, the first to die first. On a dead
	// letter queue all that lie there are its own. None: an empty list.
	Find(ctx context.Context, id string) ([]Found, error)
}

// Found is a task and where on its queue it is.
type Found struct {
	Task  *Task
	State State
	// DueAt is when a ready or scheduled task became or becomes due.
	DueAt time.Time
}

// A Canceller removes tasks that nobody works on yet.
type Canceller interface {
	// Cancel removes the ready and scheduled tasks among ids and returns the IDs
	// of those it removed. Leased and unknown ones are left as they are. The
	// unique keys of those it removed are free, unless they have a window; so it
	// is with Purge.
	Cancel(ctx context.Context, ids []string) (cancelled []string, err error)
}

// A Rescheduler changes when a waiting task is due.
type Rescheduler interface {
	// Reschedule makes a ready or scheduled task due at the given time. The
	// error wraps ErrTaskNotFound when no such task waits.
	Reschedule(ctx context.Context, id string, at time.Time) error
}

// A Purger empties a queue.
type Purger interface {
	// Purge removes every ready and scheduled task and says how many there
	// were. Leased and dead ones stay.
	Purge(ctx context.Context) (int, error)
}

// A Pauser stops a queue from handing out tasks, in every process.
type Pauser interface {
	// Pause makes Dequeue hand out nothing until Resume. Enqueue and the
	// settling of leased tasks go on.
	Pause(ctx context.Context) error
	Resume(ctx context.Context) error
	Paused(ctx context.Context) (bool, error)
}

// A Redriver moves dead tasks back to their queue of origin. It is implemented
// by that queue, not by its dead letter queue: q.(driver.Redriver), with a q from
// Manager.Queue of package runtime. So it is with Browser and the state Dead, and with Discarder.
type Redriver interface {
	// Redrive moves the dead tasks with the given IDs, or all of them when ids
	// is nil (an empty slice that is not nil: none), from the queue's dead letter
	// queue back to the queue, due at once, with RetryCount 0, [MetaRedriveCount]
	// raised and [MetaRedrivenFrom] set. It returns the IDs of those it moved. A
	// task whose ID is on the queue again stays dead, and its error wraps
	// ErrDuplicate; unknown IDs are no error.
	Redrive(ctx context.Context, ids []string) (redriven []string, err error)
	// RedriveDeaths is Redrive for tasks that were read before: it moves those alone
	// that died the given deaths, and returns these. One that was redriven meanwhile
	// and died again stays. Where payloads is not nil it has one for each death, which
	// takes the place of the task's own in the same step unless it is nil; a task that
	// the queue does not take with it (see Enqueue) stays dead, and its error says why.
	// The items of a *BatchError are counted in the order of deaths.
	RedriveDeaths(ctx context.Context, deaths []Death, payloads [][]byte) (redriven []Death, err error)
}

// A Discarder removes dead tasks for good.
type Discarder interface {
	// Discard removes the dead tasks with the given IDs, and returns the IDs of
	// those it removed. Unlike Redrive it takes nil for none. Unknown IDs are no
	// error.
	Discard(ctx context.Context, ids []string) (discarded []string, err error)
	// DiscardDeaths is Discard for tasks that were read before: it removes those alone
	// that died the given deaths, and returns these.
	DiscardDeaths(ctx context.Context, deaths []Death) (discarded []Death, err error)
}

// State says where on a queue a task is.
type State string

// The states of a task.
const (
	Ready     State = "ready"     // due and waiting
	Scheduled State = "scheduled" // not due yet
	Leased    State = "leased"    // with a worker
	Dead      State = "dead"      // on the dead letter queue
)
