package sqs

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

func FuzzABodyBringsTheEnvelopeBack(f *testing.F) {
	for _, s := range []string{"", "plain", "100%", "\ufffe\uffff", "%41\ufffe", "😀", "a\nb\t\r", "\ufffd"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		text := []byte(s)
		quoted := quote(text)
		require.True(t, carried([]byte(quoted)), "%q", quoted)
		got, err := envelope(quoted)
		require.NoError(t, err)
		require.Equal(t, s, string(got))
	})
}

func TestAPlainEnvelopeIsTheBody(t *testing.T) {
	t.Parallel()
	task := &driver.Task{ID: "a", Type: "t", Queue: "q", Payload: []byte(`"100 % кот"`)}
	require.Equal(t, string(driver.AppendEnvelope(nil, task)), body(task))
}

// raw sends a body past the provider.
func raw(t *testing.T, b *bench, q *Queue, text string) {
	t.Helper()
	in := &awssqs.SendMessageInput{QueueUrl: &q.state.sources[0].url, MessageBody: &text}
	if q.state.fifo {
		in.MessageGroupId, in.MessageDeduplicationId = aws.String("g"), aws.String("d")
	}
	_, err := b.p.api.SendMessage(within(t), in)
	require.NoError(t, err)
}

func TestADequeueHearsOfABodyThatIsNoTask(t *testing.T) {
	t.Parallel()
	for _, kind := range []driver.QueueType{driver.Standard, driver.FIFO, driver.Priority} {
		b := newBench(t)
		q := openQueue(t, b.p, driver.QueueConfig{Type: kind})
		raw(t, b, q, "%zz")
		heard := 0
		require.Eventually(t, func() bool {
			ctx, cancel := context.WithTimeout(within(t), 10*time.Millisecond)
			defer cancel()
			ds, _ := q.Dequeue(driver.HearBuried(ctx, func(*driver.Task) { heard++ }), 1, time.Minute)
			return len(ds) == 0 && heard > 0
		}, 10*time.Second, time.Millisecond)
	}
}

func TestATaskThatSQSItselfMovedSaysThatItWasDeliveredTooOften(t *testing.T) {
	t.Parallel()
	b := briefBench(t)
	q := openQueue(t, b.p, driver.QueueConfig{MaxDeliveries: 1})
	put(t, q, "a")
	for range b.p.backstop(q.cfg) {
		take(t, q, 1)
		b.clock.Advance(time.Minute)
	}
	nothing(t, q)
	becomes(t, q, driver.Stats{Dead: 1})
	dead := openQueue(t, b.p, driver.QueueConfig{Name: "q-dlq"})
	d := take(t, dead, 1)[0]
	require.Contains(t, d.Task.Metadata[driver.MetaFailureReason], driver.ErrMaxDeliveries.Error())
	require.Equal(t, "q", d.Task.Metadata[driver.MetaOriginalQueue])
	require.NoError(t, dead.Release(within(t), []*driver.Delivery{d}))
	moved, err := q.Redrive(within(t), nil)
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, moved)
}

func TestALongDelayHopsAndIsNeverEarly(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	q := openQueue(t, b.p, driver.QueueConfig{})
	due := b.clock.Now().Add(100*time.Minute + time.Millisecond)
	enqueue(t, q, task(q, "a", func(t *driver.Task) { t.ScheduledFor = due }))
	for b.clock.Now().Add(10 * time.Minute).Before(due) {
		nothing(t, q)
		becomes(t, q, driver.Stats{Scheduled: 1})
		b.clock.Advance(10 * time.Minute)
	}
	nothing(t, q)
	b.clock.Advance(due.Add(time.Second).Sub(b.clock.Now()))
	d := take(t, q, 1)[0]
	require.Zero(t, d.Crashes, "a hop is no crash")
	require.True(t, d.Task.ScheduledFor.Equal(due))
}

func TestALeaseEndsTwelveHoursAfterItsReceive(t *testing.T) {
	t.Parallel()
	for _, cfg := range []driver.QueueConfig{{}, {Type: driver.FIFO}} {
		b := newBench(t)
		q := openQueue(t, b.p, cfg)
		put(t, q, "a")
		received := b.clock.Now()
		ds, err := q.Dequeue(within(t), 1, 6*time.Hour)
		require.NoError(t, err)
		b.clock.Advance(5 * time.Hour)
		require.NoError(t, q.Extend(within(t), ds, 6*time.Hour))
		require.Equal(t, received.Add(11*time.Hour), ds[0].LeaseUntil)
		b.clock.Advance(5 * time.Hour)
		for range 2 {
			require.NoError(t, q.Extend(within(t), ds, 6*time.Hour))
			require.Equal(t, received.Add(maxLease-time.Second), ds[0].LeaseUntil)
		}
		require.ErrorIs(t, q.Extend(within(t), ds, maxLease+1), driver.ErrUnsupported)
		_, err = q.Dequeue(within(t), 1, maxLease+1)
		require.ErrorIs(t, err, driver.ErrUnsupported)
	}
}
