package measure

import (
	"errors"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/observe"
)

// A Reason is a class of failures, as the value of a label.
type Reason string

// Why a run failed.
const (
	HandlerError  Reason = "error"          // what the handler returned
	Timeout       Reason = "timeout"        // the task's timeout was over
	Panic         Reason = "panic"          // the handler panicked
	Invalid       Reason = "invalid_task"   // the payload cannot be read; or: the task cannot be enqueued
	UnknownType   Reason = "unknown_type"   // no worker handled its type
	UnknownShape  Reason = "unknown_shape"  // no worker read the shape of its payload
	Expired       Reason = "task_expired"   // it waited beyond the retention of its queue
	MaxDeliveries Reason = "max_deliveries" // too many of its workers died
)

// Why a task was not enqueued, besides Invalid.
const (
	Duplicate   Reason = "duplicate"         // its ID or unique key is taken
	Full        Reason = "queue_full"        // the queue is at its capacity
	TooLarge    Reason = "payload_too_large" // so is its payload
	Unsupported Reason = "unsupported"       // the provider cannot keep what it asks for
	Unavailable Reason = "unavailable"       // the broker did not answer: it may be enqueued
	OtherReason Reason = "other"
)

// A class is an error and the reason that it means.
type class struct {
	err    error
	reason Reason
}

// reasonOf returns the reason of the first class that an error wraps, or other. A method of
// an error may panic, as those of nil pointers do, and a listener must not.
func reasonOf(err error, classes []class, other Reason) (reason Reason) {
	reason = other
	defer func() { _ = recover() }()
	for _, c := range classes {
		if errors.Is(err, c.err) {
			return c.reason
		}
	}
	return other
}

var failures = []class{
	{driver.ErrUnknownType, UnknownType},
	{driver.ErrUnknownShape, UnknownShape},
	{driver.ErrTaskExpired, Expired},
	{driver.ErrMaxDeliveries, MaxDeliveries},
	{driver.ErrPanic, Panic},
	{driver.ErrTimeout, Timeout},
	{driver.ErrInvalidTask, Invalid},
}

// Failures are the reasons that Failure returns.
var Failures = []Reason{HandlerError, Timeout, Panic, Invalid, UnknownType, UnknownShape, Expired, MaxDeliveries}

// Failure returns why a run failed; "" if it did not, or has no outcome yet.
func Failure(r *observe.Run) Reason {
	if r.Err == nil || r.Outcome != driver.Retried && r.Outcome != driver.Died {
		return ""
	}
	return reasonOf(r.Err, failures, HandlerError)
}

// Ran reports whether the handler ran, for a run that failed for this reason or did not
// fail. Some tasks die without a run.
func (r Reason) Ran() bool {
	return r != UnknownType && r != UnknownShape && r != Expired && r != MaxDeliveries
}

var refusals = []class{
	{driver.ErrDuplicate, Duplicate},
	{driver.ErrQueueFull, Full},
	{driver.ErrPayloadTooLarge, TooLarge},
	{driver.ErrInvalidTask, Invalid},
	{driver.ErrUnsupported, Unsupported},
	{driver.ErrUnavailable, Unavailable},
}

// Refusals are the reasons that Refusal returns.
var Refusals = []Reason{Duplicate, Full, TooLarge, Invalid, Unsupported, Unavailable, OtherReason}

// Refusal returns why a task was not enqueued.
func Refusal(err error) Reason { return reasonOf(err, refusals, OtherReason) }
