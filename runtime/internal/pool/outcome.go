package pool

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// Outcome is the fate of a task after one run of its handler.
type Outcome = driver.Outcome

// The outcomes of a run.
const (
	Completed = driver.Completed
	Retried   = driver.Retried
	Died      = driver.Died
	Snoozed   = driver.Snoozed
	Released  = driver.Released
	Abandoned = driver.Abandoned
	Cancelled = driver.Cancelled
)

type skipError struct{ err error }

func (e *skipError) Error() string { return e.err.Error() }
func (e *skipError) Unwrap() error { return e.err }

// Skip marks an error as final: the task goes to the dead letter queue now, whatever
// retries are left.
func Skip(err error) error {
	if err == nil {
		err = errors.New("skipped by its handler")
	}
	return &skipError{err}
}

type retryAfterError struct {
	err   error
	delay time.Duration
}

func (e *retryAfterError) Error() string { return e.err.Error() }
func (e *retryAfterError) Unwrap() error { return e.err }

// RetryDelay lets middleware tell an error with a delay from one without.
func (e *retryAfterError) RetryDelay() time.Duration { return e.delay }

// RetryAfter fails the run with err and sets the delay of the retry, instead of the
// policy's. It is charged like any failure.
func RetryAfter(d time.Duration, err error) error {
	if err == nil {
		err = errors.New("to be retried, says its handler")
	}
	return &retryAfterError{err, max(d, 0)}
}

type snoozeError struct{ delay time.Duration }

func (e *snoozeError) Error() string { return "snoozed for " + e.delay.String() }

// Snooze puts the task back for d. It is no failure and is not charged.
func Snooze(d time.Duration) error { return &snoozeError{max(d, 0)} }

// DefaultRetryable reports whether an error is retried if the policy has no Retryable:
// all but those that wrap ErrInvalidTask, ErrUnknownType, ErrUnknownShape, ErrTaskExpired
// or ErrMaxDeliveries, those made by Skip, and those with a method Retryable() bool that
// returns false.
func DefaultRetryable(err error) bool {
	if final(err) {
		return false
	}
	var says interface{ Retryable() bool }
	return !errors.As(err, &says) || says.Retryable()
}

// final errors override any policy: running the task again cannot help.
func final(err error) bool {
	var skip *skipError
	return errors.As(err, &skip) || errors.Is(err, driver.ErrInvalidTask) || errors.Is(err, driver.ErrUnknownType) ||
		errors.Is(err, driver.ErrUnknownShape) || errors.Is(err, driver.ErrTaskExpired) || errors.Is(err, driver.ErrMaxDeliveries)
}

// OutcomeOf returns what the pool will do about a run that returned err. Middleware
// calls it with the context that it was given; the pool decides by the same rule.
func OutcomeOf(ctx context.Context, err error) Outcome {
	r, ok := ctx.Value(runKey{}).(*execution)
	if !ok {
		return decide(ctx, &Policy{}, &driver.Task{}, err).outcome
	}
	return decide(ctx, r.policy, r.info.Task, err).outcome
}

type verdict struct {
	outcome Outcome
	delay   time.Duration
}

// decide is the only function that decides the outcome of a task.
func decide(ctx context.Context, p *Policy, t *driver.Task, err error) verdict {
	cause := context.Cause(ctx)
	if errors.Is(cause, driver.ErrLeaseLost) {
		return verdict{outcome: Abandoned} // even after success: the task is another worker's
	}
	if err == nil {
		return verdict{outcome: Completed}
	}
	if errors.Is(cause, driver.ErrCancelled) {
		return verdict{outcome: Cancelled}
	}
	if final(err) {
		return verdict{outcome: Died}
	}
	var snooze *snoozeError
	if errors.As(err, &snooze) {
		return verdict{outcome: Snoozed, delay: snooze.delay}
	}
	if errors.Is(cause, driver.ErrStopping) {
		return verdict{outcome: Released}
	}
	retryable := p.Retry.Retryable
	if retryable == nil {
		retryable = DefaultRetryable
	}
	if t.RetryCount >= t.MaxRetries || !retryable(err) {
		return verdict{outcome: Died}
	}
	var after *retryAfterError
	if errors.As(err, &after) {
		return verdict{outcome: Retried, delay: after.delay}
	}
	return verdict{outcome: Retried, delay: p.Retry.Delay(t.RetryCount+1, rand.Float64())}
}
