package redis

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/drivertest/historystoretest"
	"github.com/taskgen/taskgen/runtime/history/historystore"
	"github.com/taskgen/taskgen/runtime/internal/chunklog"
)

func historyPlace(open func() *Provider) historystoretest.Place {
	return historystoretest.Place{
		Open: func() historystore.Store { return open().History() },
		Pass: func(d time.Duration) { <-time.After(d + 2*time.Millisecond) },
	}
}

func TestHistoryKeepsWhatAStoreOfHistoriesPromises(t *testing.T) {
	historystoretest.Run(t, func(tb testing.TB) historystoretest.Place {
		url := sharedURL(tb)
		return historyPlace(func() *Provider { return open(tb, url) })
	})
}

func TestHistoryKeepsWhatAStoreOfHistoriesPromisesOnACluster(t *testing.T) {
	s, err := sharedCluster()
	require.NoError(t, err)
	historystoretest.Run(t, func(tb testing.TB) historystoretest.Place {
		url := withPrefix(s.URL, newPrefix())
		return historyPlace(func() *Provider { return open(tb, url) })
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

// workHistory does everything with a history that can be done, and leaves nothing.
func workHistory(t *testing.T, p *Provider) {
	s, ctx := p.History(), within(t)
	keep := historystore.Limits{Age: 50 * time.Millisecond, Bytes: chunklog.Size}
	for range 4 {
		require.NoError(t, s.Add(ctx, endedTasks(500), keep))
	}
	require.NoError(t, s.Add(ctx, endedTasks(1), keep))
	_, _, err := s.List(ctx, historystore.Filter{}, "", 10)
	require.NoError(t, err)
}

func TestAHistoryThatHasExpiredLeavesNoKey(t *testing.T) {
	url := sharedURL(t)
	p, c := open(t, url), admin(t, url)
	workHistory(t, p)
	require.Eventually(t, func() bool {
		keys, err := c.Keys(within(t), "{"+p.prefix+"}:history:*").Result()
		require.NoError(t, err)
		return len(keys) == 0
	}, soon, time.Millisecond)
}

// A server that has no memory left for tasks has none for their history either: its tasks
// are settled all the same.
func TestAFullServerRefusesRecordsAndSettlesTasks(t *testing.T) {
	s := own(t)
	p := open(t, s.URL)
	q := openQueue(t, p, driver.QueueConfig{})
	enqueue(t, q, task("a"))
	ds := take(t, q, 1)
	empty := fill(t, s.URL)
	keep := historystore.Limits{Age: time.Hour, Bytes: 1 << 20}
	require.Error(t, p.History().Add(within(t), endedTasks(100), keep))
	require.NoError(t, q.Complete(within(t), ds))
	empty()
	require.NoError(t, p.History().Add(within(t), endedTasks(100), keep))
}

// TestARecordCostsWhatTheDocumentationSays bounds commands, round trips and memory.
func TestARecordCostsWhatTheDocumentationSays(t *testing.T) {
	const each, n = 512, 200
	p := open(t, own(t).URL)
	var count counter
	p.client.AddHook(&count)
	keep := historystore.Limits{Age: time.Hour, Bytes: 1 << 30}
	require.NoError(t, p.History().Add(within(t), endedTasks(each), keep)) // the server has the script
	before, memory, trips := calls(t, p), usedMemory(t, p), count.trips.Load()
	for range n {
		require.NoError(t, p.History().Add(within(t), endedTasks(each), keep))
	}
	assert.EqualValues(t, 2*n, count.trips.Load()-trips, "two round trips for each batch")
	after, sum := calls(t, p), 0
	for name, count := range after {
		if name != "info" {
			sum += count - before[name]
		}
	}
	bytes := float64(usedMemory(t, p)-memory) / (n * each)
	t.Logf("%d commands for a batch of %d records, %.1f bytes for a record", sum/n, each, bytes)
	assert.LessOrEqual(t, sum, 17*n)
	assert.Less(t, bytes, 45.0)
}
