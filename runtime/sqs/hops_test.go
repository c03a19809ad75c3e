package sqs

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/schedule"
	"github.com/taskgen/taskgen/runtime/sqs/sqstest"
)

// scheduleOn has a task wait on a queue, without a store.
func scheduleOn(t *testing.T, b *bench, q *Queue, delay time.Duration) (in schedule.Scheduler, id schedule.JobID, due time.Time) {
	t.Helper()
	m := runtime.NewManager(runtime.ManagerConfig{Clock: b.clock})
	require.NoError(t, m.Open(within(t), b.p, q.cfg))
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	in = schedule.OnQueue(m)
	due = b.clock.Now().Add(delay)
	id, err := in.Schedule(within(t), schedule.Job{When: schedule.At(due), Task: task(q, "a")})
	require.NoError(t, err)
	return in, id, due
}

func TestADelayOfHoursSurvivesProcessesThatDieOnItsHops(t *testing.T) {
	t.Parallel()
	for _, cfg := range []driver.QueueConfig{{}, fifo} {
		b := newBench(t)
		_, _, due := scheduleOn(t, b, openQueue(t, b.p, cfg), 2*time.Hour+10*time.Minute+time.Millisecond)
		// Where the process of each hop dies: nowhere, before it has sent the task
		// anew, and before it has deleted the old message.
		for _, dies := range []string{"", "SendMessageBatch", "DeleteMessageBatch", ""} {
			b.clock.Advance(maxDelay)
			p := b.provider(t)
			q := openQueue(t, p, cfg)
			died := make(chan struct{}, 100)
			b.SetHook(func(c sqstest.Call) sqstest.Fault {
				if c.Operation != dies {
					return sqstest.Fault{}
				}
				died <- struct{}{}
				return sqstest.Fault{Drop: true}
			})
			nothing(t, q)
			if dies != "" {
				<-died
			}
			require.NoError(t, p.Close())
			b.SetHook(nil)
			b.clock.Advance(time.Minute) // what it had received is back
		}
		q := openQueue(t, b.provider(t), cfg)
		for b.clock.Now().Add(maxDelay).Before(due) {
			nothing(t, q)
			b.clock.Advance(maxDelay)
		}
		b.clock.Advance(due.Add(-time.Nanosecond).Sub(b.clock.Now()))
		nothing(t, q)
		b.clock.Advance(time.Nanosecond + q.Capabilities().Lateness)
		d := take(t, q, 1)[0]
		require.Equal(t, "a", d.Task.ID)
		require.True(t, d.Task.ScheduledFor.Equal(due))
	}
}

func TestWhatWaitsOnSQSCannotBeCancelledOrMovedAndTheErrorSaysWhatCan(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	q := openQueue(t, b.p, driver.QueueConfig{})
	in, id, _ := scheduleOn(t, b, q, 2*time.Hour)
	_, status := in.Status(within(t), id)
	for what, err := range map[string]error{
		"cancel": in.Cancel(within(t), id),
		"modify": in.Modify(within(t), id, schedule.Change{When: schedule.In(time.Hour)}),
		"status": status,
	} {
		assert.ErrorIs(t, err, driver.ErrUnsupported, what)
		assert.ErrorContains(t, err, "schedule.New", what)
	}
	require.Equal(t, driver.Stats{Scheduled: 1}, stats(t, q), "the task waits as before")
}

func TestAGroupWhoseLeaseCannotBeRenewedDoesNotHide(t *testing.T) {
	t.Parallel()
	for place := range 3 { // of the message whose lease is lost
		b := newBench(t)
		q := openQueue(t, b.p, fifo)
		put(t, q, numbered(3)...)
		var lost atomic.Bool
		b.SetHook(func(c sqstest.Call) sqstest.Fault {
			if c.Operation != "ChangeMessageVisibilityBatch" || len(c.Entries) < 3 || lost.Swap(true) {
				return sqstest.Fault{}
			}
			return sqstest.Fault{Entries: map[int]*sqstest.Error{place: {Type: "ReceiptHandleIsInvalid", Status: 404, Message: "no"}}}
		})
		const lease = 10 * time.Minute // longer than that of a poll, so that it is renewed
		for i, want := range numbered(3) {
			if i == place {
				for nothing(t, q); !lost.Load(); { // a look may be over before its poll is
					nothing(t, q)
				}
				idle(t, q)
				b.clock.Advance(firstLease)
			}
			ds, err := q.Dequeue(within(t), 10, lease)
			require.NoError(t, err)
			require.Equal(t, []string{want}, idsOf(ds), "with the lease of message %d lost", place)
			require.NoError(t, q.Complete(within(t), ds))
		}
	}
}

func TestWhatSQSItselfMovedBackUsesUpItsRetriesByVisibility(t *testing.T) {
	t.Parallel()
	b := newBench(t, RetryByVisibility())
	q := openQueue(t, b.p, driver.QueueConfig{})
	put(t, q, "a")
	ds := take(t, q, 1)
	driver.RecordDeath(ds[0].Task, "q", b.clock.Now(), errors.New("it failed"))
	require.NoError(t, q.DeadLetter(within(t), ds))
	_, err := q.StartRedrive(within(t), 100)
	require.NoError(t, err)
	b.clock.Advance(time.Second)
	for retries := range 4 {
		q := openQueue(t, b.provider(t, RetryByVisibility()), driver.QueueConfig{}) // a process that remembers nothing
		d := take(t, q, 1)
		require.Equal(t, retries, d[0].Task.RetryCount)
		require.Equal(t, "1", d[0].Task.Metadata[driver.MetaRedriveCount])
		d[0].Task.RetryCount++
		require.NoError(t, q.Release(within(t), d))
	}
}

func TestALetterThatSQSItselfMovedDoesNotSayWhenItDied(t *testing.T) {
	t.Parallel()
	b := briefBench(t)
	q, dead := openQueue(t, b.p, driver.QueueConfig{}), openQueue(t, b.p, driver.QueueConfig{Name: "q-dlq"})
	text := body(task(q, "a")) // as it was enqueued
	_, err := b.p.api.SendMessage(within(t), &awssqs.SendMessageInput{QueueUrl: &q.state.dlq.url, MessageBody: &text})
	require.NoError(t, err)
	d := take(t, dead, 1)[0]
	require.Contains(t, d.Task.Metadata[driver.MetaFailureReason], "delivered too often")
	require.NotContains(t, d.Task.Metadata, driver.MetaFailedAt)
}

func TestWhoLooksThroughTheDeadChargesNobody(t *testing.T) {
	t.Parallel()
	for _, cfg := range []driver.QueueConfig{{}, fifo} {
		b := briefBench(t)
		q := openQueue(t, b.p, cfg)
		put(t, q, "a")
		ds := take(t, q, 1)
		driver.RecordDeath(ds[0].Task, "q", b.clock.Now(), errors.New("it failed"))
		require.NoError(t, q.DeadLetter(within(t), ds))
		for range 2 * driver.DefaultMaxDeliveries {
			_, err := q.Redrive(within(t), []string{"another"})
			require.NoError(t, err)
		}
		dead := openQueue(t, b.provider(t), driver.QueueConfig{Name: "q-dlq"})
		d := take(t, dead, 1)[0]
		require.Zero(t, d.Crashes)
		require.Zero(t, d.Task.RetryCount)
	}
}

func TestAProcessThatDiesOnAHopIsNoCrashOfTheTask(t *testing.T) {
	t.Parallel()
	for _, opts := range [][]Option{nil, {RetryByVisibility()}} {
		b := newBench(t, opts...)
		due := b.clock.Now().Add(20 * time.Minute)
		enqueue(t, openQueue(t, b.p, driver.QueueConfig{}), task(openQueue(t, b.p, driver.QueueConfig{}), "a", func(t *driver.Task) { t.ScheduledFor = due }))
		b.clock.Advance(maxDelay)
		for range 3 {
			p := b.provider(t, opts...)
			q := openQueue(t, p, driver.QueueConfig{})
			b.SetHook(func(c sqstest.Call) sqstest.Fault {
				if c.Operation != "SendMessageBatch" {
					return sqstest.Fault{}
				}
				return sqstest.Fault{Error: &sqstest.Error{Type: "AccessDenied", Status: 403, Message: "no"}}
			})
			nothing(t, q)
			require.NoError(t, p.Close())
			b.SetHook(nil)
			b.clock.Advance(time.Minute)
		}
		q := openQueue(t, b.provider(t, opts...), driver.QueueConfig{})
		nothing(t, q)
		b.clock.Advance(due.Sub(b.clock.Now()) + time.Second)
		d := take(t, q, 1)[0]
		require.Zero(t, d.Crashes)
		require.Zero(t, d.Task.RetryCount)
	}
}

// TestADelayedFifoTaskWhosePollWasNotAnsweredIsBackSoon: it is away for as long as it takes
// to move it, and not for as long as a worker may take.
func TestADelayedFifoTaskWhosePollWasNotAnsweredIsBackSoon(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	q := openQueue(t, b.p, fifo)
	enqueue(t, q, task(q, "a", func(t *driver.Task) { t.ScheduledFor = b.clock.Now().Add(time.Second) }))
	b.clock.Advance(2 * time.Second)
	var lost atomic.Bool
	b.SetHook(func(c sqstest.Call) sqstest.Fault {
		return sqstest.Fault{DropReply: c.Operation == "ReceiveMessage" && c.Queue == "q--later" && lost.CompareAndSwap(false, true)}
	})
	nothing(t, q)
	require.True(t, lost.Load())
	b.clock.Advance(laterLease)
	require.Equal(t, "a", first(t, q).Task.ID)
}
