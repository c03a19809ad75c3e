package sqs

import (
	"testing"
	"time"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/sqs/sqstest"
)

// tags are those of a queue's SQS queue.
func tags(t *testing.T, q *Queue) map[string]string {
	t.Helper()
	out, err := q.state.p.api.ListQueueTags(within(t), &awssqs.ListQueueTagsInput{QueueUrl: &q.state.sources[0].url})
	require.NoError(t, err)
	delete(out.Tags, queueTag)
	return out.Tags
}

func TestATaskOfAGroupThatKillsItsProcessesIsFoundAndNobodyBehindIt(t *testing.T) {
	t.Parallel()
	const deliveries = 4
	const suspicion = (deliveries + 1) / 2
	cfg := driver.QueueConfig{Type: driver.FIFO, MaxDeliveries: deliveries}
	b := newBench(t)
	put(t, openQueue(t, b.p, cfg), "killer", "behind")
	for run := range 2*deliveries + 1 {
		q := openQueue(t, b.provider(t), cfg) // a process of its own
		d := dequeue(t, q)[0]
		require.Equal(t, "killer", d.Task.ID)
		require.Zero(t, d.Task.RetryCount)
		want := 0
		if began := run - deliveries; began > 0 {
			want = suspicion + began - 1
		}
		require.Equal(t, want, d.Crashes, "in run %d", run)
		b.clock.Advance(time.Minute) // it is killed
	}
	q := openQueue(t, b.provider(t), cfg)
	ds := dequeue(t, q)
	require.Equal(t, suspicion+deliveries, ds[0].Crashes, "now a pool buries it")
	require.Len(t, tags(t, q), 1)
	driver.RecordDeath(ds[0].Task, "q", b.clock.Now(), driver.ErrMaxDeliveries)
	require.NoError(t, q.DeadLetter(within(t), ds))
	d := dequeue(t, q)[0]
	require.Equal(t, "behind", d.Task.ID)
	require.Greater(t, receives(q, d), deliveries)
	require.Zero(t, d.Crashes)
	require.Zero(t, d.Task.RetryCount)
	require.NoError(t, q.Complete(within(t), []*driver.Delivery{d}))
	require.Empty(t, tags(t, q))
}

func TestAWordFromAWorkerIsNoCrashOfAFifoTask(t *testing.T) {
	t.Parallel()
	cfg := driver.QueueConfig{Type: driver.FIFO, MaxDeliveries: 1}
	b := newBench(t)
	put(t, openQueue(t, b.p, cfg), "a")
	crashes := 0
	for run := range 12 {
		q := openQueue(t, b.provider(t), cfg)
		ds := dequeue(t, q)
		require.Equal(t, max(0, crashes), ds[0].Crashes, "in run %d", run)
		switch {
		case run%3 == 2:
			b.clock.Advance(time.Minute) // killed
			if crashes++; crashes == 1 {
				continue
			}
		case run%3 == 1:
			ds[0].Task.RetryCount++
			fallthrough
		default:
			require.NoError(t, q.Release(within(t), ds))
			require.NoError(t, q.Close())
		}
	}
	require.Equal(t, 4, crashes)
}

func TestWhoMayNotTagTheQueueWorksAllTheSameAndIsToldOnce(t *testing.T) {
	log, toLog := logged()
	b := newBench(t)
	q := openQueue(t, b.p, fifo)
	put(t, q, "a")
	for range 2 * driver.DefaultMaxDeliveries {
		require.NoError(t, q.Release(within(t), dequeue(t, q)))
	}
	b.SetHook(func(c sqstest.Call) sqstest.Fault {
		if c.Operation == "TagQueue" {
			return sqstest.Fault{Error: &sqstest.Error{Type: "AccessDenied", Status: 403, Message: "not authorized to perform: sqs:tagqueue"}}
		}
		return sqstest.Fault{}
	})
	require.Zero(t, first(t, openQueue(t, b.provider(t, toLog), fifo)).Crashes)
	require.Contains(t, log.String(), "sqs:tagqueue")
}
