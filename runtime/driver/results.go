package driver

import (
	"context"
	"errors"
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

// DefaultResultRetention is how long a result is kept when its task's spec does
// not say.
const DefaultResultRetention = 24 * time.Hour

// A StoredResult is what a store has of a task: what became of its last life.
type StoredResult struct {
	ID string
	// Result is what the handler returned, as it is stored. Nil where Failure is set.
	Result []byte
	// Failure is why there is no result: the task died.
	Failure string
	// Version tells this outcome from any that takes its place, also from an equal one.
	// Empty: nothing is there.
	Version string
}

// A ResultKeeper is a result store that also tells what is there without waiting, and
// forgets it. memory.Results and those of packages sqlite and redis are such stores.
//
// An ID has several lives where its task is redriven, or where it is enqueued again once
// its task is done. With a store that is no ResultKeeper, Await returns what became of
// the last life until the new one has ended.
type ResultKeeper interface {
	Results
	// Peek returns what is there of each task, in the order of ids, without waiting.
	Peek(ctx context.Context, ids []string) ([]StoredResult, error)
	// Forget removes what Peek has returned, unless another outcome has taken its place.
	Forget(ctx context.Context, rs []StoredResult) error
}
