package nats

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// forget lets a consumer skip all there is now, which then is for it as what came
// back after it was acknowledged.
func forget(t testing.TB, q *queue, consumer string) {
	t.Helper()
	st, err := q.state(within(t))
	require.NoError(t, err)
	require.NoError(t, q.requester.callAPI(within(t), "CONSUMER.RESET."+q.names.stream+"."+consumer, map[string]any{"seq": st.Last + 1}, nil))
	states, err := q.requester.infos(within(t), q.names.stream, consumer)
	require.NoError(t, err)
	require.Equal(t, st.Last, states[0].AckFloor.Stream)
}

func TestWhatCameBackHoldsNoKeyAndNoID(t *testing.T) {
	t.Parallel()
	for _, cfg := range []driver.QueueConfig{{}, {Type: driver.FIFO}} {
		q := openQueue(t, openShared(t), cfg)
		consumer := readyConsumer(defaultPartition)
		if cfg.Type == driver.FIFO {
			consumer = headConsumer
		}
		unique := func(t *driver.Task) { t.UniqueKey = "k" }
		put(t, q, newTask(q, "a"))
		if cfg.Type != driver.FIFO {
			put(t, q, newTask(q, "b", unique))
		}
		forget(t, q, consumer)
		answer := put(t, q, newTask(q, "c", unique))[0]
		assert.False(t, answer.Duplicate)
		assert.Equal(t, "c", answer.ID)
		if cfg.Type != driver.FIFO {
			put(t, q, newTask(q, "a"))
		} else {
			_, err := q.removeReappeared(within(t)) // its group goes on
			require.NoError(t, err)
		}
		for ready := q.numReady(t); ready > 0; ready-- {
			require.NoError(t, q.Complete(within(t), take(t, q, 1, time.Minute)))
		}
		counts(t, q, driver.Stats{})
		st, err := q.state(within(t))
		require.NoError(t, err)
		assert.Zero(t, st.Msgs)
	}
}

func (q *queue) numReady(t testing.TB) int64 {
	t.Helper()
	st, err := q.Stats(within(t))
	require.NoError(t, err)
	require.NotZero(t, st.Ready)
	return st.Ready
}

func TestAQueueThatIsOpenedTakesAwayWhatCameBackAndNothingElse(t *testing.T) {
	t.Parallel()
	q := openQueue(t, openShared(t), driver.QueueConfig{})
	put(t, q, newTask(q, "ghost"))
	forget(t, q, readyConsumer(defaultPartition))
	put(t, q, newTask(q, "leased"), newTask(q, "done"), newTask(q, "ready"), newTask(q, "delayed", func(t *driver.Task) { t.ScheduledFor = time.Now().Add(time.Hour) }))
	ds := take(t, q, 2, time.Minute)
	require.NoError(t, q.Complete(within(t), ds[1:]))
	openQueue(t, q.p, driver.QueueConfig{})
	st, err := q.state(within(t))
	require.NoError(t, err)
	assert.EqualValues(t, 3, st.Msgs)
	counts(t, q, driver.Stats{Leased: 1, Ready: 1, Scheduled: 1})
	require.NoError(t, q.Complete(within(t), ds[:1]))
	require.NoError(t, q.Complete(within(t), take(t, q, 1, time.Minute)))
}

// A queue that is opened is searched for reappeared messages while others put tasks on it:
// here a task comes in when it is known already that the stream has none.
func TestNoTaskIsSweptThatComesInDuringASweep(t *testing.T) {
	t.Parallel()
	for _, cfg := range []driver.QueueConfig{{}, {Type: driver.FIFO}} {
		q, other, _ := twins(t, cfg)
		require.NoError(t, q.requester.byteBudget.acquire(within(t), maxBudget)) // so that no messages are read
		type result struct {
			n   int
			err error
		}
		swept := make(chan result, 1)
		go func() {
			n, err := q.removeReappeared(within(t))
			swept <- result{n, err}
		}()
		require.Eventually(t, func() bool {
			q.requester.byteBudget.mu.Lock()
			defer q.requester.byteBudget.mu.Unlock()
			return q.requester.byteBudget.freed != nil || len(swept) > 0
		}, soon, time.Millisecond)
		put(t, other, newTask(q, "a"))
		q.requester.byteBudget.release(maxBudget)
		got := <-swept
		require.NoError(t, got.err)
		assert.Zero(t, got.n)
		ds := take(t, other, 1, time.Minute)
		assert.Equal(t, "a", ds[0].Task.ID)
		require.NoError(t, other.Complete(within(t), ds))
	}
}

func TestAFloorBeyondTheEndOfTheStreamSaysNothing(t *testing.T) {
	t.Parallel()
	q := openQueue(t, openShared(t), driver.QueueConfig{})
	put(t, q, newTask(q, "a"))
	st, err := q.state(within(t))
	require.NoError(t, err)
	require.NoError(t, q.requester.callAPI(within(t), "CONSUMER.RESET."+q.names.stream+"."+readyConsumer(defaultPartition), map[string]any{"seq": st.Last + 10}, nil))
	n, err := q.removeReappeared(within(t))
	require.NoError(t, err)
	assert.Zero(t, n)
	answers, err := q.Enqueue(within(t), []*driver.Task{newTask(q, "a")})
	require.ErrorIs(t, err, driver.ErrDuplicate, "answers: %v", answers)
}

func TestWhatWaitsForLongKeepsNoOldFilesAlive(t *testing.T) {
	t.Parallel()
	for _, cfg := range []driver.QueueConfig{{}, {Type: driver.FIFO}} {
		q := openQueue(t, openShared(t), cfg)
		due := time.Now().Add(time.Hour)
		put(t, q, newTask(q, "delayed", func(t *driver.Task) { t.ScheduledFor = due }))
		put(t, q, newTask(q, "window", func(t *driver.Task) { t.UniqueKey, t.UniqueFor = "k", time.Hour }))
		tasks := make([]*driver.Task, 3*minGaps)
		for i := range tasks {
			tasks[i] = newTask(q, fmt.Sprint(i))
		}
		put(t, q, tasks...)
		for left := len(tasks) + 1; left > 0; {
			ds := take(t, q, 1, time.Minute)
			require.NoError(t, q.Complete(within(t), ds))
			left -= len(ds)
		}
		require.NoError(t, q.compact(within(t)))
		st, err := q.state(within(t))
		require.NoError(t, err)
		assert.EqualValues(t, 2, st.Msgs)
		// A Dequeue may have compacted the stream meanwhile; then a part of the gaps is newer.
		assert.Less(t, st.Gaps, minGaps+2*st.Msgs)
		counts(t, q, driver.Stats{Scheduled: 1})
		assert.True(t, put(t, q, newTask(q, "other", func(t *driver.Task) { t.UniqueKey, t.UniqueFor = "k", time.Hour }))[0].Duplicate)
		found, err := q.find(within(t), []string{"delayed"})
		require.NoError(t, err)
		assert.Equal(t, "@at "+due.UTC().Format(scheduleLayout), found[0].header.Get(headerSchedule))
		require.NoError(t, q.Reschedule(within(t), "delayed", time.Now()))
		assert.Equal(t, "delayed", take(t, q, 1, time.Minute)[0].Task.ID)
	}
}

func TestDeadLettersOfAStreamThatIsMadeAnewAreNotTakenForThoseBefore(t *testing.T) {
	t.Parallel()
	p := openShared(t)
	q := openQueue(t, p, driver.QueueConfig{})
	dies := func(q *queue) {
		put(t, q, newTask(q, "a"))
		ds := take(t, q, 1, time.Minute)
		driver.RecordDeath(ds[0].Task, "q", time.Now(), assert.AnError)
		require.NoError(t, q.DeadLetter(within(t), ds))
	}
	dies(q)
	require.NoError(t, p.js.DeleteStream(within(t), q.names.stream))
	q = openQueue(t, p, driver.QueueConfig{})
	dies(q)
	counts(t, q, driver.Stats{Dead: 2})
	_, err := q.Discard(within(t), nil)
	require.NoError(t, err)
	// The same with the stream of the dead, and what comes back from it.
	for range 2 {
		require.NoError(t, p.js.DeleteStream(within(t), q.deadQueue().names.stream))
		q = openQueue(t, p, driver.QueueConfig{})
		dies(q)
		moved, err := q.Redrive(within(t), nil)
		require.NoError(t, err)
		require.Equal(t, []string{"a"}, moved)
		require.NoError(t, q.Complete(within(t), take(t, q, 1, time.Minute)))
		counts(t, q, driver.Stats{})
	}
}
