package history

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/history/historystore"
	"github.com/taskgen/taskgen/runtime/internal/chunklog"
	"github.com/taskgen/taskgen/runtime/observe"
)

// An encodingStore encodes what it is given, as stores do, and keeps nothing.
type encodingStore struct{ Store }

func (encodingStore) Add(_ context.Context, records []Record, _ historystore.Limits) error {
	chunklog.Encode(records)
	return nil
}

// runner makes a pool with a history, and a function that runs and settles so many tasks.
func runner(tb testing.TB, store Store) (run func(tasks int)) {
	h := New(store, Config{Logger: slog.New(slog.DiscardHandler)})
	l := h.Listener()
	q := &observe.Queue{Name: "q"}
	p := &observe.Pool{Name: "worker", Queues: []*observe.Queue{q}}
	l.PoolStarted(p)
	tb.Cleanup(func() { l.PoolStopped(p) })
	runs := make([]observe.Run, 128)
	items := make([]observe.Settled, len(runs))
	for i := range runs {
		t := &driver.Task{ID: fmt.Sprintf("01890a5d-ac96-774b-bcce-%012x", i), CreatedAt: time.Now()}
		runs[i] = observe.Run{Queue: q, Pool: p, Type: "t", Task: t, Attempt: 1, Began: time.Now(), At: time.Now(), Took: time.Millisecond, Outcome: driver.Completed}
		items[i] = observe.Settled{Task: t, Outcome: driver.Completed, Ran: true}
	}
	ctx := context.Background()
	return func(tasks int) {
		for range tasks / len(runs) {
			for i := range runs {
				l.RunEnd(ctx, &runs[i])
			}
			l.Settled(&observe.Settlement{Queue: q, Items: items})
		}
	}
}

func TestARunCostsOneAllocation(t *testing.T) {
	run := runner(t, encodingStore{})
	run(128)
	const n = 128
	// The copy of the ID; and the room of a batch, now and then.
	if each := testing.AllocsPerRun(100, func() { run(n) }) / n; each > 1.5 {
		t.Fatalf("a run allocates %v times", each)
	}
}

// BenchmarkRun is what a history adds to the run of a task, what its writer does included,
// but for the store's own work.
func BenchmarkRun(b *testing.B) {
	run := runner(b, encodingStore{})
	b.ReportAllocs()
	for b.Loop() {
		run(128)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/128, "ns/task")
}
