package nats

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// TestAStreamThatIsGoneIsMadeAgain deletes streams beside calls that write to them.
func TestAStreamThatIsGoneIsMadeAgain(t *testing.T) {
	t.Parallel()
	for _, cfg := range []driver.QueueConfig{{}, {Type: driver.FIFO}, {Type: driver.Priority, Levels: 2}} {
		q := openQueue(t, openShared(t), cfg)
		ctx := context.Background() // the server answers, and so do calls
		enqueue := func(id string, change ...func(*driver.Task)) {
			t.Helper()
			done := make(chan error, 1)
			go func() {
				_, err := q.Enqueue(ctx, []*driver.Task{newTask(q, id, change...)})
				done <- err
			}()
			select {
			case err := <-done:
				require.NoError(t, err)
			case <-time.After(soon):
				t.Fatal("Enqueue goes on though nobody listens")
			}
		}
		enqueue("before")
		for _, change := range []func(*driver.Task){
			func(*driver.Task) {},
			func(t *driver.Task) { t.ScheduledFor = time.Now().Add(time.Millisecond) },
			func(t *driver.Task) { t.UniqueKey = "k" },
			func(t *driver.Task) { t.UniqueKey, t.UniqueFor = "w", time.Hour },
		} {
			require.NoError(t, q.p.js.DeleteStream(within(t), q.names.stream))
			enqueue("after", change)
			d := take(t, q, 1, time.Minute)
			assert.Equal(t, "after", d[0].Task.ID)
			require.NoError(t, q.Complete(within(t), d))
		}
		enqueue("dies")
		d := take(t, q, 1, time.Minute)
		require.NoError(t, q.p.js.DeleteStream(within(t), q.deadQueue().names.stream))
		driver.RecordDeath(d[0].Task, "q", time.Now(), assert.AnError)
		require.NoError(t, q.DeadLetter(within(t), d))
		counts(t, q, driver.Stats{Dead: 1})
	}
}

func TestAStreamThatSomebodyElseHasTakenIsAnErrorAtOnce(t *testing.T) {
	t.Parallel()
	q := openQueue(t, openShared(t), driver.QueueConfig{})
	require.NoError(t, q.p.js.DeleteStream(within(t), q.names.stream))
	_, err := q.p.js.CreateStream(within(t), jetstream.StreamConfig{Name: q.names.stream, Subjects: []string{"other." + q.names.stream}})
	require.NoError(t, err)
	_, err = q.Enqueue(context.Background(), []*driver.Task{newTask(q, "a")})
	require.ErrorIs(t, err, driver.ErrQueueMismatch)
}

func TestStatsOfAStreamThatIsGoneAreOfNoQueue(t *testing.T) {
	t.Parallel()
	q := openQueue(t, openShared(t), driver.QueueConfig{})
	require.NoError(t, q.p.js.DeleteStream(within(t), q.names.stream))
	_, err := q.Stats(within(t))
	require.ErrorIs(t, err, driver.ErrUnknownQueue)
}

// TestALeaseWhoseConsumerIsGoneIsNotAskedForForEver extends one without a deadline.
func TestALeaseWhoseConsumerIsGoneIsNotAskedForForEver(t *testing.T) {
	t.Parallel()
	q := openQueue(t, openShared(t), driver.QueueConfig{})
	put(t, q, newTask(q, "a"))
	ds := take(t, q, 1, time.Hour)
	require.NoError(t, q.p.js.DeleteConsumer(within(t), q.names.stream, readyConsumer(defaultPartition)))
	done := make(chan error, 1)
	go func() { done <- q.Extend(context.Background(), ds, time.Hour) }()
	select {
	case err := <-done:
		require.Error(t, driver.ErrorAt(err, 0))
	case <-time.After(noResponderLimit + soon):
		t.Fatal("Extend goes on though nobody listens")
	}
}
