package memory

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// bury dead letters what is first on the queue.
func bury(t *testing.T, q *queue) {
	t.Helper()
	ds := dequeue(t, q, 1)
	driver.RecordDeath(ds[0].Task, q.name, time.Now(), errors.New("boom"))
	require.NoError(t, q.DeadLetter(t.Context(), ds))
}

func TestQueuesThatShareADeadLetterQueueSeeTheirOwnDead(t *testing.T) {
	p := New()
	defer p.Close()
	one := openOn(t, p, driver.QueueConfig{Name: "one", DLQ: "graves"})
	other := openOn(t, p, driver.QueueConfig{Name: "other", DLQ: "graves"})
	for _, q := range []*queue{one, other} {
		enqueue(t, q, task("same"), task(q.name))
		bury(t, q)
		bury(t, q)
	}
	for _, q := range []*queue{one, other} {
		stats, err := q.Stats(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 2, stats.Dead)
		tasks, next, err := q.Browse(t.Context(), driver.Dead, "", 10)
		require.NoError(t, err)
		require.Empty(t, next)
		require.Equal(t, []string{"same", q.name}, []string{tasks[0].ID, tasks[1].ID})
	}
	deadQueue := openOn(t, p, driver.QueueConfig{Name: "graves"})
	stats, err := deadQueue.Stats(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 4, stats.Ready)

	redriven, err := one.Redrive(t.Context(), []string{"same", "other", "unknown"})
	require.NoError(t, err)
	require.Equal(t, []string{"same"}, redriven)
	discarded, err := other.Discard(t.Context(), []string{"same", "one"})
	require.NoError(t, err)
	require.Equal(t, []string{"same"}, discarded)
	require.Equal(t, []string{"one", "other"}, idsOf(dequeue(t, deadQueue, 10)))
}

func TestTheDeadOfOneIDAreAllKept(t *testing.T) {
	q := open(t, driver.QueueConfig{Name: "jobs"})
	for range 3 {
		enqueue(t, q, task("a"))
		bury(t, q)
	}
	redriven, err := q.Redrive(t.Context(), []string{"a"})
	require.Equal(t, []string{"a"}, redriven)
	var be *driver.BatchError
	require.ErrorAs(t, err, &be)
	require.Len(t, be.Items, 2)
	require.ErrorIs(t, err, driver.ErrDuplicate)
	for dead := int64(2); dead > 0; dead-- {
		stats, err := q.Stats(t.Context())
		require.NoError(t, err)
		require.Equal(t, dead, stats.Dead)
		require.NoError(t, q.Complete(t.Context(), dequeue(t, q, 1)))
		_, err = q.Redrive(t.Context(), []string{"a"})
		if dead == 1 {
			require.NoError(t, err)
		}
	}
	require.NoError(t, q.Complete(t.Context(), dequeue(t, q, 1)))
	requireEmpty(t, q.queueState)
	requireEmpty(t, q.dead)
}

func TestATaskLeasedFromTheDeadLetterQueueStaysThere(t *testing.T) {
	p := New()
	defer p.Close()
	q := openOn(t, p, driver.QueueConfig{Name: "jobs"})
	dlq := openOn(t, p, driver.QueueConfig{Name: q.Config().DLQ})
	enqueue(t, q, task("a"))
	bury(t, q)
	ds := dequeue(t, dlq, 1)
	redriven, err := q.Redrive(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, redriven)
	stats, err := q.Stats(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1, stats.Dead, "it is dead until it is completed there")
	require.NoError(t, dlq.Complete(t.Context(), ds))
	stats, err = q.Stats(t.Context())
	require.NoError(t, err)
	require.Zero(t, stats)
}

func TestADeadLetterQueueHasNoneOfItsOwn(t *testing.T) {
	p := New()
	defer p.Close()
	openOn(t, p, driver.QueueConfig{Name: "jobs"})
	dlq := openOn(t, p, driver.QueueConfig{Name: "jobs-dlq"})
	enqueue(t, dlq, task("a"))
	ds := dequeue(t, dlq, 1)
	require.ErrorIs(t, dlq.DeadLetter(t.Context(), ds), driver.ErrUnsupported)
	_, err := dlq.Redrive(t.Context(), nil)
	require.ErrorIs(t, err, driver.ErrUnsupported)
	_, err = dlq.Discard(t.Context(), nil)
	require.ErrorIs(t, err, driver.ErrUnsupported)
	require.False(t, dlq.Capabilities().Redrive)
	require.Empty(t, dlq.Config().DLQ)
	require.NoError(t, dlq.Complete(t.Context(), ds), "the refused DeadLetter left the lease alone")
}

func TestARedrivenTaskMayExceedTheCapacity(t *testing.T) {
	q := open(t, driver.QueueConfig{Name: "jobs", Capacity: 1})
	enqueue(t, q, task("a"))
	bury(t, q)
	enqueue(t, q, task("b"))
	redriven, err := q.Redrive(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, redriven)
	d := dequeue(t, q, 2)[1]
	require.Equal(t, "1", d.Task.Metadata[driver.MetaRedriveCount])
	require.Equal(t, "jobs-dlq", d.Task.Metadata[driver.MetaRedrivenFrom])
	require.Equal(t, "boom", d.Task.Metadata[driver.MetaFailureReason])
}
