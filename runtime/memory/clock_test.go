package memory_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/tasktest"
)

func TestLeasesDelaysAndWindowsEndThoughTheClockIsBeforeTheProvidersFirstDay(t *testing.T) {
	clock := tasktest.NewClock(time.Now())
	p := memory.New(memory.WithClock(clock))
	defer p.Close()
	q, err := p.Open(t.Context(), driver.QueueConfig{Name: "q"})
	require.NoError(t, err)
	clock.Advance(-100 * 24 * time.Hour)
	task := &driver.Task{
		ID: "a", Type: "t", Queue: "q", Payload: []byte(`{}`), CreatedAt: clock.Now(),
		ScheduledFor: clock.Now().Add(time.Minute), UniqueKey: "k", UniqueFor: time.Hour,
	}
	enqueue := func(id string) driver.Enqueued {
		again := task.Clone()
		again.ID = id
		answers, err := q.Enqueue(t.Context(), []*driver.Task{again})
		require.NoError(t, err)
		return answers[0]
	}
	take := func() []*driver.Delivery {
		ds, err := q.Dequeue(t.Context(), 1, time.Minute)
		require.NoError(t, err)
		return ds
	}
	require.False(t, enqueue("a").Duplicate)
	clock.Advance(time.Minute)
	require.WithinDuration(t, clock.Now().Add(time.Minute), take()[0].LeaseUntil, 0)
	clock.Advance(time.Minute)
	ds := take()
	require.Equal(t, 1, ds[0].Crashes, "the first lease has ended")
	require.NoError(t, q.Extend(t.Context(), ds, time.Hour))
	ds[0].Delay = time.Minute
	require.NoError(t, q.Release(t.Context(), ds))
	clock.Advance(time.Minute)
	require.NoError(t, q.Complete(t.Context(), take()))
	require.True(t, enqueue("b").Duplicate, "within the window")
	clock.Advance(time.Hour)
	require.False(t, enqueue("b").Duplicate, "after it")
}
