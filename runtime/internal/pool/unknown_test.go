package pool

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

func TestATaskOfAnUnknownTypeWaitsForAWorkerThatKnowsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		b.handle(noop)
		old := b.pool(Config{})
		b.start(old)
		b.putTask(&driver.Task{ID: "a", Type: "new", MaxRetries: 1})
		pass(9 * time.Minute)
		assert.Empty(t, b.q().buried())
		assert.InDelta(t, 14, b.q().calls("release"), 4, "delays grow from 1 s to 1 min")
		b.stop(old)

		var runs sheet[string]
		b.r.Handle(Policy{Type: "new"}, HandlerFunc(func(ctx context.Context, task *driver.Task) error {
			info, _ := TaskFromContext(ctx)
			runs.add(fmt.Sprint(task.ID, " attempt ", info.Attempt, " ", task.Metadata[driver.MetaUnknown]))
			return nil
		}))
		now := b.pool(Config{})
		b.start(now)
		pass(90 * time.Second)
		b.stop(now)
		assert.Equal(t, []string{"a attempt 1 "}, runs.all())
		assert.Equal(t, []string{"a"}, b.q().completed())
	})
}

func TestATaskOfAnUnknownTypeDiesOnceThePatienceIsOver(t *testing.T) {
	for name, forgets := range map[string]bool{"a queue that keeps released tasks": false, "one that does not": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newPoolBench(t, driver.QueueConfig{Name: "q", Unknown: 5 * time.Minute})
				b.q().charge, b.q().forgets = forgets, forgets
				b.handle(noop)
				p := b.pool(Config{})
				b.start(p)
				b.putTask(&driver.Task{ID: "a", Type: "nobody's", CreatedAt: time.Now().Add(-time.Hour)})
				pass(5*time.Minute - time.Second)
				assert.Empty(t, b.q().buried(), "patience is counted from when the task was met, not from when it was due")
				pass(2 * time.Second)
				require.Len(t, b.q().buried(), 1)
				dead := b.q().buried()[0]
				assert.Contains(t, dead.Metadata[driver.MetaFailureReason], `unknown task type "nobody's": no handler is registered for it, and no worker that has one took it within 5m0s`)
				assert.Equal(t, "0", dead.Metadata[driver.MetaAttempts])

				driver.ClearDeath(dead, "q-dlq")
				b.putTask(dead)
				pass(4 * time.Minute)
				assert.Len(t, b.q().buried(), 1, "a redriven task begins anew")
				b.stop(p)
			})
		})
	}
}

func TestUnknownTasksNeitherSpinNorKeepOthersBackNorFloodTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		b.handle(noop)
		b.q().trip = time.Millisecond
		for i := range 300 {
			b.putTask(&driver.Task{ID: fmt.Sprint("u", i), Type: "new"})
		}
		b.put("known")
		p := b.pool(Config{Workers: 10})
		b.start(p)
		pass(5 * time.Second)
		assert.Equal(t, []string{"known"}, b.q().completed())
		before := b.q().calls("dequeue")
		pass(3 * time.Minute)
		assert.InDelta(t, 4, b.log.count("WARN no handler for a type"), 1, "once a minute")
		assert.Less(t, b.q().calls("dequeue")-before, 300*10, "each task comes back some times, ever more seldom")
		b.stop(p)
		assert.Empty(t, b.q().buried())
	})
}

func TestAPoolForSomeTypesHandsTheOthersOnForAsLongAsItTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t, driver.QueueConfig{Name: "q", Types: []string{"job", "report"}, Unknown: driver.BuryUnknown})
		b.handle(noop)
		p := b.pool(Config{Types: []string{"job"}})
		b.start(p)
		b.putTask(&driver.Task{ID: "report", Type: "report"})
		b.putTask(&driver.Task{ID: "undeclared", Type: "nobody's"})
		b.put("job")
		pass(time.Hour)
		assert.Equal(t, []string{"job"}, b.q().completed())
		assert.Equal(t, driver.Stats{Scheduled: 1, Dead: 1}, b.stats("q"))
		b.stop(p)
	})
}

func TestWhoeverAwaitsATaskOfAnUnknownTypeIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t, driver.QueueConfig{Name: "q", Unknown: driver.BuryUnknown})
		b.handle(noop)
		results := new(heldResults)
		p := b.pool(Config{Results: results})
		b.start(p)
		b.putTask(&driver.Task{ID: "a", Type: "new"})
		pass(time.Second)
		b.stop(p)
		require.Len(t, results.failures.all(), 1)
		assert.Contains(t, results.failures.all()[0], "unknown task type")
	})
}

// heldResults notes the failures that it is given.
type heldResults struct {
	driver.ResultStore
	failures sheet[string]
}

func (r *heldResults) PutResult(_ context.Context, _ string, _ []byte, failure string, _ time.Duration) error {
	r.failures.add(failure)
	return nil
}
