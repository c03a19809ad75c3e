package driver

import "context"

// An Enqueuer takes tasks: a runtime.Manager, or a substitute from a middleware or
// provider. The answers are in the order of the tasks; see Queue.Enqueue.
type Enqueuer interface {
	Enqueue(ctx context.Context, tasks []*Task) ([]Enqueued, error)
}

// EnqueuerFunc adapts a function to an Enqueuer.
type EnqueuerFunc func(ctx context.Context, tasks []*Task) ([]Enqueued, error)

// Enqueue calls f.
func (f EnqueuerFunc) Enqueue(ctx context.Context, tasks []*Task) ([]Enqueued, error) {
	return f(ctx, tasks)
}
