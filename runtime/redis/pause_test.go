package redis

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A build that knows no ends of pauses looks only whether the field is there.
func TestAPauseWithAnEndIsOneForBuildsThatKnowNoneUntilItIsOver(t *testing.T) {
	url := sharedURL(t)
	q, c := openQueue(t, open(t, url), driver.QueueConfig{}), admin(t, url)
	meta := q.keyspace.key(keyMeta)
	there := func() bool {
		t.Helper()
		has, err := c.HExists(within(t), meta, "paused").Result()
		require.NoError(t, err)
		return has
	}
	enqueue(t, q, task("a"))
	until := time.Now().Add(300 * time.Millisecond)
	require.NoError(t, q.Pause(within(t), until))
	require.True(t, there())
	take(t, q, 1)
	require.False(t, time.Now().Before(until))
	require.False(t, there(), "the first dequeue after the end clears it for the others")

	require.NoError(t, c.HSet(within(t), meta, "paused", "1").Err())
	pause, err := q.Paused(within(t))
	require.NoError(t, err)
	assert.Equal(t, driver.Pause{Paused: true}, pause, "the pause of such a build has no end")
	require.NoError(t, q.Resume(within(t)))
	require.False(t, there())
}

func TestAPauseOfADeadLetterQueueEndsForQueuesThatNameItLater(t *testing.T) {
	p := open(t, sharedURL(t))
	openQueue(t, p, driver.QueueConfig{DLQ: "buried"})
	dead := openQueue(t, p, driver.QueueConfig{Name: "buried"})
	until := time.Now().Add(300 * time.Millisecond)
	require.NoError(t, dead.Pause(within(t), until))
	dies(t, openQueue(t, p, driver.QueueConfig{Name: "late", DLQ: "buried"}), "b")
	take(t, dead, 1)
	require.False(t, time.Now().Before(until))
}
