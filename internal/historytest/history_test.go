package historytest

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/internal/childtest"
	"github.com/taskgen/taskgen/internal/testserver"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/history"
)

// soon bounds every wait for something that happens within some seconds.
const soon = time.Minute

// addresses are the places of the tests: each returns one of its own.
var addresses = map[string]func(t *testing.T) string{
	"redis": func(t *testing.T) string {
		s, err := testserver.Redis()
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, s.Stop()) })
		return s.URL
	},
	"sqlite": func(t *testing.T) string { return filepath.Join(t.TempDir(), "tasks.db") },
}

// A reader enqueues tasks and reads what became of them. It has no handlers.
type reader struct {
	*testing.T
	m    *runtime.Manager
	past *history.History
}

func read(t *testing.T, addr string) *reader {
	t.Helper()
	p, err := openPlace(t.Context(), addr)
	require.NoError(t, err)
	m := runtime.NewManager(runtime.ManagerConfig{})
	require.NoError(t, m.Open(t.Context(), p, queue))
	t.Cleanup(func() {
		require.NoError(t, m.Close())
		require.NoError(t, p.Close())
	})
	return &reader{t, m, history.New(p.History(), history.Config{})}
}

func (r *reader) enqueue(from, to int) {
	r.Helper()
	for i := from; i < to; i++ {
		_, err := runtime.Enqueue(r.Context(), r.m, &spec, &i, runtime.WithID(fmt.Sprint(i)))
		require.NoError(r, err)
	}
}

// all are all records, by the task.
func (r *reader) all() map[string][]history.Record {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), soon)
	defer cancel()
	found := make(map[string][]history.Record)
	for cursor := ""; ; {
		page, next, err := r.past.List(ctx, history.Filter{}, cursor, 500)
		require.NoError(r, err)
		for _, rec := range page {
			found[rec.TaskID] = append(found[rec.TaskID], rec)
		}
		if cursor = next; cursor == "" {
			return found
		}
	}
}

func (r *reader) stats() driver.Stats {
	r.Helper()
	q, err := r.m.Queue("q")
	require.NoError(r, err)
	s, err := q.Stats(r.Context())
	require.NoError(r, err)
	return s
}

// TestAKilledWorkerLosesTheRecordsOfItsLastSecond kills a worker in the middle of its work.
// What it ran before its last Interval and the write is recorded; another worker runs what it
// has not settled, and records that.
func TestAKilledWorkerLosesTheRecordsOfItsLastSecond(t *testing.T) {
	for name, address := range addresses {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const perTick, ticks = 4, 200 // fewer in all than are written before the Interval is over
			addr := address(t)
			r := read(t, addr)
			killed := childtest.Spawn(t, addressEnv+"="+addr)
			tick := time.NewTicker(50 * time.Millisecond)
			defer tick.Stop()
			for i := range ticks { // for some seconds, and more than it has run when it is killed
				<-tick.C
				r.enqueue(i*perTick, (i+1)*perTick)
			}
			killed.Kill()
			at, runs := time.Now(), runsOf(killed)
			require.Greater(t, len(runs), perTick*ticks/4, "tasks that it has run")

			// The rest of the bound is for the write, on a busy machine.
			const bound = history.Interval + 4*time.Second
			before := r.all()
			early := 0
			for id, ran := range runs {
				if at.Sub(ran) > bound {
					early++
					require.Len(t, before[id], 1, "task %s, which it ran %v before it was killed", id, at.Sub(ran))
				}
			}
			require.Greater(t, early, 50, "tasks that it ran long before it was killed")
			t.Logf("of %d runs %d are recorded, %d are to be", len(runs), len(before), early)

			r.enqueue(ticks*perTick, ticks*perTick+1) // the other worker has something to run at least
			other := childtest.Spawn(t, addressEnv+"="+addr)
			require.Eventually(t, func() bool { return r.stats() == driver.Stats{} }, soon, 50*time.Millisecond)
			other.Quit(t)
			others := runsOf(other)
			after := r.all()
			for id := range others {
				records := after[id]
				require.NotEmpty(t, records, "task %s, of a worker that stopped in good order", id)
				_, again := runs[id]
				assert.Equal(t, driver.Completed, records[0].Outcome)
				if again {
					assert.Equal(t, 1, records[0].Crashes, "a run behind that of a killed worker")
				}
			}
			assert.NotEmpty(t, others)
		})
	}
}

// The records of many processes at once are all there, and in pages.
func TestWorkersOfOtherProcessesRecordWhatTheyRun(t *testing.T) {
	for name, address := range addresses {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const n = 1500
			addr := address(t)
			r := read(t, addr)
			workers := []*childtest.Process{childtest.Spawn(t, addressEnv+"="+addr), childtest.Spawn(t, addressEnv+"="+addr), childtest.Spawn(t, addressEnv+"="+addr)}
			r.enqueue(0, n)
			require.Eventually(t, func() bool { return r.stats() == driver.Stats{} }, soon, 50*time.Millisecond)
			for _, w := range workers {
				w.Quit(t)
			}
			all := r.all()
			require.Len(t, all, n)
			for id, records := range all {
				assert.Len(t, records, 1, id)
			}
			one, err := r.past.Task(t.Context(), fmt.Sprint(n/2))
			require.NoError(t, err)
			require.Len(t, one, 1)
			stats, err := r.past.Stats(t.Context(), history.Filter{Since: time.Now().Add(-soon)})
			require.NoError(t, err)
			require.Len(t, stats, 1)
			assert.Equal(t, map[history.Outcome]int64{driver.Completed: n}, stats[0].Outcomes)
			assert.EqualValues(t, n, stats[0].Runs)
		})
	}
}
