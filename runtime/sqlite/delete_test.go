package sqlite

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// rowCounts counts the rows of the tables that queues have.
func rowCounts(t *testing.T, p *Provider) map[string]int64 {
	t.Helper()
	n := make(map[string]int64)
	require.NoError(t, p.reader.do(context.Background(), 0, func(tt *tx) {
		for _, table := range []string{"job", "ready", "line", "group", "delayed", "lease", "unique"} {
			r := tt.query("SELECT count(*) FROM taskgen_" + table)
			require.True(t, r.next())
			n[table] = r.int(0)
			r.done()
		}
		r := tt.query("SELECT count(*) FROM taskgen_queue WHERE name <> ''")
		require.True(t, r.next())
		n["queue"] = r.int(0)
		r.done()
	}))
	return n
}

func TestDeleteLeavesNoRow(t *testing.T) {
	for _, cfg := range []driver.QueueConfig{{}, {Type: driver.FIFO}, {Type: driver.Priority}} {
		p := openFile(t, newFile(t))
		q := openQueue(t, p, cfg)
		ts := tasks(12)
		for i, one := range ts {
			if cfg.Type == driver.FIFO {
				one.GroupKey = string(rune('a' + i%3))
			}
		}
		ts[0].UniqueKey = "held"
		ts[1].UniqueKey, ts[1].UniqueFor = "window", time.Hour
		ts[11].ScheduledFor = time.Now().Add(time.Hour)
		enqueue(t, q, ts...)
		ds := take(t, q, 3)
		require.NoError(t, q.DeadLetter(within(t), ds[:1]))
		require.NoError(t, q.Complete(within(t), ds[1:2]))
		require.NoError(t, q.Delete(within(t)))
		for table, n := range rowCounts(t, p) {
			assert.Zero(t, n, "%s: rows of taskgen_%s", cfg.Type, table)
		}
		requireConsistent(t, p)
	}
}

func TestADeleteInPartLeavesAQueueThatIsConsistent(t *testing.T) {
	p := openFile(t, newFile(t))
	q := openQueue(t, p, driver.QueueConfig{})
	enqueue(t, q, tasks(maxTxTasks+1)...)
	more := false
	require.NoError(t, p.writer.do(within(t), 1, func(tt *tx) { more = tt.dropSome(q.id) }))
	require.True(t, more)
	requireConsistent(t, p)
	require.EqualValues(t, 1, stats(t, q).Ready)
	require.NoError(t, q.Delete(within(t)))
	require.Zero(t, rowCounts(t, p)["job"])
}

// A process that has not heard of a deletion knows the queue by its number.
func TestTheNumberOfADeletedQueueIsNoOtherQueues(t *testing.T) {
	path := newFile(t)
	p := openFile(t, path)
	stale := openQueue(t, openFile(t, path), driver.QueueConfig{Name: "old"})
	for range 3 {
		q := openQueue(t, p, driver.QueueConfig{Name: "old"})
		require.NoError(t, q.Delete(within(t)))
		other := openQueue(t, p, driver.QueueConfig{Name: "new"})
		require.Greater(t, other.id, q.id)
		enqueue(t, other, task("a"))
		_, err := stale.Dequeue(within(t), 1, time.Minute)
		require.ErrorIs(t, err, driver.ErrUnknownQueue)
		_, err = stale.Enqueue(within(t), []*driver.Task{task("b")})
		require.ErrorIs(t, err, driver.ErrUnknownQueue)
		_, err = stale.Stats(within(t))
		require.ErrorIs(t, err, driver.ErrUnknownQueue)
		require.NoError(t, other.Delete(within(t)))
	}
}

func TestAWorkerElsewhereThatWaitsIsToldOfTheDeletion(t *testing.T) {
	path := newFile(t)
	stale := openQueue(t, openFile(t, path), driver.QueueConfig{})
	q := openQueue(t, openFile(t, path), driver.QueueConfig{})
	told := make(chan error, 1)
	go func() {
		_, err := stale.Dequeue(within(t), 1, time.Minute)
		told <- err
	}()
	require.Eventually(t, stale.p.waitQueues.hasWaiters, soon, time.Millisecond)
	require.NoError(t, q.Delete(within(t)))
	require.ErrorIs(t, <-told, driver.ErrUnknownQueue)
}

func TestASharedDeadLetterQueueGoesWithTheLastQueueThatNamesIt(t *testing.T) {
	p := openFile(t, newFile(t))
	one, other := openQueue(t, p, driver.QueueConfig{Name: "one", DLQ: "shared"}), openQueue(t, p, driver.QueueConfig{Name: "other", DLQ: "shared"})
	shared := openQueue(t, p, driver.QueueConfig{Name: "shared"})
	for _, q := range []*queue{one, other} {
		enqueue(t, q, task("a"))
		require.NoError(t, q.DeadLetter(within(t), take(t, q, 1)))
	}
	require.NoError(t, one.Delete(within(t)))
	assert.EqualValues(t, 1, stats(t, shared).Ready)
	require.ErrorIs(t, shared.Delete(within(t)), driver.ErrUnsupported)
	require.NoError(t, other.Delete(within(t)))
	_, err := shared.Stats(within(t))
	require.ErrorIs(t, err, driver.ErrClosed)
	assert.Zero(t, rowCounts(t, p)["queue"])
}
