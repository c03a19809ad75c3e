package pool

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"

	"github.com/taskgen/taskgen/runtime/driver"
)

// nilError is what handlers return by accident: a nil pointer in an error,
// whose methods look at what is not there.
type nilError struct{ cause error }

func (e *nilError) Error() string { return e.cause.Error() }

// nilWrapper is one that panics when it is unwrapped as well.
type nilWrapper struct{ cause error }

func (e *nilWrapper) Error() string { return "wrapped: " + e.cause.Error() }
func (e *nilWrapper) Unwrap() error { return e.cause }

// moody panics with a value when it is compared.
type moody struct{}

func (moody) Error() string { return "moody" }
func (moody) Is(error) bool { panic("not in the mood") }

func TestErrorWhoseMethodsPanicEndsItsTaskAndNotTheProcess(t *testing.T) {
	for name, err := range map[string]error{
		"Error of a nil pointer":  (*nilError)(nil),
		"Unwrap of a nil pointer": (*nilWrapper)(nil),
		"wrapped nil pointer":     errors.Join(errors.New("first"), (*nilError)(nil)),
		"Is":                      moody{},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newPoolBench(t)
				b.handle(func(context.Context, *driver.Task) error { return err })
				b.put("a")
				b.putTask(&driver.Task{ID: "b", MaxRetries: 3})
				assert.Equal(t, 2, b.drain(Config{}))
				assert.Len(t, b.q().dead, 1)
				assert.Contains(t, b.q().dead[0].Metadata[driver.MetaFailureReason], "the handler panicked")
				assert.Len(t, b.q().waiting, 1, "a retry, as after any panic")
			})
		})
	}
}

// picky panics only when it is compared with io.EOF: nobody knows that before
// the policy asks.
type picky struct{}

func (picky) Error() string { return "picky" }
func (picky) Is(target error) bool {
	if target == io.EOF {
		panic("not with that one")
	}
	return false
}

func TestPanicWhenAskedWhetherToRetryLeavesOnlyTheTextOfTheError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		b.r.Handle(Policy{Type: "job", Queue: "q", Retry: RetryPolicy{Retryable: func(err error) bool { return !errors.Is(err, io.EOF) }}},
			HandlerFunc(func(context.Context, *driver.Task) error { return picky{} }))
		b.putTask(&driver.Task{ID: "a", MaxRetries: 3})
		assert.Equal(t, 1, b.drain(Config{}))
		assert.Len(t, b.q().dead, 1)
		assert.Contains(t, b.q().dead[0].Metadata[driver.MetaFailureReason], "picky; when asked whether to retry")
	})
}
