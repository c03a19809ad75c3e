package measure

import (
	"context"
	"errors"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/observe"
)

// Timed reports whether the duration of a call says something: a dequeue that found
// nothing took as long as it was allowed to wait.
func Timed(c *observe.Call) bool { return c.Op != observe.OpDequeue || c.Tasks > 0 || c.Err != nil }

// answers are errors that are part of a provider's work: they describe tasks, or report
// that the queue is closed.
var answers = []error{
	driver.ErrNoTasks, driver.ErrTaskExpired, driver.ErrQueueFull, driver.ErrInvalidTask, driver.ErrPayloadTooLarge,
	driver.ErrLeaseLost, driver.ErrUnsupported, driver.ErrDuplicate, driver.ErrTaskNotFound, driver.ErrClosed,
}

// Failed reports whether the error of a call to a provider is the provider's failure. A
// caller that went away says nothing about it.
func Failed(err error) bool {
	if err == nil {
		return false
	}
	var batch *driver.BatchError
	if errors.As(err, &batch) {
		for i := range batch.Items {
			if failed(batch.Items[i].Err) {
				return true
			}
		}
		return false
	}
	return failed(err)
}

func failed(err error) bool {
	if errors.Is(err, context.Canceled) {
		return false
	}
	for _, answer := range answers {
		if errors.Is(err, answer) {
			return false
		}
	}
	return true
}
