package redis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/taskgen/taskgen/runtime/driver"
)

// The client notices that a context has ended only between two tries: while it reads it
// uses its own timeouts, and the deadline of a context only if configured to. A call that
// may end early therefore runs in a goroutine, which is abandoned when its context ends.
// The goroutine ends soon: the client does not retry for a context that has ended.

// bounded calls f and returns its results, or the error of ctx as soon as that has
// ended: then the outcome is unknown, and f may still run. f must therefore keep
// nothing that the caller may change.
func bounded[T any](ctx context.Context, f func(context.Context) (T, error)) (T, error) {
	return boundedOr(ctx, nil, 0, f, nil)
}

// boundedOr is bounded, and also returns when quit is closed, after grace. Later results
// of f go to late.
func boundedOr[T any](ctx context.Context, quit <-chan struct{}, grace time.Duration, f func(context.Context) (T, error), late func(T)) (T, error) {
	if _, is := ctx.(boundedContext); is || ctx.Done() == nil && quit == nil {
		return f(ctx)
	}
	var none T
	if err := ctx.Err(); err != nil {
		return none, fmt.Errorf("%w: %w", errUnsent, err)
	}
	b := &boundedCall[T]{done: make(chan struct{})}
	goReusing(func() {
		value, err := f(boundedContext{ctx})
		b.mu.Lock()
		b.value, b.err = value, err
		abandoned := b.abandoned
		close(b.done)
		b.mu.Unlock()
		if abandoned && late != nil {
			late(value)
		}
	})
	select {
	case <-b.done:
		return b.value, ended(ctx, b.err)
	case <-ctx.Done():
	case <-quit:
	}
	if grace > 0 {
		t := time.NewTimer(grace)
		defer t.Stop()
		select {
		case <-b.done:
			return b.value, ended(ctx, b.err)
		case <-t.C:
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-b.done:
		return b.value, ended(ctx, b.err)
	default:
	}
	b.abandoned = true
	return none, &abandonedError{cmp.Or(ctx.Err(), driver.ErrClosed)}
}

// errUnsent is in the error of a call whose context had ended before it began.
var errUnsent = errors.New("nothing was sent")

// boundedContext marks the context of a call that is already bounded.
type boundedContext struct{ context.Context }

// A boundedCall is the result of a bounded call.
type boundedCall[T any] struct {
	done chan struct{} // closed when the rest is set

	mu        sync.Mutex
	value     T
	err       error
	abandoned bool // the caller no longer waits
}

// abandonedError is the error of an abandoned call.
type abandonedError struct{ cause error }

func (e *abandonedError) Error() string {
	return "the server has not answered in time, so the outcome is unknown: " + e.cause.Error()
}

func (e *abandonedError) Unwrap() error { return e.cause }

// ended adds the error of a context to that of a call that failed because the context
// ended: the client itself reports a timeout.
func ended(ctx context.Context, err error) error {
	var answered redis.Error
	if err == nil || ctx.Err() == nil || errors.As(err, &answered) || errors.Is(err, ctx.Err()) {
		return err
	}
	return fmt.Errorf("%w: %w", ctx.Err(), err)
}

// idleGoroutines passes functions to idle goroutines. A goroutine that has run a function
// waits a while for another: its stack has grown to the size that the client needs, which
// costs more than the goroutine itself.
var idleGoroutines = make(chan func())

// idleTime is how long it waits.
const idleTime = 200 * time.Millisecond

// goReusing runs f in another goroutine.
func goReusing(f func()) {
	select {
	case idleGoroutines <- f:
		return
	default:
	}
	go func() {
		t := time.NewTimer(idleTime)
		defer t.Stop()
		for {
			f()
			t.Reset(idleTime)
			select {
			case f = <-idleGoroutines:
			case <-t.C:
				return
			}
		}
	}()
}
