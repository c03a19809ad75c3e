package measure_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/metrics/internal/measure"
	"github.com/taskgen/taskgen/runtime/observe"
)

var errOther = errors.New("disk full")

func TestFailureNamesTheReason(t *testing.T) {
	for want, err := range map[measure.Reason]error{
		measure.HandlerError:  errOther,
		measure.Timeout:       fmt.Errorf("%w after 1s: %w", driver.ErrTimeout, context.DeadlineExceeded),
		measure.Panic:         driver.Recovered("nil map"),
		measure.Invalid:       fmt.Errorf("payload: %w", driver.ErrInvalidTask),
		measure.UnknownType:   fmt.Errorf("%w: x", driver.ErrUnknownType),
		measure.UnknownShape:  fmt.Errorf("%w: x", driver.ErrUnknownShape),
		measure.Expired:       driver.ErrTaskExpired,
		measure.MaxDeliveries: driver.ErrMaxDeliveries,
	} {
		for _, outcome := range []driver.Outcome{driver.Retried, driver.Died} {
			assert.Equal(t, want, measure.Failure(&observe.Run{Err: err, Outcome: outcome}))
		}
		assert.Contains(t, measure.Failures, want, "its series is not made beforehand")
		assert.Equal(t, !slices.Contains([]measure.Reason{measure.UnknownType, measure.UnknownShape, measure.Expired, measure.MaxDeliveries}, want), want.Ran(), want)
	}
}

func TestARunThatDidNotFailHasNoReason(t *testing.T) {
	for _, r := range []observe.Run{
		{Outcome: driver.Completed},
		{Outcome: driver.Snoozed, Err: errOther},
		{Outcome: driver.Released, Err: driver.ErrStopping},
		{Outcome: driver.Abandoned, Err: driver.ErrLeaseLost},
	} {
		assert.Empty(t, measure.Failure(&r), r.Outcome)
		assert.True(t, measure.Failure(&r).Ran())
	}
}

// A badError panics when it is asked what it is.
type badError struct{}

func (badError) Error() string { return "bad" }
func (badError) Is(error) bool { panic("a nil pointer") }

func TestAnErrorThatPanicsIsAnErrorOfTheHandler(t *testing.T) {
	assert.Equal(t, measure.HandlerError, measure.Failure(&observe.Run{Err: badError{}, Outcome: driver.Died}))
}

func TestRefusalNamesTheReason(t *testing.T) {
	for want, err := range map[measure.Reason]error{
		measure.Duplicate:   driver.ErrDuplicate,
		measure.Full:        fmt.Errorf("queue mail: %w", driver.ErrQueueFull),
		measure.TooLarge:    driver.ErrPayloadTooLarge,
		measure.Invalid:     driver.ErrInvalidTask,
		measure.Unsupported: driver.ErrUnsupported,
		measure.Unavailable: driver.Unavailable(errOther),
		measure.OtherReason: errOther,
	} {
		assert.Equal(t, want, measure.Refusal(err))
		assert.Contains(t, measure.Refusals, want, "its series is not made beforehand")
	}
}

func TestOnlyTroubleOfTheProviderIsItsFailure(t *testing.T) {
	batch := func(errs ...error) error {
		var e driver.BatchError
		for i, err := range errs {
			e.Add(i, "", err)
		}
		return fmt.Errorf("enqueue: %w", &e)
	}
	for name, err := range map[string]error{
		"no error":             nil,
		"a duplicate":          batch(driver.ErrDuplicate, driver.ErrQueueFull),
		"a lost lease":         batch(driver.ErrLeaseLost),
		"the caller gave up":   driver.Unavailable(context.Canceled),
		"the queue was closed": fmt.Errorf("x: %w", driver.ErrClosed),
	} {
		assert.False(t, measure.Failed(err), name)
	}
	for name, err := range map[string]error{
		"unavailable":      driver.Unavailable(errOther),
		"too slow":         driver.Unavailable(context.DeadlineExceeded),
		"an unnamed error": errOther,
		"one of a batch":   batch(driver.ErrDuplicate, errOther),
	} {
		assert.True(t, measure.Failed(err), name)
	}
}

func TestEnqueuedTellsTheTasksOfOpenQueues(t *testing.T) {
	mail, jobs := &observe.Queue{Name: "mail"}, &observe.Queue{Name: "jobs"}
	lookups := 0
	queue := func(name string) *observe.Queue {
		lookups++
		return map[string]*observe.Queue{"mail": mail, "jobs": jobs}[name]
	}
	on := func(queue string) *driver.Task { return &driver.Task{Queue: queue} }
	var failed driver.BatchError
	failed.Add(2, "", driver.ErrQueueFull)
	e := &observe.Enqueue{
		Tasks:   []*driver.Task{nil, on("mail"), on("mail"), on("nowhere"), on("jobs"), on("jobs")},
		Answers: []driver.Enqueued{{}, {}, {}, {}, {}, {Duplicate: true}},
		Err:     &failed, Queue: queue,
	}
	type told struct {
		queue   *observe.Queue
		refused measure.Reason
	}
	tell := func(most int) (all []told) {
		for q, t := range measure.Enqueued(e) {
			if all = append(all, told{q, t.Refused}); len(all) == most {
				break
			}
		}
		return all
	}
	assert.Equal(t, []told{{mail, ""}, {mail, measure.Full}, {jobs, ""}, {jobs, measure.Duplicate}}, tell(-1))
	assert.Equal(t, 3, lookups, "one for each run of tasks of a queue")
	assert.Len(t, tell(2), 2)
	e.Answers, e.Err = nil, driver.Unavailable(errOther)
	assert.Equal(t, []told{{mail, measure.Unavailable}, {mail, measure.Unavailable}, {jobs, measure.Unavailable}, {jobs, measure.Unavailable}}, tell(-1))
}

func TestTheDurationOfAFutileDequeueSaysNothing(t *testing.T) {
	assert.False(t, measure.Timed(&observe.Call{Op: observe.OpDequeue}))
	assert.True(t, measure.Timed(&observe.Call{Op: observe.OpDequeue, Tasks: 1}))
	assert.True(t, measure.Timed(&observe.Call{Op: observe.OpDequeue, Err: errOther}))
	assert.True(t, measure.Timed(&observe.Call{Op: observe.OpComplete}))
}
