package fleet_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/fleet"
	"github.com/taskgen/taskgen/runtime/fleet/fleetstore"
	"github.com/taskgen/taskgen/runtime/observe"
)

// A nullStore keeps nothing.
type nullStore struct{ fleet.Store }

func (nullStore) Heartbeat(context.Context, *fleet.Worker, int64, time.Duration) ([]fleetstore.Order, error) {
	return nil, nil
}
func (nullStore) Leave(context.Context, string) error { return nil }

// deaf is a pool that does nothing that it is told.
type deaf struct{ observe.Orders }

func (deaf) IsQuiet() bool { return false }

// runner makes a worker, and a function that runs one of ten tasks on it.
func runner(tb testing.TB) (run func(i int)) {
	l := fleet.New(nullStore{}, fleet.Config{}).Listener()
	q := &observe.Queue{Name: "q"}
	p := &observe.Pool{Name: "worker", Queues: []*observe.Queue{{Name: "p"}, q}, Orders: deaf{}}
	l.PoolStarted(p)
	tb.Cleanup(func() { l.PoolStopped(p) })
	runs := make([]observe.Run, 10)
	for i := range runs {
		runs[i] = observe.Run{Queue: q, Pool: p, Type: "t", Task: &driver.Task{ID: fmt.Sprint("01890a5d-ac96-774b-bcce-b302099a80", i)}, Attempt: 1, Began: time.Now()}
	}
	ctx := context.Background()
	return func(i int) {
		r := &runs[i%len(runs)]
		l.RunEnd(l.RunStart(ctx, r), r)
	}
}

func TestARunCostsNoAllocation(t *testing.T) {
	run := runner(t)
	run(0)
	if n := testing.AllocsPerRun(1000, func() { run(1) }); n != 0 {
		t.Fatalf("a run allocates %v times", n)
	}
}

// BenchmarkRun is what a worker of a fleet adds to the run of a task.
func BenchmarkRun(b *testing.B) {
	run := runner(b)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		run(i)
	}
}
