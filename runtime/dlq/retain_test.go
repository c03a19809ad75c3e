package dlq_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/dlq"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
)

func TestRetentionDiscardsWhatIsTooOldAndNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newEnv(t, memory.New(), runtime.QueueConfig{})
		ago := func(age time.Duration, ids ...string) {
			for _, id := range ids {
				_, err := d.queue.Enqueue(d.ctx, []*runtime.Task{mail(id)})
				require.NoError(t, err)
				ds, err := d.queue.Dequeue(d.ctx, 1, time.Minute)
				require.NoError(t, err)
				driver.RecordDeath(ds[0].Task, "q", time.Now().Add(-age), errDisk)
				if age == 0 {
					delete(ds[0].Task.Metadata, driver.MetaFailedAt)
				}
				require.NoError(t, d.queue.DeadLetter(d.ctx, ds))
			}
		}
		ago(25*time.Hour, "old1", "old2")
		ago(23*time.Hour, "young")
		ago(0, "timeless")
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		keep := dlq.Retention{Box: d.box, Age: 24 * time.Hour, Every: 10 * time.Second}
		go func() { done <- keep.Run(ctx) }()
		synctest.Wait()
		assert.Equal(t, []string{"young", "timeless"}, d.ids(dlq.Filter{}))
		n, err := keep.Discard(ctx)
		require.NoError(t, err)
		assert.Zero(t, n)
		cancel()
		require.NoError(t, <-done)

		later := dlq.Retention{Box: d.box, Age: 23*time.Hour + time.Minute}
		time.Sleep(90 * time.Second)
		n, err = later.Discard(context.Background())
		require.NoError(t, err)
		assert.Equal(t, 1, n)
		assert.Equal(t, []string{"timeless"}, d.ids(dlq.Filter{}))
	})
	assert.Error(t, dlq.Retention{}.Run(context.Background()), "an age is needed")
}
