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

// runner makes a history, and a function that runs, settles and writes so many tasks. There
// is no pool, so that no other goroutine writes.
func runner(store Store) (run func(tasks int)) {
	h := New(store, Config{Logger: slog.New(slog.DiscardHandler)})
	l := h.Listener()
	q := &observe.Queue{Name: "q"}
	p := &observe.Pool{Name: "worker", Queues: []*observe.Queue{q}}
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
		_ = h.write(ctx)
	}
}

func TestARunCostsOneAllocation(t *testing.T) {
	const n = 1024
	run := runner(encodingStore{})
	run(n)
	// The copy of the ID; and what a batch needs.
	if each := testing.AllocsPerRun(100, func() { run(n) }) / n; each > 1.1 {
		t.Fatalf("a run allocates %v times", each)
	}
}

// BenchmarkRun is what a history adds to the run of a task, what its writer does included,
// but for the store's own work.
func BenchmarkRun(b *testing.B) {
	const n = 1024
	run := runner(encodingStore{})
	b.ReportAllocs()
	for b.Loop() {
		run(n)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/task")
}
