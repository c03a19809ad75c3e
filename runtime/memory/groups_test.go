package memory

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

func grouped(id, group string) *driver.Task {
	tk := task(id)
	tk.GroupKey = group
	return tk
}

func TestGroupsTakeTurns(t *testing.T) {
	q := open(t, driver.QueueConfig{Name: "jobs", Type: driver.FIFO})
	enqueue(t, q, grouped("a1", "a"), grouped("a2", "a"), grouped("a3", "a"), grouped("b1", "b"), grouped("c1", "c"), grouped("c2", "c"))
	var order []string
	for range 6 {
		ds := dequeue(t, q, 1)
		order = append(order, ds[0].Task.ID)
		require.NoError(t, q.Complete(t.Context(), ds))
	}
	require.Equal(t, []string{"a1", "b1", "c1", "a2", "c2", "a3"}, order)
}

func TestAReleasedTaskBlocksItsGroupAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := open(t, driver.QueueConfig{Name: "jobs", Type: driver.FIFO})
		enqueue(t, q, grouped("a1", "a"), grouped("a2", "a"), grouped("b1", "b"))
		ds := dequeue(t, q, 1)
		ds[0].Delay = time.Minute
		require.NoError(t, q.Release(t.Context(), ds))
		require.Equal(t, []string{"b1"}, idsOf(dequeue(t, q, 10)))
		require.NoError(t, q.Reschedule(t.Context(), "a1", time.Now().Add(time.Hour)))
		began := time.Now()
		ds = dequeue(t, q, 1)
		for ds[0].Task.ID == "b1" { // its leases end meanwhile
			ds = dequeue(t, q, 1)
		}
		require.Equal(t, "a1", ds[0].Task.ID, "a2 waits behind it")
		require.Equal(t, time.Hour, time.Since(began))
	})
}

func TestACancelledHeadLetsItsGroupGoOn(t *testing.T) {
	q := open(t, driver.QueueConfig{Name: "jobs", Type: driver.FIFO})
	enqueue(t, q, grouped("a1", "a"), grouped("a2", "a"))
	ds := dequeue(t, q, 1)
	ds[0].Delay = time.Hour
	require.NoError(t, q.Release(t.Context(), ds))
	cancelled, err := q.Cancel(t.Context(), []string{"a1", "unknown"})
	require.NoError(t, err)
	require.Equal(t, []string{"a1"}, cancelled)
	require.Equal(t, []string{"a2"}, idsOf(dequeue(t, q, 1)))
}

func TestADelayedTaskJoinsItsGroupWhenItIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := open(t, driver.QueueConfig{Name: "jobs", Type: driver.FIFO})
		late := grouped("late", "a")
		late.ScheduledFor = time.Now().Add(time.Minute)
		enqueue(t, q, late, grouped("early", "a"))
		time.Sleep(time.Hour)
		enqueue(t, q, grouped("last", "a"))
		var order []string
		for range 3 {
			ds := dequeue(t, q, 10)
			order = append(order, idsOf(ds)...)
			require.NoError(t, q.Complete(t.Context(), ds))
		}
		require.Equal(t, []string{"early", "late", "last"}, order)
	})
}
