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

// The client hears that a context has ended only between two tries: while it reads
// it goes by timeouts of its own, and by the deadline of a context at most where it
// is told to. So a call that may end early runs in a goroutine, which is left to
// itself when its context ends. It comes to its end soon: the client tries nothing
// again for a context that has ended.

// bounded calls f and returns what it does, or the error of ctx as soon as that
// has ended: the outcome is unknown then, and f may still be at work. So f must
// keep nothing that the caller may change.
func bounded[T any](ctx context.Context, f func(context.Context) (T, error)) (T, error) {
	return boundedOr(ctx, nil, 0, f, nil)
}

// boundedOr is bounded, and returns as well when quit is closed. It gives f some
// more time then. What f brings after that goes to late.
func boundedOr[T any](ctx context.Context, quit <-chan struct{}, grace time.Duration, f func(context.Context) (T, error), late func(T)) (T, error) {
	if _, kept := ctx.(inside); kept || ctx.Done() == nil && quit == nil {
		return f(ctx)
	}
	var none T
	if err := ctx.Err(); err != nil {
		return none, fmt.Errorf("nothing was sent: %w", err)
	}
	b := &answer[T]{done: make(chan struct{})}
	hand(func() {
		value, err := f(inside{ctx})
		b.mu.Lock()
		b.value, b.err = value, err
		left := b.left
		close(b.done)
		b.mu.Unlock()
		if left && late != nil {
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
	b.left = true
	return none, &unheard{cmp.Or(ctx.Err(), driver.ErrClosed)}
}

// inside marks the context of a call that is bounded already.
type inside struct{ context.Context }

// An answer is what a bounded call brings.
type answer[T any] struct {
	done chan struct{} // closed when the rest is there

	mu    sync.Mutex
	value T
	err   error
	left  bool // the caller does not wait any more
}

// unheard is the error of a call that is left to itself.
type unheard struct{ cause error }

func (e *unheard) Error() string {
	return "the server has not answered in time, so the outcome is unknown: " + e.cause.Error()
}

func (e *unheard) Unwrap() error { return e.cause }

// ended adds the error of a context to that of a call that has failed by its end:
// the client itself speaks of timeouts then.
func ended(ctx context.Context, err error) error {
	var answered redis.Error
	if err == nil || ctx.Err() == nil || errors.As(err, &answered) || errors.Is(err, ctx.Err()) {
		return err
	}
	return fmt.Errorf("%w: %w", ctx.Err(), err)
}

// hands take functions to run from those that have none of their own. A goroutine
// that has run one waits a while for another: its stack has grown by then to what
// the client needs, which costs more than the goroutine itself.
var hands = make(chan func())

// idleHand is how long it waits.
const idleHand = 200 * time.Millisecond

// hand runs f in another goroutine.
func hand(f func()) {
	select {
	case hands <- f:
		return
	default:
	}
	go func() {
		t := time.NewTimer(idleHand)
		defer t.Stop()
		for {
			f()
			t.Reset(idleHand)
			select {
			case f = <-hands:
			case <-t.C:
				return
			}
		}
	}()
}
