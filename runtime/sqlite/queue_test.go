package sqlite

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

func TestTasksGoThroughTheQueueAndLeaveNothingBehind(t *testing.T) {
	for _, kind := range []driver.QueueType{driver.Standard, driver.FIFO, driver.Priority} {
		t.Run(string(kind), func(t *testing.T) {
			p := openFile(t, newFile(t))
			q := openQueue(t, p, driver.QueueConfig{Type: kind})
			all := tasks(1200)
			for i, task := range all {
				if kind == driver.FIFO {
					task.GroupKey = string(rune('a' + i%7))
				}
				if i%3 == 0 {
					task.UniqueKey = task.ID
				}
			}
			enqueue(t, q, all...)
			require.Equal(t, int64(1200), stats(t, q).Ready)
			seen := 0
			for {
				ds := take(t, q, 300)
				if len(ds) == 0 {
					break
				}
				seen += len(ds)
				require.NoError(t, q.Complete(context.Background(), ds))
			}
			require.Equal(t, 1200, seen)
			require.Equal(t, driver.Stats{}, stats(t, q))
			requireEmpty(t, p)
		})
	}
}

func TestDequeueWakesWhenATaskComes(t *testing.T) {
	p := openFile(t, newFile(t))
	q := openQueue(t, p, driver.QueueConfig{})
	got := make(chan []*driver.Delivery, 1)
	go func() {
		ds, _ := q.Dequeue(within(t), 1, time.Minute)
		got <- ds
	}()
	require.Eventually(t, p.waitQueues.hasWaiters, soon, time.Millisecond)
	enqueue(t, q, task("a"))
	require.Equal(t, []string{"a"}, idsOf(<-got))
}
