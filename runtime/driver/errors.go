package driver

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The errors of the contract. They are returned wrapped, with context: compare with
// errors.Is.
var (
	// ErrNoTasks: the wait of a Dequeue ended without a task.
	ErrNoTasks = errors.New("taskgen: no tasks")
	// ErrTaskExpired: the task waited longer than its queue's retention.
	ErrTaskExpired = errors.New("taskgen: the task expired")
	// ErrQueueFull: the queue is at its capacity.
	ErrQueueFull = errors.New("taskgen: the queue is full")
	// ErrInvalidTask: the task cannot be put on a queue, or its payload cannot be read.
	// It is never retried.
	ErrInvalidTask = errors.New("taskgen: invalid task")
	// ErrPayloadTooLarge: the payload exceeds the limit of the queue or manager.
	ErrPayloadTooLarge = errors.New("taskgen: the payload is too large")
	// ErrLeaseLost: the lease has ended (the visibility timeout expired). The task may be
	// with another worker, or gone.
	ErrLeaseLost = errors.New("taskgen: lease lost (visibility timeout expired)")
	// ErrUnsupported: the provider cannot do this.
	ErrUnsupported = errors.New("taskgen: not supported")
	// ErrDuplicate: a task with this ID is already on the queue.
	ErrDuplicate = errors.New("taskgen: duplicate task ID")
	// ErrUnknownQueue: no queue of this name is open.
	ErrUnknownQueue = errors.New("taskgen: unknown queue")
	// ErrUnknownType: no handler is registered for the task's type. The task dies of it
	// after the QueueConfig.Unknown of its queue.
	ErrUnknownType = errors.New("taskgen: unknown task type")
	// ErrUnknownShape: the handler of the task's type does not read payloads of the task's
	// shape. The task dies of it after the QueueConfig.Unknown of its queue.
	ErrUnknownShape = errors.New("taskgen: unknown payload shape")
	// ErrTaskNotFound: no task with this ID is in the requested state.
	ErrTaskNotFound = errors.New("taskgen: task not found")
	// ErrInvalidQueue: the declaration of a queue contradicts itself.
	ErrInvalidQueue = errors.New("taskgen: invalid queue")
	// ErrQueueMismatch: the queue exists, or is declared elsewhere, and differs.
	ErrQueueMismatch = errors.New("taskgen: the existing queue differs")
	// ErrMaxDeliveries: the task crashed its worker too often while it ran alone.
	ErrMaxDeliveries = errors.New("taskgen: delivered too often without an outcome")
	// ErrUnavailable: the broker could not be reached, refused the connection, or did not
	// answer in time. Nothing was done, or it is unknown what was done. The same call may be
	// repeated.
	ErrUnavailable = errors.New("taskgen: the provider is unavailable")
	// ErrClosed: the queue, provider, manager or pool is closed.
	ErrClosed = errors.New("taskgen: closed")
	// ErrStopping is the cause of a handler's context when the pool's grace to
	// stop is over.
	ErrStopping = errors.New("taskgen: the pool is stopping")
	// ErrTimeout is the cause of a handler's context when the task's timeout is
	// over.
	ErrTimeout = errors.New("taskgen: the task timed out")
	// ErrCancelled is the cause of a handler's context when an operator cancels the task's
	// run. A task whose handler then fails is not retried.
	ErrCancelled = errors.New("taskgen: the task was cancelled")
	// ErrPanic: the handler panicked. The error's text contains the value; PanicStack
	// returns the stack, which is also in the log and in the metadata of the task.
	ErrPanic = errors.New("taskgen: the handler panicked")
)

// named are the errors that Unavailable leaves as they are: those of a known outcome, and
// ErrUnavailable itself.
var named = [...]error{
	ErrNoTasks, ErrTaskExpired, ErrQueueFull, ErrInvalidTask, ErrPayloadTooLarge, ErrLeaseLost, ErrUnsupported, ErrDuplicate,
	ErrUnknownQueue, ErrUnknownType, ErrUnknownShape, ErrTaskNotFound, ErrTaskFailed, ErrInvalidQueue, ErrQueueMismatch,
	ErrMaxDeliveries, ErrClosed, ErrUnavailable,
}

// Unavailable makes an error of a provider's client wrap [ErrUnavailable], with the error
// as its cause. It leaves nil and errors of this package as they are. The provider calls it
// where a request has failed, and only if the failure is neither the broker's refusal nor
// the caller's mistake.
func Unavailable(err error) error {
	if err == nil {
		return nil
	}
	for _, known := range named {
		if errors.Is(err, known) {
			return err
		}
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// A BatchError says which items of a batch failed, and why. The other items are done.
// errors.Is and errors.As look into every item's error.
type BatchError struct {
	Items []ItemError // in the order of the batch
}

// An ItemError is the failure of one item of a batch.
type ItemError struct {
	Index int    // its position in the batch
	ID    string // the task's ID; empty when it had none yet
	Err   error
}

// Add records the failure of the item at index i. A nil err is no failure.
func (e *BatchError) Add(i int, id string, err error) {
	if err != nil {
		e.Items = append(e.Items, ItemError{Index: i, ID: id, Err: err})
	}
}

// OrNil returns e as an error, or nil when it holds no failure. It may be
// called on nil.
func (e *BatchError) OrNil() error {
	if e == nil || len(e.Items) == 0 {
		return nil
	}
	return e
}

// Sorted returns e as an error, its items in the order of the batch, or nil when
// it holds no failure.
func (e *BatchError) Sorted() error {
	slices.SortFunc(e.Items, func(a, b ItemError) int { return a.Index - b.Index })
	return e.OrNil()
}

// Error lists the first few failures.
func (e *BatchError) Error() string {
	const shown = 3
	var b strings.Builder
	fmt.Fprintf(&b, "%d of the batch failed", len(e.Items))
	for i, it := range e.Items {
		if i == shown {
			fmt.Fprintf(&b, "; and %d more", len(e.Items)-shown)
			break
		}
		fmt.Fprintf(&b, "; item %d", it.Index)
		if it.ID != "" { // a refused payload never became a task
			fmt.Fprintf(&b, " (%s)", it.ID)
		}
		fmt.Fprintf(&b, ": %v", it.Err)
	}
	return b.String()
}

// Unwrap returns the errors of the items.
func (e *BatchError) Unwrap() []error {
	errs := make([]error, len(e.Items))
	for i, it := range e.Items {
		errs[i] = it.Err
	}
	return errs
}

// ErrorAt returns the error of the item at index i from the error of a batch call: the
// item's own when err is a BatchError, else err itself.
func ErrorAt(err error, i int) error {
	var be *BatchError
	if err == nil || !errors.As(err, &be) { // errors.As costs an allocation, also for nil
		return err
	}
	for _, it := range be.Items {
		if it.Index == i {
			return it.Err
		}
	}
	return nil
}
