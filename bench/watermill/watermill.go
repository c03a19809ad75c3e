// Package watermill makes a contender of a publisher and a subscriber of
// Watermill, whatever the broker.
package watermill

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/taskgen/taskgen/bench/contest"
)

// Version of Watermill itself.
const Version = "Watermill v1.5.1"

// Topic that messages are published to.
const Topic = "contest"

// A Queue is a contest.Queue over Watermill. It has no batches: Publish takes many
// messages, but sends one after another.
type Queue struct {
	Publisher message.Publisher
	// Subscribe makes a new subscriber.
	Subscribe func() (message.Subscriber, error)
	// Subscriptions that the subscriber is asked for. A subscription works on one
	// message at a time, unless the subscriber does more by itself.
	Subscriptions int
	// Count counts what was not acknowledged.
	Count func(ctx context.Context) (int64, error)
	// Delete removes the queue from the broker; nil where nothing is to be removed.
	Delete func(ctx context.Context) error
}

// Enqueue publishes one message.
func (q *Queue) Enqueue(context.Context) error {
	return q.Publisher.Publish(Topic, message.NewMessage(watermill.NewUUID(), contest.Payload(time.Now())))
}

// Work consumes on contest.Workers goroutines.
func (q *Queue) Work(_ context.Context, handle func(due int64)) (func(context.Context) error, error) {
	sub, err := q.Subscribe()
	if err != nil {
		return nil, err
	}
	var workers sync.WaitGroup
	for range q.Subscriptions {
		messages, err := sub.Subscribe(context.Background(), Topic)
		if err != nil {
			return nil, errors.Join(err, sub.Close())
		}
		for range contest.Workers / q.Subscriptions {
			workers.Go(func() {
				for m := range messages {
					handle(contest.Due(m.Payload))
					m.Ack()
				}
			})
		}
	}
	return func(ctx context.Context) error {
		err := errors.Join(q.settle(ctx), sub.Close())
		workers.Wait()
		return err
	}, nil
}

// settle waits until what was acknowledged has arrived: until the number of what
// is left stands still. Closing the subscriber of NATS deletes the consumer, and
// with it acks that the server has not come to yet.
func (q *Queue) settle(ctx context.Context) error {
	for before := int64(-1); ; {
		left, err := q.Count(ctx)
		if err != nil || left == 0 || left == before {
			return err
		}
		before = left
		time.Sleep(200 * time.Millisecond)
	}
}

// Left counts what was not acknowledged.
func (q *Queue) Left(ctx context.Context) (int64, error) { return q.Count(ctx) }

// Close closes the publisher, and removes the queue.
func (q *Queue) Close(ctx context.Context) error {
	err := q.Publisher.Close()
	if q.Delete != nil {
		err = errors.Join(err, q.Delete(ctx))
	}
	return err
}
