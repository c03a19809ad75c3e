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
	// Open creates the queue that cfg describes, with its dead letter queue, or verifies
	// the existing one. Each call returns a new handle, which is closed on its own. The
	// error wraps ErrUnsupported when the provider cannot do what cfg asks for. It wraps
	// ErrQueueMismatch when the existing queue has another type, or when a queue for
	// tasks would be the dead letter queue of another: either cfg.DLQ is such a queue, or
	// cfg is, by [QueueConfig.AsDead].
	Open(ctx context.Context, cfg QueueConfig) (Queue, error)
	// Close closes every queue that Open returned, and the backend's own resources.
	// Leased tasks stay leased until their leases end.
	Close() error
}

// A Queue is one named queue of a provider. Its methods are safe for concurrent use, work
// on batches, and report errors per item: where some items fail the error is a
// [*BatchError] that says which and why. The other items are done and must not be sent
// again.
//
// A nil error means that the whole batch is done and as durable as the provider's
// Capabilities say. After Close every method returns an error wrapping [ErrClosed].
//
// Optional operations are in small interfaces, from [Browser] to [Deleter].
// Capabilities says which ones a queue implements.
//
// Every method, of a Provider too, returns [ErrUnavailable] when the broker could not be
// reached, refused the connection or did not answer in time. The error wraps its cause
// (see [Unavailable]). If the context ended the call, that is the context's error; it is
// ErrUnavailable as well, unless the provider knows that nothing was done. Dequeue may
// return ErrNoTasks instead. An error that does not wrap one of this package's, such as a
// missing permission or a full disk, has a cause that a repetition does not remove.
//
// Complete, Extend, Release and DeadLetter return ErrLeaseLost for a delivery whose
// receipt a later delivery has replaced, or whose task is gone. Between the end of a
// lease and the next delivery a provider may either carry out the call or return
// ErrLeaseLost; the result is true in both cases.
//
// After ErrUnavailable it is unknown whether an item was settled: the connection may have
// been cut in either direction. The call may be repeated with the same delivery. It is
// then carried out, or returns ErrLeaseLost. Until LeaseUntil no other worker can have had
// the task, so ErrLeaseLost from a repeated call means that an earlier call settled it.
// The pool treats that as success, and so does a provider that repeats requests itself. A
// lease that is bound to a connection (see Capabilities.FreeLeases) may have ended with
// it; ErrLeaseLost then says nothing about the earlier call.
type Queue interface {
	// Config returns the configuration that the queue was opened with, defaults filled
	// in.
	Config() QueueConfig
	// Capabilities describes what this queue can do.
	Capabilities() Capabilities

	// Enqueue puts tasks on the queue. The answers are in the order of the tasks. A
	// task whose unique key is taken, by a task on the queue or earlier in the batch,
	// is no error: its answer has Duplicate set and the ID of the task that holds the
	// key. The same holds for a task that is sent again with its own key. A task
	// without a key whose ID is already on the queue, or earlier in the batch, fails
	// with ErrDuplicate. Tasks that do not fit on the queue fail with ErrQueueFull.
	// Enqueue copies the tasks.
	//
	// After ErrUnavailable the outcome of a task is unknown, because the connection was
	// cut or the reply was lost. The task may be enqueued again with its ID. On a queue
	// with Capabilities.RefusesIDs it is then there once, whether the answer is nil,
	// Duplicate or ErrDuplicate; on other queues it may be there twice.
	// The same holds when a provider itself repeats a request.
	//
	// A queue refuses what QueueConfig.Accepts refuses, with ErrInvalidTask, whether or
	// not a manager has validated the task before.
	Enqueue(ctx context.Context, tasks []*Task) ([]Enqueued, error)

	// Dequeue leases up to limit due tasks for the given time; both must be positive.
	// It waits until there is at least one task, wakes at once, and does not wait for
	// more. It returns ErrNoTasks when ctx ends first, or after the provider's own
	// longest wait. With a ctx that has already ended a provider may check once for
	// tasks, or not at all. Dequeue and Extend refuse a lease above
	// Capabilities.MaxLease with ErrUnsupported.
	//
	// A provider whose receive cannot be cancelled without losing tasks lets the
	// receive finish after Dequeue has returned. The handle's next Dequeue hands out
	// its tasks, or they go back on the queue. The provider starts no receive that
	// would outlast the deadline of ctx, so this happens only when ctx is cancelled. It
	// reports such a receive through Behind, so that a pool that stops can wait for its
	// tasks.
	//
	// A provider dead letters by itself what cannot be decoded, and reports it through
	// Buried.
	//
	// The Delivery and its Task belong to the caller, except for the bytes of Payload,
	// which providers may share and callers must not change.
	Dequeue(ctx context.Context, limit int, lease time.Duration) ([]*Delivery, error)

	// Complete removes done tasks from the queue for good.
	Complete(ctx context.Context, ds []*Delivery) error
	// Extend makes the leases end the given time from now, and sets LeaseUntil of each
	// delivery that it extended.
	Extend(ctx context.Context, ds []*Delivery, lease time.Duration) error
	// Release puts tasks back on the queue, due again after each one's Delivery.Delay.
	// It stores the Task of the delivery, whose RetryCount and Metadata the caller may
	// change beforehand. Whether ScheduledFor then says when the task is due again is
	// up to the provider.
	//
	// A live worker may release a delivery whose lease has ended, to say that the end was
	// no crash. The answer is still ErrLeaseLost. If the end was counted as a crash, a
	// provider that can do so takes that back, once per receipt, and changes nothing else
	// of the task, even if another worker has it now.
	Release(ctx context.Context, ds []*Delivery) error
	// DeadLetter moves tasks to the dead letter queue, as they are in the delivery. The
	// runtime writes the failure into the task beforehand (see [RecordDeath]).
	DeadLetter(ctx context.Context, ds []*Delivery) error

	// Stats counts the queue's tasks, in time that does not grow with their number.
	Stats(ctx context.Context) (Stats, error)
	// Close ends every waiting Dequeue with ErrClosed. It leaves the queue's tasks where
	// they are, and may be called more than once.
	Close() error
}

// A Delivery is a task handed to one worker for the time of a lease.
type Delivery struct {
	Task *Task
	// Receipt proves the lease and fences off a worker whose lease has ended.
	Receipt Receipt
	// LeaseUntil is when the lease ends, on this process's clock.
	LeaseUntil time.Time
	// Crashes is how many earlier deliveries of the task ended without an outcome,
	// because the worker died or the lease expired. 0 where the provider cannot tell.
	Crashes int
	// Delay is how long a released task waits until it is due again. The caller of
	// Release sets it.
	Delay time.Duration
}

// Attempt is the number of charged runs of the task, including this one: 1 the first
// time.
func (d *Delivery) Attempt() int { return d.Task.RetryCount + 1 }

// LogValue is the delivery for a log: without the task's payload.
func (d Delivery) LogValue() slog.Value {
	attrs := []slog.Attr{slog.Time("lease_until", d.LeaseUntil), slog.Int("crashes", d.Crashes)}
	if d.Task != nil {
		attrs = append(attrs, slog.Attr{Key: "task", Value: d.Task.LogValue()})
	}
	return slog.GroupValue(attrs...)
}

// A Receipt is the fencing token of one delivery. Only the queue that issued it can
// interpret it.
type Receipt string

// Enqueued says what became of one task given to Enqueue.
type Enqueued struct {
	// ID of the task, or of the task that holds its unique key.
	ID string
	// Queue that the task is on.
	Queue string
	// DueAt is when the task may be handed out.
	DueAt time.Time
	// Duplicate says that nothing was enqueued, because the task named by ID holds the
	// unique key.
	Duplicate bool
}

// Stats are the numbers of one queue.
type Stats struct {
	Ready     int64 // due and waiting for a worker
	Scheduled int64 // not due yet, including retries
	Leased    int64 // with a worker
	Dead      int64 // on the dead letter queue
	// OldestAge is how long the oldest ready task has been due; 0 when none is.
	OldestAge time.Duration
}

// A Browser lists tasks without leasing them.
type Browser interface {
	// Browse returns up to limit tasks in the given state after the cursor, in the order
	// in which they will be handed out, and the cursor of the next page, empty after the
	// last. The first page has the cursor "".
	Browse(ctx context.Context, state State, cursor string, limit int) (tasks []*Task, next string, err error)
}

// A Finder looks up tasks by their ID.
type Finder interface {
	// Find returns the tasks with an ID, in time that does not grow with the number of
	// waiting or dead tasks: at most one that is ready, scheduled or leased, then those
	// that died on the queue, in the order of their deaths. On a dead letter queue all
	// tasks there count as its own. If there is none the list is empty.
	Find(ctx context.Context, id string) ([]Found, error)
}

// Found is a task and its state on its queue.
type Found struct {
	Task  *Task
	State State
	// DueAt is when a ready or scheduled task became or becomes due.
	DueAt time.Time
}

// A Canceller removes tasks that no worker has yet.
type Canceller interface {
	// Cancel removes the ready and scheduled tasks among ids and returns their IDs. It
	// leaves leased tasks as they are and ignores unknown IDs. Cancel and Purge free the
	// unique keys of the tasks they remove, unless the keys have a window.
	Cancel(ctx context.Context, ids []string) (cancelled []string, err error)
}

// A Rescheduler changes when a waiting task is due.
type Rescheduler interface {
	// Reschedule makes a ready or scheduled task due at the given time. The error wraps
	// ErrTaskNotFound when there is no such task.
	Reschedule(ctx context.Context, id string, at time.Time) error
}

// A Purger empties a queue.
type Purger interface {
	// Purge removes every ready and scheduled task and returns how many there were.
	// Leased and dead tasks stay.
	Purge(ctx context.Context) (int, error)
}

// A Pauser stops a queue from handing out tasks, in every process.
type Pauser interface {
	// Pause makes Dequeue hand out nothing until the given time, or until Resume if the
	// time is zero. Tasks can still be enqueued, and leased tasks settled.
	//
	// Pause replaces a pause that there is, whichever ends first. A time that has passed
	// is that of a pause which is over: the queue is then not paused, as after Resume.
	//
	// The backend keeps the end of the pause and compares it with its own clock, if it has
	// one. So the pause ends though the process that called Pause has gone, and every
	// Dequeue that waits gets tasks again within two seconds of the end. A provider may
	// round the end up to its Capabilities.Granularity.
	Pause(ctx context.Context, until time.Time) error
	// Resume ends the pause, if there is one.
	Resume(ctx context.Context) error
	// Paused returns the pause that there is, and the zero Pause if there is none.
	Paused(ctx context.Context) (Pause, error)
}

// Pause says whether a queue hands out tasks. The zero Pause says that it does.
type Pause struct {
	Paused bool
	// Until is when the pause ends by itself. It is zero if only Resume ends it.
	Until time.Time
}

// A Redriver moves dead tasks back to their queue of origin. That queue implements it,
// not its dead letter queue: q.(driver.Redriver), with a q from Manager.Queue of package
// runtime. The same holds for Browser with the state Dead, and for Discarder.
type Redriver interface {
	// Redrive moves the dead tasks with the given IDs from the queue's dead letter queue
	// back to the queue, due at once, with RetryCount 0, [MetaRedriveCount] raised and
	// [MetaRedrivenFrom] set. Nil ids move all dead tasks; an empty slice that is not nil
	// moves none. Redrive returns the IDs of the tasks that it moved. A task whose ID is
	// on the queue again stays dead, and its error wraps ErrDuplicate; unknown IDs are no
	// error.
	Redrive(ctx context.Context, ids []string) (redriven []string, err error)
	// RedriveDeaths is Redrive for tasks that were read before: it moves only the tasks
	// of the given deaths, and returns the deaths of those it moved. A task that was
	// redriven meanwhile and died again stays. If edits is not nil it has one entry for
	// each death; an entry that is not nil changes the task in the same step. A task that
	// the queue refuses with its new payload (see Enqueue) stays dead, and its error says
	// why. The items of a *BatchError are in the order of deaths.
	RedriveDeaths(ctx context.Context, deaths []Death, edits []*Edit) (redriven []Death, err error)
}

// A Discarder removes dead tasks for good.
type Discarder interface {
	// Discard removes the dead tasks with the given IDs, and returns the IDs of those it
	// removed. Unlike with Redrive, nil means none. Unknown IDs are no error.
	Discard(ctx context.Context, ids []string) (discarded []string, err error)
	// DiscardDeaths is Discard for tasks that were read before: it removes only the tasks
	// of the given deaths, and returns the deaths of those it removed.
	DiscardDeaths(ctx context.Context, deaths []Death) (discarded []Death, err error)
}

// State is where a task is.
type State string

// The states of a task.
const (
	Ready     State = "ready"     // due and waiting
	Scheduled State = "scheduled" // not due yet
	Leased    State = "leased"    // with a worker
	Dead      State = "dead"      // on the dead letter queue
	Done      State = "done"      // on no queue: only a result shows it, to Manager.Lookup
)
