package sqlite

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/drivertest/historystoretest"
	"github.com/taskgen/taskgen/runtime/history/historystore"
	"github.com/taskgen/taskgen/runtime/tasktest"
)

func TestHistoryKeepsWhatAStoreOfHistoriesPromises(t *testing.T) {
	historystoretest.Run(t, func(tb testing.TB) historystoretest.Place {
		path := tb.TempDir() + "/tasks.db"
		clock := tasktest.NewClock(time.Now())
		return historystoretest.Place{
			Open: func() historystore.Store {
				p, err := Open(context.Background(), path, WithClock(clock))
				require.NoError(tb, err)
				tb.Cleanup(func() { require.NoError(tb, p.Close()) })
				return p.History()
			},
			Pass: clock.Advance,
		}
	})
}

// endedTasks are records of tasks as they are as a rule: with a UUID, and run once.
func endedTasks(n int) []historystore.Record {
	rs := make([]historystore.Record, n)
	now := time.Now()
	for i := range rs {
		end := now.Add(time.Duration(i) * 37 * time.Microsecond)
		rs[i] = historystore.Record{
			TaskID: fmt.Sprintf("0190a5c5-7f4e-7abc-9def-%012x", i), Type: "embedding", Queue: "documents", Worker: "indexer-web7-4711",
			Outcome: driver.Completed, Attempt: 1,
			EnqueuedAt: end.Add(-1234 * time.Millisecond), DueAt: end.Add(-1234 * time.Millisecond), StartedAt: end.Add(-5678 * time.Microsecond), EndedAt: end,
		}
	}
	return rs
}

// historyRows counts the rows of a history and the bytes in them.
func historyRows(t *testing.T, p *Provider) (rows, bytes int64) {
	require.NoError(t, p.reader.do(within(t), 0, func(t *tx) {
		r := t.query("SELECT count(*), coalesce(sum(length(marks) + length(body)), 0) FROM taskgen_history")
		r.next()
		rows, bytes = r.int(0), r.int(1)
		r.done()
	}))
	return rows, bytes
}

func TestAHistoryThatHasExpiredLeavesNoRow(t *testing.T) {
	clock := tasktest.NewClock(time.Now())
	p := openFile(t, newFile(t), WithClock(clock))
	keep := historystore.Limits{Age: time.Minute, Bytes: 1 << 20}
	for range 5 {
		require.NoError(t, p.History().Add(within(t), endedTasks(1000), keep))
	}
	rows, _ := historyRows(t, p)
	require.EqualValues(t, 5, rows)
	clock.Advance(time.Minute)
	require.NoError(t, p.Fleet().Leave(within(t), "nobody")) // any work
	require.Eventually(t, func() bool {
		rows, _ := historyRows(t, p)
		return rows == 0
	}, soon, time.Millisecond)
}

func TestARecordTakesLittleMoreThanItsID(t *testing.T) {
	p := openFile(t, newFile(t))
	require.NoError(t, p.History().Add(within(t), endedTasks(1000), historystore.Limits{Age: time.Minute, Bytes: 1 << 20}))
	_, bytes := historyRows(t, p)
	t.Logf("%d bytes for 1000 records", bytes)
	assert.Less(t, bytes, int64(40_000))
}

// A batch of records costs a transaction no more than some tasks do.
func TestABatchOfRecordsIsEightStatements(t *testing.T) {
	p := openFile(t, newFile(t), WithClock(tasktest.NewClock(time.Now())))
	keep := historystore.Limits{Age: time.Minute, Bytes: 1 << 20}
	add := func() int64 {
		before := p.writer.c.steps.Load()
		require.NoError(t, p.History().Add(within(t), endedTasks(500), keep))
		return p.writer.c.steps.Load() - before
	}
	add()
	add()
	assert.LessOrEqual(t, add(), int64(8))
}

// A disk that has no space left for tasks has none for their history either, and the space
// that is kept for work on it is for the tasks.
func TestAFullFileRefusesRecordsAndSettlesTasks(t *testing.T) {
	p := openFile(t, newFile(t))
	q := openQueue(t, p, driver.QueueConfig{})
	enqueue(t, q, tasks(10)...)
	ds := take(t, q, 10)
	require.NoError(t, limitPages(p, 1))
	keep := historystore.Limits{Age: time.Hour, Bytes: 1 << 30}
	added := 0
	for p.History().Add(within(t), endedTasks(500), keep) == nil {
		added++
		require.Less(t, added, 1000, "the file does not fill up")
	}
	require.NoError(t, q.Complete(within(t), ds))
	require.Error(t, p.History().Add(within(t), endedTasks(500), keep), "what is kept for work is not for records")
	rows, _ := historyRows(t, p)
	assert.EqualValues(t, added, rows, "a batch is there, or it is not")
	require.NoError(t, limitPages(p, 1<<30))
	require.NoError(t, p.History().Add(within(t), endedTasks(500), keep))
}
