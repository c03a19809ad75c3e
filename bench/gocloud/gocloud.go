// Package gocloud makes a contender of a topic and a subscription of the Go CDK,
// whatever the broker.
package gocloud

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"gocloud.dev/pubsub"
	"golang.org/x/sync/errgroup"

	"github.com/taskgen/taskgen/bench/contest"
)

// A Queue is a contest.Queue over the Go CDK. The Go CDK gathers the messages of
// concurrent calls into batches by itself, so a batch is that many calls at once.
type Queue struct {
	Topic     *pubsub.Topic
	Subscribe func() *pubsub.Subscription
	// Count counts what was not acknowledged.
	Count func(ctx context.Context) (int64, error)
	// Done ends what the two are made of.
	Done func(ctx context.Context) error
}

// Enqueue sends one message.
func (q *Queue) Enqueue(ctx context.Context) error {
	return q.Topic.Send(ctx, &pubsub.Message{Body: contest.Payload(time.Now())})
}

// EnqueueBatch sends messages by calls at the same time.
func (q *Queue) EnqueueBatch(ctx context.Context, n int) error {
	var all errgroup.Group
	for range n {
		all.Go(func() error { return q.Enqueue(ctx) })
	}
	return all.Wait()
}

// Work receives on contest.Workers goroutines.
func (q *Queue) Work(_ context.Context, handle func(due int64)) (func(context.Context) error, error) {
	sub := q.Subscribe()
	ctx, cancel := context.WithCancel(context.Background())
	var workers sync.WaitGroup
	failed := make(chan error, contest.Workers)
	for range contest.Workers {
		workers.Go(func() {
			for {
				m, err := sub.Receive(ctx)
				if err != nil {
					failed <- err
					return
				}
				handle(contest.Due(m.Body))
				m.Ack()
			}
		})
	}
	return func(ctx context.Context) error {
		cancel()
		workers.Wait()
		close(failed)
		var errs []error
		for err := range failed {
			if !errors.Is(err, context.Canceled) {
				errs = append(errs, fmt.Errorf("receive: %w", err))
			}
		}
		return errors.Join(append(errs, sub.Shutdown(ctx))...) // it sends the acknowledgements
	}, nil
}

// Left counts what was not acknowledged.
func (q *Queue) Left(ctx context.Context) (int64, error) { return q.Count(ctx) }

// Close shuts the topic down.
func (q *Queue) Close(ctx context.Context) error {
	return errors.Join(q.Topic.Shutdown(ctx), q.Done(ctx))
}
