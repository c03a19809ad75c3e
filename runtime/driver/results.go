package driver

import (
	"context"
	"errors"
	"time"
)

// Results gives access to the results that handlers returned.
type Results interface {
	// Await returns the result of a task once it has succeeded, or an error wrapping
	// ErrTaskFailed once it is dead. It waits until then or until ctx ends.
	Await(ctx context.Context, id string) ([]byte, error)
}

// A ResultStore keeps results for a time. It is safe for concurrent use.
type ResultStore interface {
	Results
	// PutResult stores the outcome of a task for ttl: the result when failure is empty,
	// else the reason why there is none.
	PutResult(ctx context.Context, id string, result []byte, failure string, ttl time.Duration) error
}

// ErrTaskFailed: the awaited task is dead.
var ErrTaskFailed = errors.New("taskgen: the task failed")

// DefaultResultRetention is how long a result is kept when its task's spec does not set a
// retention.
const DefaultResultRetention = 24 * time.Hour

// A StoredResult is the stored outcome of a task's last life.
type StoredResult struct {
	ID string
	// Result is what the handler returned, as it is stored. Nil where Failure is set.
	Result []byte
	// Failure is why there is no result: the task died.
	Failure string
	// Version distinguishes this outcome from any that replaces it, even an equal one.
	// Empty: there is no outcome.
	Version string
}

// A ResultKeeper is a result store that can also read outcomes without waiting, and
// remove them. The result stores of packages memory, sqlite and redis implement it.
//
// A task has several lives if it is redriven, or if its ID is enqueued again after it is
// done. With a store that is no ResultKeeper, Await returns the outcome of the previous
// life until the new one has ended.
type ResultKeeper interface {
	Results
	// Peek returns the stored outcome of each task, in the order of ids, without waiting.
	Peek(ctx context.Context, ids []string) ([]StoredResult, error)
	// Forget removes outcomes that Peek returned, unless others have replaced them.
	Forget(ctx context.Context, rs []StoredResult) error
}
