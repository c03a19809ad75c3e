package sqs

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/sqs/sqstest"
)

// queuesOf lists the names of all SQS queues.
func queuesOf(t *testing.T, p *Provider) []string {
	t.Helper()
	out, err := p.api.ListQueues(within(t), &awssqs.ListQueuesInput{MaxResults: aws.Int32(100)})
	require.NoError(t, err)
	names := []string{}
	for _, u := range out.QueueUrls {
		_, name := ownerAndName(u)
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func TestDeleteLeavesNoSQSQueue(t *testing.T) {
	t.Parallel()
	for _, cfg := range []driver.QueueConfig{{}, fifo, {Type: driver.Priority, Levels: 3}} {
		b := newBench(t)
		q := openQueue(t, b.p, cfg)
		put(t, q, "a", "b")
		waits := make(chan error, 1)
		go func() {
			for {
				if ds, err := q.Dequeue(within(t), 10, time.Minute); len(ds) == 0 {
					waits <- err
					return
				}
			}
		}()
		require.NotEmpty(t, queuesOf(t, b.p))
		require.NoError(t, q.Delete(within(t)))
		require.ErrorIs(t, <-waits, driver.ErrClosed)
		require.Empty(t, queuesOf(t, b.p), "%s", q.cfg.Type)

		_, err := b.p.Open(within(t), q.cfg)
		require.ErrorContains(t, err, "60 s")
		b.clock.Advance(time.Minute)
		require.Equal(t, driver.Stats{}, stats(t, openQueue(t, b.p, cfg)))
	}
}

func TestDeleteLeavesADeadLetterQueueThatAnotherQueueHasOrThatHasItsOwnName(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	q := openQueue(t, b.p, driver.QueueConfig{})
	other := openQueue(t, b.p, driver.QueueConfig{Name: "other", DLQ: "q-dlq"})
	require.NoError(t, q.Delete(within(t)))
	require.Equal(t, []string{"other", "q-dlq"}, queuesOf(t, b.p))
	require.NoError(t, other.Delete(within(t)))
	require.Equal(t, []string{"q-dlq"}, queuesOf(t, b.p), "only its default name says whose it is")
}

func TestTheLogSaysOnceThatAQueueWasDeletedElsewhere(t *testing.T) {
	t.Parallel()
	log, toLog := logged()
	b := newBench(t)
	q := openQueue(t, b.p, fifo)
	elsewhere := openQueue(t, b.provider(t, toLog), fifo)
	require.NoError(t, q.Delete(within(t)))
	require.Eventually(t, func() bool { // until delayed tasks have been asked for as well, and again after the pause
		_, err := elsewhere.Dequeue(within(t), 10, time.Minute)
		require.ErrorIs(t, err, driver.ErrUnknownQueue)
		elsewhere.state.mu.Lock()
		defer elsewhere.state.mu.Unlock()
		return elsewhere.state.laterFailed > 1
	}, soon, time.Millisecond)
	assert.Equal(t, 1, strings.Count(log.String(), "level=WARN"), log.String())
	assert.Contains(t, log.String(), "was deleted: if the whole queue was, stop its workers")
	assert.NotContains(t, log.String(), "level=ERROR")
}

func TestSQSQueuesThatTheUserNamesAreNeverDeleted(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var urls []string
	for _, name := range []string{"mail", "mail-dead"} {
		made, err := b.p.api.CreateQueue(within(t), &awssqs.CreateQueueInput{QueueName: &name})
		require.NoError(t, err)
		urls = append(urls, *made.QueueUrl)
	}
	p := b.provider(t, WithQueue("q", Existing{URL: urls[0], DLQ: urls[1]}))
	q := openQueue(t, p, driver.QueueConfig{})
	require.False(t, q.Capabilities().Delete)
	require.ErrorIs(t, q.Delete(within(t)), driver.ErrUnsupported)
	assert.Equal(t, []string{"mail", "mail-dead"}, queuesOf(t, p))
	put(t, q, "a")
	take(t, q, 1)
}

func TestADeleteMayBeRepeatedFromWhereItStopped(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	q := openQueue(t, b.p, driver.QueueConfig{Type: driver.Priority, Levels: 2})
	deny(b, "DeleteQueue")
	require.Error(t, q.Delete(within(t)))
	_, err := q.Stats(within(t))
	require.ErrorIs(t, err, driver.ErrClosed, "it is closed all the same")
	_, err = b.p.api.DeleteQueue(within(t), &awssqs.DeleteQueueInput{QueueUrl: &q.state.sources[0].url})
	require.Error(t, err, "by nobody")
	b.SetHook(nil)
	_, err = b.p.api.DeleteQueue(within(t), &awssqs.DeleteQueueInput{QueueUrl: &q.state.sources[0].url})
	require.NoError(t, err)
	require.NoError(t, q.Delete(within(t)))
	require.NoError(t, q.Delete(within(t)))
	assert.Empty(t, queuesOf(t, b.p))
}

func TestADeadLetterQueueStaysWhileNobodyCanSayWhoseItIs(t *testing.T) {
	t.Parallel()
	for code, goes := range map[string]bool{"ExpiredToken": false, "KmsThrottled": false, "RequestThrottled": false, "InvalidAction": true, "AWS.SimpleQueueService.UnsupportedOperation": true} {
		b := newBench(t)
		q := openQueue(t, b.p, driver.QueueConfig{})
		openQueue(t, b.provider(t), driver.QueueConfig{Name: "other", DLQ: "q-dlq"})
		b.SetHook(func(c sqstest.Call) sqstest.Fault {
			if c.Operation != "ListDeadLetterSourceQueues" {
				return sqstest.Fault{}
			}
			return sqstest.Fault{Error: &sqstest.Error{Type: code, Code: code, Message: "not now"}}
		})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		err := q.Delete(ctx)
		cancel()
		assert.Equal(t, goes, err == nil, "%s: %v", code, err)
		assert.Equal(t, !goes, slices.Contains(queuesOf(t, b.p), "q-dlq"), code)
	}
}
