package rabbitmq

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// slowly puts n large tasks on a queue, each of which takes two seconds to come.
func slowly(t *testing.T, n int) *queue {
	addr := data(t)
	q := open(t, addr, driver.QueueConfig{})
	all := tasks(n)
	for _, task := range all {
		task.Payload = append(append([]byte{'"'}, bytes.Repeat([]byte{'x'}, 2<<20)...), '"')
	}
	put(t, q, all...)
	roomOf(addr).proxy.Rate(1 << 20)
	t.Cleanup(func() { roomOf(addr).proxy.Rate(0) })
	return q
}

func TestTheFirstTaskDoesNotWaitForTheLastOnASlowLink(t *testing.T) {
	t.Parallel()
	q := slowly(t, 4)
	ds, err := q.Dequeue(within(t), 16, time.Minute)
	require.NoError(t, err)
	require.Less(t, len(ds), 4)
}

// Without that a task that takes longer to come than anybody asks for it would go back
// and forth for ever.
func TestATaskThatComesLateStaysForAsLong(t *testing.T) {
	t.Parallel()
	q := slowly(t, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := q.Dequeue(ctx, 16, time.Minute)
	require.ErrorIs(t, err, driver.ErrNoTasks)
	var at, keep, left time.Time
	require.Eventually(t, func() bool {
		q.st.mu.Lock()
		defer q.st.mu.Unlock()
		if len(q.st.drawn) == 0 {
			return false
		}
		at, keep, left = q.st.drawn[0].at, q.st.drawn[0].keep, q.st.left
		return true
	}, soon, time.Millisecond)
	late := at.Sub(left)
	require.Greater(t, late, 3*idleWait, "the link is slow")
	require.Equal(t, min(late, maxIdleWait), keep.Sub(at))
	_, _, stale := q.st.demand(at.Add(3 * idleWait))
	require.False(t, stale, "it would go back")
}

// A task that comes just after another was handed out is not late.
func TestATaskThatNobodyWaitsForGoesToAnotherProcess(t *testing.T) {
	t.Parallel()
	addr := data(t)
	q, other := open(t, addr, driver.QueueConfig{}), open(t, addr, driver.QueueConfig{})
	put(t, q, task("1"))
	ds, err := q.Dequeue(within(t), 16, time.Minute)
	require.NoError(t, err)
	require.Len(t, ds, 1)
	put(t, q, task("2"))
	ctx, cancel := context.WithTimeout(t.Context(), maxIdleWait/2)
	defer cancel()
	ds, err = other.Dequeue(ctx, 1, time.Minute)
	require.NoError(t, err)
	require.Equal(t, "2", ds[0].Task.ID)
}
