package sqlite

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/tasktest"
)

// The triggers of these tests stand for whatever can go wrong in the middle of
// a transaction.

func TestAFailedTransactionGivesNobodyItsTasks(t *testing.T) {
	path := newFile(t)
	p := openFile(t, path)
	q := openQueue(t, p, driver.QueueConfig{})
	c := application(t, path)
	got := make(chan []*driver.Delivery, 1)
	go func() {
		ds, _ := q.Dequeue(within(t), 9, time.Minute)
		got <- ds
	}()
	require.Eventually(t, p.waitQueues.hasWaiters, soon, time.Millisecond)

	run(t, c, "CREATE TRIGGER broken BEFORE UPDATE ON taskgen_queue WHEN new.leased > 0 BEGIN SELECT raise(ABORT, 'no more leases'); END")
	_, err := q.Enqueue(context.Background(), []*driver.Task{task("a")})
	require.ErrorContains(t, err, "no more leases")
	require.True(t, p.waitQueues.hasWaiters(), "it waits on")
	run(t, c, "DROP TRIGGER broken")
	require.Equal(t, driver.Stats{}, stats(t, q))

	enqueue(t, q, task("b"))
	require.Equal(t, []string{"b"}, idsOf(<-got))
	requireConsistent(t, p)
}

func TestAWaiterLearnsWhatIsWrongWithTheFile(t *testing.T) {
	path := newFile(t)
	p := openFile(t, path)
	q := openQueue(t, p, driver.QueueConfig{})
	c := application(t, path)
	enqueue(t, q, task("a"))
	run(t, c, "CREATE TRIGGER broken BEFORE INSERT ON taskgen_lease BEGIN SELECT raise(ABORT, 'no more leases'); END")
	_, err := q.Dequeue(within(t), 9, time.Minute)
	require.ErrorContains(t, err, "no more leases")
	require.False(t, p.waitQueues.hasWaiters())
	run(t, c, "DROP TRIGGER broken")
	require.Equal(t, []string{"a"}, idsOf(take(t, q, 9)))
}

func TestAPartOfALargeBatchThatFailsKeepsNoneOfTheOthersBack(t *testing.T) {
	path := newFile(t)
	p := openFile(t, path)
	q := openQueue(t, p, driver.QueueConfig{})
	run(t, application(t, path), "CREATE TRIGGER broken BEFORE INSERT ON taskgen_job WHEN new.id = 't01500' BEGIN SELECT raise(ABORT, 'not this one'); END")
	all := tasks(3 * maxTxTasks)
	answers, err := q.Enqueue(context.Background(), all)
	var be *driver.BatchError
	require.ErrorAs(t, err, &be)
	require.Len(t, be.Items, maxTxTasks, "its part of the batch is one transaction")
	require.Equal(t, maxTxTasks, be.Items[0].Index)
	require.Equal(t, "t01000", be.Items[0].ID)
	require.ErrorContains(t, driver.ErrorAt(err, 1500), "not this one")
	require.Zero(t, answers[1500])
	require.Equal(t, "t02999", answers[2999].ID)
	require.Equal(t, int64(2*maxTxTasks), stats(t, q).Ready)
}

func TestAFileWhoseQueueIsGoneSaysSo(t *testing.T) {
	path := newFile(t)
	p := openFile(t, path)
	q := openQueue(t, p, driver.QueueConfig{})
	run(t, application(t, path), "DELETE FROM taskgen_queue")
	_, err := q.Enqueue(context.Background(), tasks(1))
	require.ErrorIs(t, err, driver.ErrUnknownQueue)
	require.ErrorContains(t, err, "it is no longer in the SQLite file")
}

func TestAWaiterLearnsThatWhatItWaitsForCannotBeMadeDue(t *testing.T) {
	path, clock := newFile(t), tasktest.NewClock(time.Now())
	p := openFile(t, path, WithClock(clock))
	q := openQueue(t, p, driver.QueueConfig{})
	c := application(t, path)
	later := task("later")
	later.ScheduledFor = clock.Now().Add(time.Minute)
	enqueue(t, q, later)
	failed := make(chan error, 1)
	go func() {
		_, err := q.Dequeue(within(t), 1, time.Minute)
		failed <- err
	}()
	require.Eventually(t, p.waitQueues.hasWaiters, soon, time.Millisecond)

	run(t, c, "CREATE TRIGGER broken BEFORE INSERT ON taskgen_ready BEGIN SELECT raise(ABORT, 'the disk is full'); END")
	clock.Advance(time.Minute) // the timer fires once, and in vain
	require.ErrorContains(t, <-failed, "the disk is full", "else it would wait for a wake-up that never comes")
	run(t, c, "DROP TRIGGER broken")
	require.Equal(t, []string{"later"}, idsOf(take(t, q, 9)))
}

func TestACallThatFailsKeepsNoLookFromAQueueThatHasMoreDue(t *testing.T) {
	path, clock := newFile(t), tasktest.NewClock(time.Now())
	p := openFile(t, path, WithClock(clock))
	q := openQueue(t, p, driver.QueueConfig{})
	many := tasks(3 * promoteLimit)
	for _, task := range many {
		task.ScheduledFor = clock.Now().Add(time.Minute)
	}
	enqueue(t, q, many...)
	clock.Advance(time.Minute)
	release := hold(t, p)
	var all sync.WaitGroup
	all.Go(func() { _ = p.writer.do(context.Background(), weightLimit, func(t *tx) { t.state(q.id) }) })
	gathered(t, p, 0)
	all.Go(func() {
		err := p.writer.do(context.Background(), weightLimit, func(t *tx) { t.fail(errors.New("boom")) })
		require.ErrorContains(t, err, "boom")
	})
	gathered(t, p, 1)
	release()
	all.Wait()
	require.Eventually(t, func() bool {
		var ready int64
		require.NoError(t, p.reader.do(context.Background(), 0, func(t *tx) {
			r := t.query(sqlCounters, q.id)
			if r.next() {
				ready = r.int(0)
			}
			r.done()
		}))
		return ready == 3*promoteLimit
	}, soon, time.Millisecond)
}
