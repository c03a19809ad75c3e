package runtime

import "github.com/taskgen/taskgen/runtime/driver"

// The types of package driver that programs name: tasks and what takes them. Package
// driver has the others, for providers and for programs that inspect queues and dead
// tasks.
type (
	Task         = driver.Task
	Enqueuer     = driver.Enqueuer
	EnqueuerFunc = driver.EnqueuerFunc
	Enqueued     = driver.Enqueued
)

// Providers and the queues that are opened on them.
type (
	Provider    = driver.Provider
	QueueConfig = driver.QueueConfig
)

// The types of queue besides the standard one, which is the zero value, and the
// QueueConfig.Unknown with which a task of a type or shape that a worker does not know dies
// at once.
const (
	FIFO        = driver.FIFO
	Priority    = driver.Priority
	BuryUnknown = driver.BuryUnknown
)

// Results gives access to what handlers returned.
type Results = driver.Results

// BatchError lists which items of a batch failed, and why.
type BatchError = driver.BatchError

// ErrorAt returns the error of the item at index i from the error of a batch call: the
// item's own if err is a BatchError, else err itself.
func ErrorAt(err error, i int) error { return driver.ErrorAt(err, i) }

// The errors of opening queues, of enqueueing, of looking for tasks and of awaiting
// results. They are returned wrapped, with details: compare with errors.Is.
var (
	ErrInvalidTask     = driver.ErrInvalidTask
	ErrPayloadTooLarge = driver.ErrPayloadTooLarge
	ErrQueueFull       = driver.ErrQueueFull
	ErrDuplicate       = driver.ErrDuplicate
	ErrUnknownQueue    = driver.ErrUnknownQueue
	ErrUnsupported     = driver.ErrUnsupported
	ErrUnavailable     = driver.ErrUnavailable
	ErrClosed          = driver.ErrClosed
	ErrTaskNotFound    = driver.ErrTaskNotFound
	ErrTaskFailed      = driver.ErrTaskFailed
)

// The causes with which a handler's context ends, and errors of which a task dies.
// NewPool and Pool.Start return ErrUnknownType, too.
var (
	ErrUnknownType = driver.ErrUnknownType
	ErrTimeout     = driver.ErrTimeout
	ErrLeaseLost   = driver.ErrLeaseLost
	ErrStopping    = driver.ErrStopping
	ErrPanic       = driver.ErrPanic
)
