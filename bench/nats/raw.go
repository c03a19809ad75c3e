package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/taskgen/taskgen/bench/contest"
)

const (
	rawName          = "nats.go alone, acks not waited for"
	rawConfirmedName = "nats.go alone"
	// rawWorkers fetch a batch each. More of them are no faster.
	rawWorkers = 4
	rawWait    = time.Second // longest a fetch waits
)

const rawSettings = "nats.go v1.55.0: a work-queue stream on file; every publish confirmed, one a call or 200 at the same time; " +
	"4 workers that fetch 200 at a time from a durable consumer with explicit acks and MaxAckPending -1"

// raw is the ceiling: publishes that are confirmed, and acks that are sent and not
// waited for. A lost one makes a duplicate.
func raw() contest.Contender {
	return contest.Contender{
		Name: rawName, Settings: rawSettings + "; acks are sent and not waited for",
		Open: openRaw(func(msgs []jetstream.Msg) error {
			for _, m := range msgs {
				if err := m.Ack(); err != nil {
					return err
				}
			}
			return nil
		}),
	}
}

// rawConfirmed is the ceiling of who waits for the answers to acks, as taskgen
// does: those of a batch at the same time.
func rawConfirmed() contest.Contender {
	return contest.Contender{
		Name: rawConfirmedName, Settings: rawSettings + "; the acks of a batch are sent together and their answers waited for",
		Open: openRaw(nil),
	}
}

func openRaw(ack func([]jetstream.Msg) error) func(context.Context, string) (contest.Queue, error) {
	return func(ctx context.Context, url string) (contest.Queue, error) {
		nc, js, err := connect(url)
		if err != nil {
			return nil, err
		}
		s, err := workQueue(ctx, js)
		if err != nil {
			return nil, err
		}
		c, err := s.CreateConsumer(ctx, jetstream.ConsumerConfig{
			Durable: "contest", AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: -1, AckWait: time.Minute,
		})
		return &rawQueue{nc: nc, js: js, consumer: c, ack: ack}, err
	}
}

type rawQueue struct {
	nc       *nats.Conn
	js       jetstream.JetStream
	consumer jetstream.Consumer
	ack      func([]jetstream.Msg) error // nil: confirmed
}

func (q *rawQueue) Enqueue(ctx context.Context) error {
	_, err := q.js.Publish(ctx, subject, contest.Payload(time.Now()))
	return err
}

func (q *rawQueue) EnqueueBatch(ctx context.Context, n int) error {
	now, acks := time.Now(), make([]jetstream.PubAckFuture, n)
	for i := range acks {
		var err error
		if acks[i], err = q.js.PublishAsync(subject, contest.Payload(now)); err != nil {
			return err
		}
	}
	for _, a := range acks {
		select {
		case <-a.Ok():
		case err := <-a.Err():
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (q *rawQueue) Work(_ context.Context, handle func(due int64)) (func(context.Context) error, error) {
	stopped := make(chan struct{})
	var workers sync.WaitGroup
	failed := make(chan error, rawWorkers)
	for range rawWorkers {
		settle, end := q.ack, func() {}
		if settle == nil {
			answers, err := newAnswers(q.nc)
			if err != nil {
				return nil, err
			}
			settle, end = answers.ack, answers.close
		}
		workers.Go(func() {
			defer end()
			for {
				select {
				case <-stopped:
					return
				default:
				}
				if err := q.work(handle, settle); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	return func(context.Context) error {
		close(stopped)
		workers.Wait()
		close(failed)
		var errs []error
		for err := range failed {
			errs = append(errs, err)
		}
		return errors.Join(append(errs, q.nc.FlushTimeout(10*time.Second))...)
	}, nil
}

// work takes what is there, up to a batch, or waits for one message.
func (q *rawQueue) work(handle func(due int64), ack func([]jetstream.Msg) error) error {
	batch, err := q.consumer.FetchNoWait(contest.Batch)
	if err != nil {
		return err
	}
	n, err := q.settle(batch, handle, ack)
	if err != nil || n > 0 {
		return err
	}
	if batch, err = q.consumer.Fetch(1, jetstream.FetchMaxWait(rawWait)); err != nil {
		return err
	}
	_, err = q.settle(batch, handle, ack)
	return err
}

func (q *rawQueue) settle(batch jetstream.MessageBatch, handle func(due int64), ack func([]jetstream.Msg) error) (int, error) {
	var msgs []jetstream.Msg
	for m := range batch.Messages() {
		handle(contest.Due(m.Data()))
		msgs = append(msgs, m)
	}
	if err := batch.Error(); err != nil && !errors.Is(err, nats.ErrTimeout) && !errors.Is(err, jetstream.ErrNoMessages) {
		return 0, err
	}
	return len(msgs), ack(msgs)
}

func (q *rawQueue) Left(ctx context.Context) (int64, error) { return left(ctx, q.js) }

func (q *rawQueue) Close(context.Context) error {
	q.nc.Close()
	return nil
}

// answers is the inbox for the answers to one worker's acks.
type answers struct {
	nc  *nats.Conn
	sub *nats.Subscription
}

func newAnswers(nc *nats.Conn) (*answers, error) {
	sub, err := nc.SubscribeSync(nc.NewInbox())
	return &answers{nc, sub}, err
}

func (a *answers) ack(msgs []jetstream.Msg) error {
	for _, m := range msgs {
		if err := a.nc.PublishRequest(m.Reply(), a.sub.Subject, []byte("+ACK")); err != nil {
			return err
		}
	}
	for i := range msgs {
		if _, err := a.sub.NextMsg(10 * time.Second); err != nil {
			return fmt.Errorf("the answer to ack %d of %d: %w", i+1, len(msgs), err)
		}
	}
	return nil
}

func (a *answers) close() { _ = a.sub.Unsubscribe() }
