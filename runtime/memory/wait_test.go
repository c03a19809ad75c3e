package memory

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// waitFor starts n waiting dequeues of one task each and returns where their
// answers come.
func waitFor(ctx context.Context, q *queue, n, limit int) chan error {
	answers := make(chan error, n)
	for range n {
		go func() {
			_, err := q.Dequeue(ctx, limit, time.Minute)
			answers <- err
		}()
	}
	synctest.Wait()
	return answers
}

func (s *queueState) waitersNow() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiters.Len()
}

func TestOnlyAsManyWaitersWakeAsThereIsWorkFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := open(t, driver.QueueConfig{Name: "jobs"})
		ctx, cancel := context.WithCancel(t.Context())
		answers := waitFor(ctx, q, 100, 1)
		q.mu.Lock() // whoever wakes now is held up, and counted
		_, err := q.enqueueOne(task("a"), &arena{})
		require.NoError(t, err)
		_, err = q.enqueueOne(task("b"), &arena{})
		require.NoError(t, err)
		q.wakeWaiters()
		assert.Equal(t, 98, q.waiters.Len(), "each wants one task, and there are two")
		q.mu.Unlock()
		require.NoError(t, <-answers)
		require.NoError(t, <-answers)
		synctest.Wait()
		require.Equal(t, 98, q.waitersNow())
		cancel()
		for range 98 {
			require.ErrorIs(t, <-answers, driver.ErrNoTasks)
		}
	})
}

func TestOneWaiterWakesForABatchThatItCanTakeWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := open(t, driver.QueueConfig{Name: "jobs"})
		ctx, cancel := context.WithCancel(t.Context())
		answers := waitFor(ctx, q, 10, 5)
		enqueue(t, q, task("a"), task("b"), task("c"), task("d"), task("e"))
		require.NoError(t, <-answers)
		synctest.Wait()
		require.Equal(t, 9, q.waitersNow())
		cancel()
		for range 9 {
			require.ErrorIs(t, <-answers, driver.ErrNoTasks)
		}
	})
}

func TestAWaiterThatGivesUpPassesItsWakeUpOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := open(t, driver.QueueConfig{Name: "jobs"})
		q.mu.Lock()
		hasty := q.await(q, 1) // a Dequeue whose context ends as it is woken
		q.mu.Unlock()
		patient := waitFor(t.Context(), q, 1, 1)
		enqueue(t, q, task("a"))
		require.Equal(t, 1, q.waitersNow(), "the task was promised to the first")
		q.mu.Lock()
		q.removeWaiter(hasty)
		q.leave()
		require.NoError(t, <-patient)
	})
}

func TestNoWakeUpIsLostAmongManyProducersAndConsumers(t *testing.T) {
	const producers, consumers, each = 4, 8, 1_000
	q := open(t, driver.QueueConfig{Name: "jobs"})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var done atomic.Int64
	var workers sync.WaitGroup
	for range consumers {
		workers.Go(func() {
			for {
				ds, err := q.Dequeue(ctx, 3, time.Minute)
				if err != nil {
					return
				}
				assert.NoError(t, q.Complete(context.WithoutCancel(ctx), ds))
				if done.Add(int64(len(ds))) == producers*each {
					cancel()
				}
			}
		})
	}
	for p := range producers {
		workers.Go(func() {
			for i := range each {
				_, err := q.Enqueue(context.WithoutCancel(ctx), []*driver.Task{task(fmt.Sprint(p, "-", i))})
				assert.NoError(t, err)
			}
		})
	}
	workers.Wait()
	require.EqualValues(t, producers*each, done.Load())
	requireEmpty(t, q.queueState)
}

func TestCloseEndsTheWaitsOfThisOpeningAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New()
		one := openOn(t, p, driver.QueueConfig{Name: "jobs"})
		other := openOn(t, p, driver.QueueConfig{Name: "jobs"})
		closed := waitFor(t.Context(), one, 3, 1)
		going := waitFor(t.Context(), other, 1, 1)
		require.NoError(t, one.Close())
		require.NoError(t, one.Close(), "a second time")
		for range 3 {
			require.ErrorIs(t, <-closed, driver.ErrClosed)
		}
		_, err := one.Enqueue(t.Context(), []*driver.Task{task("a")})
		require.ErrorIs(t, err, driver.ErrClosed)
		_, err = one.Stats(t.Context())
		require.ErrorIs(t, err, driver.ErrClosed)
		enqueue(t, other, task("a"))
		require.NoError(t, <-going)
		last := waitFor(t.Context(), other, 1, 1)
		require.NoError(t, p.Close())
		require.ErrorIs(t, <-last, driver.ErrClosed)
		_, err = p.Open(t.Context(), driver.QueueConfig{Name: "jobs"})
		require.ErrorIs(t, err, driver.ErrClosed)
		require.NoError(t, p.Close(), "a second time")
	})
}

func TestTasksOutliveTheOpeningThatTheyCameBy(t *testing.T) {
	p := New()
	q := openOn(t, p, driver.QueueConfig{Name: "jobs"})
	enqueue(t, q, task("a"))
	require.NoError(t, q.Close())
	again := openOn(t, p, driver.QueueConfig{Name: "jobs"})
	require.Equal(t, []string{"a"}, idsOf(dequeue(t, again, 1)))
	require.NoError(t, p.Close())
}

func TestAnEndedContextChangesNothing(t *testing.T) {
	q := open(t, driver.QueueConfig{Name: "jobs"})
	enqueue(t, q, task("a"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := q.Dequeue(ctx, 1, time.Minute)
	require.ErrorIs(t, err, driver.ErrNoTasks)
	_, err = q.Enqueue(ctx, []*driver.Task{task("b")})
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, q.Pause(ctx, time.Time{}), context.Canceled)
	stats, err := q.Stats(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1, stats.Ready)
	require.Len(t, dequeue(t, q, 1), 1)
}

func TestADequeueOfNothingOrForNoTimeIsRefused(t *testing.T) {
	q := open(t, driver.QueueConfig{Name: "jobs"})
	_, err := q.Dequeue(t.Context(), 0, time.Minute)
	require.ErrorContains(t, err, "both must be more than 0")
	_, err = q.Dequeue(t.Context(), 1, 0)
	require.ErrorContains(t, err, "both must be more than 0")
}
