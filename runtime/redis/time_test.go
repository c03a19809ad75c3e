package redis

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// TestDelaysAndLeasesAreNeverCutShort tries many moments within a millisecond:
// the server counts in whole ones.
func TestDelaysAndLeasesAreNeverCutShort(t *testing.T) {
	q := openQueue(t, open(t, sharedURL(t)), driver.QueueConfig{})
	enqueue(t, q, task("a"))
	for range 100 {
		asked := time.Now()
		const lease = 1100 * time.Microsecond
		ds, err := q.Dequeue(within(t), 1, lease)
		require.NoError(t, err)
		again := take(t, q, 1)
		require.GreaterOrEqual(t, time.Since(asked), lease)
		require.Equal(t, ds[0].Task.ID, again[0].Task.ID)
		again[0].Delay = 700 * time.Microsecond
		due := time.Now().Add(again[0].Delay)
		require.NoError(t, q.Release(within(t), again))
		last := take(t, q, 1)
		require.False(t, time.Now().Before(due))
		require.NoError(t, q.Release(within(t), last))
	}
}
