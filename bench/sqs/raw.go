package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"golang.org/x/sync/errgroup"

	"github.com/taskgen/taskgen/bench/contest"
)

const (
	rawName    = "SDK alone"
	rawPollers = 8
	most       = 10 // messages of a request
)

// raw is the floor of requests: everything in batches of ten, the most that SQS
// takes. A lone Enqueue is a request of its own.
func raw() contest.Contender {
	return contest.Contender{
		Name: rawName,
		Settings: fmt.Sprintf("aws-sdk-go-v2 service/sqs v1.52.10: SendMessage, or SendMessageBatch of %d, %d at the same time; %d pollers that receive %d, handle them and delete them by DeleteMessageBatch",
			most, rawPollers, rawPollers, most),
		Open: func(ctx context.Context, url string) (contest.Queue, error) {
			q := &rawQueue{c: newClient(url)}
			var err error
			q.url, err = create(ctx, q.c)
			return q, err
		},
	}
}

type rawQueue struct {
	c   *sqs.Client
	url string
}

func (q *rawQueue) Enqueue(ctx context.Context) error {
	_, err := q.c.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &q.url, MessageBody: aws.String(string(contest.Payload(time.Now())))})
	return err
}

func (q *rawQueue) EnqueueBatch(ctx context.Context, n int) error {
	var all errgroup.Group
	all.SetLimit(rawPollers)
	now := time.Now()
	for first := 0; first < n; first += most {
		all.Go(func() error {
			entries := make([]types.SendMessageBatchRequestEntry, min(most, n-first))
			for i := range entries {
				entries[i].Id = aws.String(strconv.Itoa(i))
				entries[i].MessageBody = aws.String(string(contest.Payload(now)))
			}
			out, err := q.c.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &q.url, Entries: entries})
			if err == nil && len(out.Failed) > 0 {
				err = fmt.Errorf("%d messages were not sent", len(out.Failed))
			}
			return err
		})
	}
	return all.Wait()
}

// EnqueueAt delays by whole seconds, as SQS does.
func (q *rawQueue) EnqueueAt(ctx context.Context, due time.Time) error {
	seconds := int32((time.Until(due) + time.Second - 1) / time.Second)
	_, err := q.c.SendMessage(ctx, &sqs.SendMessageInput{
		QueueUrl: &q.url, MessageBody: aws.String(string(contest.Payload(due))), DelaySeconds: max(seconds, 0),
	})
	return err
}

func (q *rawQueue) Work(_ context.Context, handle func(due int64)) (func(context.Context) error, error) {
	stopped := make(chan struct{})
	var pollers sync.WaitGroup
	failed := make(chan error, rawPollers)
	for range rawPollers {
		pollers.Go(func() {
			for {
				select {
				case <-stopped:
					return
				default:
				}
				if err := q.poll(handle); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	return func(context.Context) error {
		close(stopped)
		pollers.Wait()
		close(failed)
		var errs []error
		for err := range failed {
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	}, nil
}

// poll is not cut short: that would leave messages leased.
func (q *rawQueue) poll(handle func(due int64)) error {
	ctx := context.Background()
	got, err := q.c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &q.url, MaxNumberOfMessages: most, WaitTimeSeconds: 1})
	if err != nil || len(got.Messages) == 0 {
		return err
	}
	entries := make([]types.DeleteMessageBatchRequestEntry, len(got.Messages))
	for i, m := range got.Messages {
		handle(contest.Due([]byte(*m.Body)))
		entries[i].Id, entries[i].ReceiptHandle = aws.String(strconv.Itoa(i)), m.ReceiptHandle
	}
	out, err := q.c.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &q.url, Entries: entries})
	if err == nil && len(out.Failed) > 0 {
		err = fmt.Errorf("%d messages were not deleted", len(out.Failed))
	}
	return err
}

func (q *rawQueue) Left(ctx context.Context) (int64, error) { return left(ctx, q.c, q.url) }

func (q *rawQueue) Close(context.Context) error { return nil }
