package runtime

import (
	"context"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/internal/pool"
)

// Outcome is the fate of a task after one run of its handler.
type Outcome = driver.Outcome

// The outcomes of a run.
const (
	Completed Outcome = driver.Completed // the handler returned nil
	Retried   Outcome = driver.Retried   // it failed and will be tried again
	Died      Outcome = driver.Died      // it failed for good: to the dead letter queue
	Snoozed   Outcome = driver.Snoozed   // it asked to be run later, uncharged
	Released  Outcome = driver.Released  // the pool stopped it: back on the queue, uncharged
	Abandoned Outcome = driver.Abandoned // its lease was lost: the task is another worker's
)

// Skip marks an error as final: the task goes to the dead letter queue now, whatever
// retries are left.
func Skip(err error) error { return pool.Skip(err) }

// RetryAfter fails the run with err and sets the delay of the retry, instead of the
// policy's. It is charged like any failure. The error has a method RetryDelay()
// time.Duration, by which middleware can tell it from others.
func RetryAfter(d time.Duration, err error) error { return pool.RetryAfter(d, err) }

// Snooze puts the task back for d. It is no failure and is not charged.
func Snooze(d time.Duration) error { return pool.Snooze(d) }

// DefaultRetryable reports whether an error is retried if the policy has no Retryable:
// all but those that wrap ErrInvalidTask, ErrUnknownType, driver.ErrUnknownShape,
// driver.ErrTaskExpired or driver.ErrMaxDeliveries, those made by Skip, and those with a
// method Retryable() bool that returns false.
func DefaultRetryable(err error) bool { return pool.DefaultRetryable(err) }

// OutcomeOf returns what the pool will do about a run that returned err. Middleware
// calls it with the context that it was given; the pool decides by the same rule.
func OutcomeOf(ctx context.Context, err error) Outcome { return pool.OutcomeOf(ctx, err) }
