package rabbitmq

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// buryAll lets everything on a queue die.
func buryAll(t testing.TB, q *queue, n int) {
	t.Helper()
	for n > 0 {
		ds := takeN(t, q, min(n, 1000))
		for _, d := range ds {
			driver.RecordDeath(d.Task, q.cfg.Name, time.Now(), errors.New("it failed"))
		}
		require.NoError(t, q.DeadLetter(within(t), ds))
		n -= len(ds)
	}
}

// A scan holds what it passes over until its end, window by window: the one that is
// looked for is found behind any number of others, which keep their places.
func TestALetterBehindManyWindowsOfOthersIsFound(t *testing.T) {
	t.Parallel()
	const n = 5000
	q := open(t, data(t), driver.QueueConfig{})
	put(t, q, tasks(n)...)
	buryAll(t, q, n)
	last := fmt.Sprintf("t%05d", n-1)
	for range 2 { // the second time everything has come back once
		done, err := q.Discard(within(t), []string{last})
		require.NoError(t, err)
		require.Equal(t, []string{last}, done)
		put(t, q, task(last))
		buryAll(t, q, 1)
	}
	done, err := q.Redrive(within(t), nil)
	require.NoError(t, err)
	assert.Len(t, done, n)
	once := drainIDs(t, q)
	assert.Len(t, once, n)
	for id, times := range once {
		assert.Equal(t, 1, times, "task %s", id)
	}
}
