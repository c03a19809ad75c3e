package sqs

import (
	"testing"
	"time"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/sqs/sqstest"
)

// deny has the server refuse some actions for want of a permission.
func deny(b *bench, actions ...string) {
	b.SetHook(func(c sqstest.Call) sqstest.Fault {
		for _, a := range actions {
			if c.Operation == a {
				return sqstest.Fault{Error: &sqstest.Error{Type: "AccessDeniedException", Status: 403, Message: "not authorized to perform: sqs:" + a}}
			}
		}
		return sqstest.Fault{}
	})
}

// TestDefaultsOfAQueueDoNotDelayRequestsThatSayZero has queues that wait and delay by
// themselves, on a clock that stands still.
func TestDefaultsOfAQueueDoNotDelayRequestsThatSayZero(t *testing.T) {
	t.Parallel()
	slow := map[string]string{"ReceiveMessageWaitTimeSeconds": "20", "DelaySeconds": "900"}
	b := briefBench(t)
	for _, name := range []string{"q", "q-dlq"} {
		declare(t, b, name, map[string]string{"ReceiveMessageWaitTimeSeconds": "20", "DelaySeconds": "900", "MessageRetentionPeriod": "1209600"})
	}
	for _, name := range []string{"p--p0", "p--p1"} {
		declare(t, b, name, slow)
	}
	q := openQueue(t, b.p, driver.QueueConfig{})
	put(t, q, "a")
	ds := take(t, q, 1)
	require.NoError(t, q.Release(within(t), ds))
	ds = take(t, q, 1)
	require.NoError(t, q.DeadLetter(within(t), ds))
	moved, err := q.Redrive(within(t), nil) // its last poll finds nothing, at once
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, moved)
	first(t, q)
	priority := openQueue(t, b.p, driver.QueueConfig{Name: "p", Type: driver.Priority, Levels: 2})
	put(t, priority, "low") // the level above is asked by a short poll
	first(t, priority)
}

func TestAQueueIsOpenedWithoutPermissionsForTags(t *testing.T) {
	t.Parallel()
	for _, cfg := range []driver.QueueConfig{{}, {Type: driver.FIFO, MaxDeliveries: 1}, {Type: driver.Priority, Levels: 2}} {
		b := newBench(t)
		deny(b, "ListQueueTags", "TagQueue", "UntagQueue", "ListDeadLetterSourceQueues")
		q := openQueue(t, b.p, cfg)
		put(t, q, "a")
		for range 3 { // on a fifo queue it is to be counted after the second
			take(t, q, 1)
			b.clock.Advance(time.Minute)
		}
		first(t, q)
	}
}

func TestAQueueIsCreatedWithoutTheTagThatItMayNotHave(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	tagged := 0
	b.SetHook(func(c sqstest.Call) sqstest.Fault {
		if c.Operation == "CreateQueue" {
			if tagged++; tagged == 1 {
				return sqstest.Fault{Error: &sqstest.Error{Type: "AccessDeniedException", Status: 403, Message: "not authorized to perform: sqs:tagqueue"}}
			}
		}
		return sqstest.Fault{}
	})
	openQueue(t, b.p, driver.QueueConfig{})
	require.Equal(t, 3, tagged)
}

// TestPrefixesAndNamesThatMakeOneNameShareNoQueue opens "a"+"b-c" and "a-b"+"c" alike.
func TestPrefixesAndNamesThatMakeOneNameShareNoQueue(t *testing.T) {
	t.Parallel()
	for _, cfg := range []driver.QueueConfig{{}, {Type: driver.FIFO}, {Type: driver.Priority, Levels: 2}} {
		b := newBench(t)
		cfg.Name = "eu-mail"
		openQueue(t, b.provider(t, WithPrefix("prod-")), cfg)
		cfg.Name = "mail"
		_, err := b.provider(t, WithPrefix("prod-eu-")).Open(within(t), cfg)
		require.ErrorIs(t, err, driver.ErrQueueMismatch, "%s", cfg.Type)
		require.ErrorContains(t, err, `"eu-mail`)
		cfg.Name = "eu-mail"
		openQueue(t, b.provider(t, WithPrefix("prod-")), cfg)
	}
}

func TestAQueueWithoutATagIsAnybodys(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	declare(t, b, "prod-eu-mail-dlq", map[string]string{"MessageRetentionPeriod": "1209600"})
	declare(t, b, "prod-eu-mail", nil)
	openQueue(t, b.provider(t, WithPrefix("prod-")), driver.QueueConfig{Name: "eu-mail"})
	openQueue(t, b.provider(t, WithPrefix("prod-eu-")), driver.QueueConfig{Name: "mail"})
	out, err := b.p.api.GetQueueUrl(within(t), &awssqs.GetQueueUrlInput{QueueName: ptr("prod-eu-mail")})
	require.NoError(t, err)
	tags, err := b.p.api.ListQueueTags(within(t), &awssqs.ListQueueTagsInput{QueueUrl: out.QueueUrl})
	require.NoError(t, err)
	require.Empty(t, tags.Tags, "what is declared elsewhere is not changed")
}

func ptr[T any](v T) *T { return &v }
