package rabbitmq

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

var fifo = driver.QueueConfig{Name: "f", Type: driver.FIFO}

// putInGroup enqueues tasks of one group of the queue f.
func putInGroup(t testing.TB, q *queue, group string, ts ...*driver.Task) {
	t.Helper()
	for _, one := range ts {
		one.Queue, one.GroupKey = fifo.Name, group
	}
	put(t, q, ts...)
}

// TestTheOrderOfAGroupOutlivesItsProcess ends the holder of a partition while
// another one waits.
func TestTheOrderOfAGroupOutlivesItsProcess(t *testing.T) {
	addr := data(t)
	q := open(t, addr, fifo)
	var want []string
	all := tasks(30)
	putInGroup(t, q, "g", all...)
	for _, one := range all {
		want = append(want, one.ID)
	}
	first := takeN(t, q, 1)
	require.NoError(t, q.Complete(within(t), first))
	takeN(t, q, 1) // begun, and not done
	next := open(t, addr, fifo)
	got := make(chan []string)
	go func() {
		var ids []string
		for i := range want[1:] {
			ds, err := next.Dequeue(within(t), 5, time.Minute)
			if !assert.NoError(t, err) || !assert.Len(t, ds, 1) || !assert.NoError(t, next.Complete(within(t), ds)) {
				break
			}
			ids = append(ids, ds[0].Task.ID)
			crashes := 0
			if i == 0 {
				crashes = 1
			}
			assert.Equal(t, crashes, ds[0].Crashes, "the process had drawn %s, and begun the first alone", ds[0].Task.ID)
		}
		got <- ids
	}()
	require.NoError(t, q.p.Close())
	assert.Equal(t, want[1:], <-got)
}

// A retry count of a group's task goes with its process or connection, and each
// such end is counted as a crash: so there are no more runs than MaxDeliveries times
// those that MaxRetries allows.
func TestEachEndOfAProcessThatLosesARetryCountIsCounted(t *testing.T) {
	t.Parallel()
	addr := alone(t)
	putInGroup(t, open(t, addr, fifo), "g", tasks(1)...)
	<-time.After(settled)
	fail := func(q *queue, crashes, retries int, delay time.Duration) {
		t.Helper()
		d := takeN(t, q, 1)[0]
		assert.Equal(t, crashes, d.Crashes)
		assert.Equal(t, retries, d.Task.RetryCount)
		d.Task.RetryCount++
		d.Delay = delay
		require.NoError(t, q.Release(within(t), []*driver.Delivery{d}))
	}
	q := open(t, addr, fifo)
	fail(q, 0, 0, 0)
	fail(q, 0, 1, time.Hour)
	require.NoError(t, q.p.Close())

	q = open(t, addr, fifo)
	fail(q, 1, 0, 0)
	fail(q, 1, 1, time.Hour)
	roomOf(addr).proxy.Cut()
	roomOf(addr).proxy.Heal()
	fail(q, 2, 0, time.Hour)
	require.NoError(t, roomOf(addr).server.Kill())
	require.NoError(t, roomOf(addr).server.Restart())
	fail(q, 3, 0, 0)
}

// What a process has drawn ahead and does not ask for is not kept from others.
func TestPartitionsPassToWhoeverWaitsForThem(t *testing.T) {
	addr := data(t)
	a, b := open(t, addr, fifo), open(t, addr, fifo)
	putInGroup(t, a, "g", tasks(3)...)
	require.NoError(t, a.Complete(within(t), takeN(t, a, 1)))
	d := takeN(t, b, 1)[0]
	assert.Equal(t, "t00001", d.Task.ID)
	assert.Equal(t, 1, d.Crashes, "the broker counts what passes")
	require.NoError(t, b.Complete(within(t), []*driver.Delivery{d}))
	d = takeN(t, b, 1)[0]
	assert.Equal(t, "t00002", d.Task.ID)
	assert.Zero(t, d.Crashes, "behind another it cannot have been begun")
}

// Two processes that ask seldom hand the partitions to each other. The tasks that
// pass between them are counted a crash each time, and the more were counted, the
// later they pass.
func TestTasksThatPassBetweenProcessesDoNotDieOfIt(t *testing.T) {
	addr := data(t)
	a, b := open(t, addr, fifo), open(t, addr, fifo)
	all := tasks(16)
	for i, g := range []string{"g1", "g2", "g3", "g4"} {
		putInGroup(t, a, g, all[4*i:4*i+4]...)
	}
	most, seen := 0, 0
	for seen < len(all) {
		for _, q := range []*queue{a, b} {
			ctx, cancel := context.WithTimeout(within(t), 2*groupIdle)
			ds, err := q.Dequeue(ctx, 1, time.Minute)
			cancel()
			if err != nil {
				require.ErrorIs(t, err, driver.ErrNoTasks)
				continue
			}
			seen++
			most = max(most, ds[0].Crashes)
			require.NoError(t, q.Complete(within(t), ds))
		}
	}
	assert.LessOrEqual(t, most, 2)
}
