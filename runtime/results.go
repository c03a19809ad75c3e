package runtime

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Results gives access to what handlers returned.
type Results interface {
	// Await returns the result of a task once it has succeeded, or an error
	// wrapping ErrTaskFailed once it is dead. It waits until then or until ctx
	// ends.
	Await(ctx context.Context, id string) ([]byte, error)
}

// A ResultStore keeps results for a time. It is used by many goroutines at
// once.
type ResultStore interface {
	Results
	// PutResult keeps the outcome of a task for ttl: the result when failure is
	// empty, else the reason why there is none.
	PutResult(ctx context.Context, id string, result []byte, failure string, ttl time.Duration) error
}

// ErrTaskFailed: the awaited task is dead.
var ErrTaskFailed = errors.New("taskgen: the task failed")

// SetResult sets the result of the task that the context's handler runs: one
// JSON value, stored before the task is completed.
func SetResult(ctx context.Context, result []byte) error {
	r, ok := ctx.Value(runKey{}).(*run)
	if !ok {
		return errors.New("taskgen: SetResult is called outside of a handler")
	}
	r.result = result
	return nil
}

// Await waits for a task's result and decodes it. Generated code calls it.
func Await[T, R any](ctx context.Context, from Results, spec *Spec[T], id string) (R, error) {
	var result R
	data, err := from.Await(ctx, id)
	if err != nil {
		return result, err
	}
	if err := spec.codec().Unmarshal(data, &result); err != nil {
		return result, fmt.Errorf("the result of task %s (%s): %w", id, spec.Type, err)
	}
	return result, nil
}
