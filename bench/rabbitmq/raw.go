package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/taskgen/taskgen/bench/contest"
)

const (
	rawName = "amqp091-go alone"
	// rawPrefetch messages are with a consumer at a time, of which there are
	// rawConsumers: as the broker's guide recommends, a few hundred.
	rawPrefetch  = 500
	rawAck       = 100 // messages that one ack takes off, when as many are there
	rawConsumers = 2
)

// raw is the ceiling: the client alone, with what makes a message safe. Confirms of
// a batch are waited for together, and one ack is sent for many messages: what a
// worker may do whose handlers end in the order in which they began.
func raw() contest.Contender {
	return contest.Contender{
		Name: rawName,
		Settings: fmt.Sprintf("amqp091-go v1.16.0 on a quorum queue: persistent, every publish confirmed, one a call on a channel of the caller's own or %d at the same time on one channel; "+
			"%d consumers with a prefetch of %d, an ack for up to %d messages", contest.Batch, rawConsumers, rawPrefetch, rawAck),
		Open: func(_ context.Context, url string) (contest.Queue, error) {
			count, remove, err := declare(url)
			if err != nil {
				return nil, err
			}
			in, err := amqp.Dial(url)
			if err != nil {
				return nil, err
			}
			out, err := amqp.Dial(url)
			if err != nil {
				return nil, err
			}
			q := &rawQueue{in: in, out: out, channels: make(chan *amqp.Channel, contest.Callers), left: count, remove: remove}
			for range contest.Callers {
				ch, err := in.Channel()
				if err != nil {
					return nil, err
				}
				if err := ch.Confirm(false); err != nil {
					return nil, err
				}
				q.channels <- ch
			}
			return q, nil
		},
	}
}

type rawQueue struct {
	in, out  *amqp.Connection
	channels chan *amqp.Channel // to publish on
	left     func(context.Context) (int64, error)
	remove   func(context.Context) error
}

func (q *rawQueue) Enqueue(ctx context.Context) error { return q.EnqueueBatch(ctx, 1) }

func (q *rawQueue) EnqueueBatch(ctx context.Context, n int) error {
	ch := <-q.channels
	defer func() { q.channels <- ch }()
	now, confirms := time.Now(), make([]*amqp.DeferredConfirmation, n)
	for i := range confirms {
		var err error
		confirms[i], err = ch.PublishWithDeferredConfirmWithContext(ctx, "", name, true, false, amqp.Publishing{
			DeliveryMode: amqp.Persistent, Body: contest.Payload(now),
		})
		if err != nil {
			return err
		}
	}
	for _, c := range confirms {
		if ok, err := c.WaitContext(ctx); err != nil || !ok {
			return errors.Join(err, errors.New("a publish was not confirmed"))
		}
	}
	return nil
}

func (q *rawQueue) Work(_ context.Context, handle func(due int64)) (func(context.Context) error, error) {
	var consumers sync.WaitGroup
	failed := make(chan error, rawConsumers)
	var channels []*amqp.Channel
	for i := range rawConsumers {
		ch, err := q.out.Channel()
		if err != nil {
			return nil, err
		}
		if err := ch.Qos(rawPrefetch, 0, false); err != nil {
			return nil, err
		}
		messages, err := ch.Consume(name, fmt.Sprint("raw-", i), false, false, false, false, nil)
		if err != nil {
			return nil, err
		}
		channels = append(channels, ch)
		consumers.Go(func() { failed <- consume(messages, handle) })
	}
	return func(context.Context) error {
		var errs []error
		for i, ch := range channels {
			errs = append(errs, ch.Cancel(fmt.Sprint("raw-", i), false)) // ends messages
		}
		consumers.Wait()
		for _, ch := range channels {
			errs = append(errs, <-failed, ch.Close()) // after the acks
		}
		return errors.Join(errs...)
	}, nil
}

// consume handles messages, and acknowledges many at once when many are there.
func consume(messages <-chan amqp.Delivery, handle func(due int64)) error {
	for m := range messages {
		n := 1
		for handle(contest.Due(m.Body)); n < rawAck; n++ {
			next, ok := more(messages)
			if !ok {
				break
			}
			m = next
			handle(contest.Due(m.Body))
		}
		if err := m.Ack(true); err != nil {
			return err
		}
	}
	return nil
}

// more is a message that is there already.
func more(messages <-chan amqp.Delivery) (m amqp.Delivery, ok bool) {
	select {
	case m, ok = <-messages:
	default:
	}
	return m, ok
}

func (q *rawQueue) Left(ctx context.Context) (int64, error) { return q.left(ctx) }

func (q *rawQueue) Close(ctx context.Context) error {
	return errors.Join(q.in.Close(), q.out.Close(), q.remove(ctx))
}
