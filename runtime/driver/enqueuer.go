package driver

import "context"

// An Enqueuer takes tasks: a runtime.Manager, or what a middleware or provider puts in
// its place. The answers stand in the order of the tasks; see Queue.Enqueue.
type Enqueuer interface {
	Enqueue(ctx context.Context, tasks []*Task) ([]Enqueued, error)
}

// EnqueuerFunc makes a function an Enqueuer.
type EnqueuerFunc func(ctx context.Context, tasks []*Task) ([]Enqueued, error)

// Enqueue calls f.
func (f EnqueuerFunc) Enqueue(ctx context.Context, tasks []*Task) ([]Enqueued, error) {
	return f(ctx, tasks)
}
