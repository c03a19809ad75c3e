package pool

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

type saysRetryable bool

func (s saysRetryable) Error() string   { return "says for itself" }
func (s saysRetryable) Retryable() bool { return bool(s) }

func TestDecide(t *testing.T) {
	var (
		plain = errors.New("no answer")
		wrap  = func(err error) error { return fmt.Errorf("handler: %w", err) }
		ended = func(cause error) context.Context {
			ctx, end := context.WithCancelCause(t.Context())
			end(cause)
			return ctx
		}
		none     = t.Context()
		lost     = ended(fmt.Errorf("%w: receipt 7", driver.ErrLeaseLost))
		stopping = ended(driver.ErrStopping)
		timeout  = ended(driver.ErrTimeout)
	)
	for _, c := range []struct {
		name    string
		ctx     context.Context
		err     error
		outcome Outcome
		delay   time.Duration
	}{
		{"no error", none, nil, Completed, 0},
		{"no error after the lease: the task is another worker's", lost, nil, Abandoned, 0},
		{"no error although the pool stops", stopping, nil, Completed, 0},
		{"an error", none, plain, Retried, time.Minute},
		{"an error after the timeout", timeout, plain, Retried, time.Minute},
		{"an error after the lease", lost, plain, Abandoned, 0},
		{"a final error after the lease", lost, Skip(plain), Abandoned, 0},
		{"a snooze after the lease", lost, Snooze(time.Second), Abandoned, 0},
		{"an error while the pool stops", stopping, plain, Released, 0},
		{"a retry wish while the pool stops", stopping, RetryAfter(time.Second, plain), Released, 0},
		{"a final error while the pool stops", stopping, wrap(Skip(plain)), Died, 0},
		{"a snooze", none, wrap(Snooze(time.Second)), Snoozed, time.Second},
		{"a snooze while the pool stops", stopping, Snooze(time.Second), Snoozed, time.Second},
		{"a snooze into the past", none, Snooze(-time.Second), Snoozed, 0},
		{"a retry wish", none, wrap(RetryAfter(time.Second, plain)), Retried, time.Second},
		{"a retry wish for the past", none, RetryAfter(-time.Second, nil), Retried, 0},
		{"skipped", none, wrap(Skip(plain)), Died, 0},
		{"skipped, with a retry wish around it", none, RetryAfter(time.Second, Skip(nil)), Died, 0},
		{"invalid", none, wrap(driver.ErrInvalidTask), Died, 0},
		{"unknown type", none, wrap(driver.ErrUnknownType), Died, 0},
		{"unknown shape", none, wrap(driver.ErrUnknownShape), Died, 0},
		{"expired", none, wrap(driver.ErrTaskExpired), Died, 0},
		{"delivered too often", none, wrap(driver.ErrMaxDeliveries), Died, 0},
		{"a panic", none, wrap(driver.ErrPanic), Retried, time.Minute},
		{"an error that says no", none, wrap(saysRetryable(false)), Died, 0},
		{"an error that says yes", none, wrap(saysRetryable(true)), Retried, time.Minute},
		{"an error that says yes, and is final", none, errors.Join(saysRetryable(true), driver.ErrInvalidTask), Died, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			policy := &Policy{Retry: RetryPolicy{Base: time.Minute}}
			task := &driver.Task{MaxRetries: 1}
			v := decide(c.ctx, policy, task, c.err)
			assert.Equal(t, verdict{c.outcome, c.delay}, v)
			ctx := context.WithValue(c.ctx, runKey{}, &execution{info: runInfo{Task: task}, policy: policy})
			assert.Equal(t, c.outcome, OutcomeOf(ctx, c.err))
		})
	}
}

func TestRetriesEndAtTheTasksOwnMaximum(t *testing.T) {
	policy := &Policy{Retry: RetryPolicy{Max: 99, Base: time.Second}}
	for count, want := range []verdict{{Retried, time.Second}, {Retried, 2 * time.Second}, {outcome: Died}, {outcome: Died}} {
		task := &driver.Task{MaxRetries: 2, RetryCount: count}
		assert.Equal(t, want, decide(t.Context(), policy, task, errors.New("no")))
	}
}

func TestPolicySaysWhatIsRetryable(t *testing.T) {
	ask := func(answer bool) *Policy {
		return &Policy{Retry: RetryPolicy{Retryable: func(error) bool { return answer }}}
	}
	task := &driver.Task{MaxRetries: 1}
	assert.Equal(t, Died, decide(t.Context(), ask(false), task, errors.New("no")).outcome)
	assert.Equal(t, Retried, decide(t.Context(), ask(true), task, saysRetryable(false)).outcome)
	assert.Equal(t, Died, decide(t.Context(), ask(true), task, Skip(errors.New("no"))).outcome, "final is final")
}

func TestOutcomeOfOutsideOfARunKnowsNoRetries(t *testing.T) {
	assert.Equal(t, Completed, OutcomeOf(t.Context(), nil))
	assert.Equal(t, Died, OutcomeOf(t.Context(), errors.New("no")))
	assert.Equal(t, Snoozed, OutcomeOf(t.Context(), Snooze(1)))
}

func TestVerdictErrorsKeepTheTextAndTheCause(t *testing.T) {
	cause := fmt.Errorf("no answer: %w", driver.ErrClosed)
	for _, err := range []error{Skip(cause), RetryAfter(time.Second, cause)} {
		require.EqualError(t, err, cause.Error())
		require.ErrorIs(t, err, driver.ErrClosed)
	}
	assert.EqualError(t, Skip(nil), "skipped by its handler")
	assert.EqualError(t, RetryAfter(0, nil), "to be retried, says its handler")
	assert.EqualError(t, Snooze(time.Second), "snoozed for 1s")
}
