package sqlite

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/tasktest"
)

// pausedColumn is what is in the file: a build that knows no ends of pauses takes anything
// but 0 for a pause.
func pausedColumn(t *testing.T, q *queue) (paused int64) {
	t.Helper()
	require.NoError(t, q.p.reader.do(context.Background(), 0, func(tt *tx) { paused = tt.pause(q.id) }))
	return paused
}

func TestAPauseWithAnEndIsOneForBuildsThatKnowNoneUntilItIsOver(t *testing.T) {
	clock := tasktest.NewClock(time.Now())
	q := openQueue(t, openFile(t, newFile(t), WithClock(clock)), driver.QueueConfig{})
	enqueue(t, q, task("a"))
	require.NoError(t, q.Pause(within(t), clock.Now().Add(time.Minute)))
	require.Empty(t, take(t, q, 1))
	require.NotZero(t, pausedColumn(t, q))
	clock.Advance(time.Minute)
	enqueue(t, q, task("b"))
	require.Zero(t, pausedColumn(t, q), "any transaction after the end clears it for the others")
	require.Len(t, take(t, q, 2), 2)

	require.NoError(t, q.p.writer.do(within(t), 1, func(tt *tx) { tt.exec(sqlPause, q.id, 1) }))
	pause, err := q.Paused(within(t))
	require.NoError(t, err)
	assert.Equal(t, driver.Pause{Paused: true}, pause, "the pause of such a build has no end")
}

func TestAPauseIsOverForThoseWhoAskThoughNobodyHasClearedIt(t *testing.T) {
	clock := tasktest.NewClock(time.Now())
	q := openQueue(t, openFile(t, newFile(t), WithClock(clock)), driver.QueueConfig{})
	require.NoError(t, q.Pause(within(t), clock.Now().Add(time.Minute)))
	clock.Advance(time.Minute)
	pause, err := q.Paused(within(t))
	require.NoError(t, err)
	assert.Zero(t, pause)
	assert.NotZero(t, pausedColumn(t, q), "to ask writes nothing")
}
