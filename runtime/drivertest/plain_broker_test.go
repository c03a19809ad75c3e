package drivertest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/internal/recorder"
)

// ofType is the reference provider as a harness of one type of queue.
func ofType(kind driver.QueueType) *Harness {
	h := memoryHarness()
	h.Type = kind
	return &h
}

// runAllCases runs every test whose requirements a harness meets, but those that skip
// chooses.
func runAllCases(t *testing.T, h *Harness, skip func(c testCase) bool) {
	missing := h.missingRequirements(t)
	processLimiter.addSuite()
	t.Cleanup(processLimiter.removeSuite)
	tr := &caseRunner{h, &processLimiter.wakeups}
	for _, c := range testCases() {
		if _, _, left := c.firstMissing(missing); left || skip != nil && skip(c) {
			continue
		}
		t.Run(c.law.String()+"/"+c.name, func(t *testing.T) {
			t.Parallel()
			tr.run(t, c)
		})
	}
}

func TestEveryLawIsHeldByQueuesOfEachType(t *testing.T) {
	t.Parallel()
	for _, kind := range []driver.QueueType{driver.Standard, runtime.FIFO, runtime.Priority} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			runAllCases(t, ofType(kind), nil)
		})
	}
}

func TestAHarnessOfOneTypeLeavesTheOthersToOtherHarnesses(t *testing.T) {
	for kind, want := range map[driver.QueueType][2]bool{
		"": {false, false}, driver.Standard: {true, true}, runtime.FIFO: {false, true}, runtime.Priority: {true, false},
	} {
		h := ofType(kind)
		missing := h.missingRequirements(t)
		for i, n := range []requirement{ordering, levels} {
			_, left := missing[n]
			assert.Equal(t, want[i], left, "%q: %s", kind, n)
			assert.Equal(t, want[i], h.mayLack(n), "%q: %s", kind, n)
		}
	}
}

// plainBroker is the reference provider with the abilities of a plain broker: what it
// says it cannot do it does not do either.
func plainBroker() *Harness {
	var enqueued sync.Map // by *runtime.Task of a delivery: the task as it is on the queue
	h := faultyHarness(fault{
		caps: func(c driver.Capabilities) driver.Capabilities {
			return driver.Capabilities{
				MaxLease: driver.Unlimited, MaxPayload: driver.Unlimited, MaxBatch: 10, Priorities: c.Priorities, Ordered: c.Ordered,
				Granularity: c.Granularity, Unmetered: c.Unmetered, Lateness: c.Lateness, FairGroups: true, ExactCrashes: true, CountsExpired: true,
				Redrive: c.Redrive, Discard: c.Discard, // a queue's and not its dead letter queue's
				Browse: c.Browse, Cancel: c.Cancel, Reschedule: c.Reschedule, Purge: c.Purge, Pause: c.Pause, Delete: c.Delete,
			}
		},
		stats: func(_ referenceQueue, s driver.Stats) driver.Stats { return driver.Stats{Ready: s.Ready, Dead: s.Dead} },
		dequeue: func(q referenceQueue, ctx context.Context, limit int, lease time.Duration) ([]*driver.Delivery, error) {
			ds, err := q.Dequeue(ctx, min(limit, 10), lease)
			for _, d := range ds {
				enqueued.Store(d.Task, d.Task.Clone())
				d.Task.RetryCount, d.Crashes = d.Task.RetryCount+d.Crashes, 0
			}
			return ds, err
		},
		release: func(q referenceQueue, ctx context.Context, ds []*driver.Delivery) error {
			unchanged := make([]*driver.Delivery, len(ds))
			for i, d := range ds {
				c := *d
				if t, ok := enqueued.Load(d.Task); ok {
					c.Task = t.(*runtime.Task).Clone()
					c.Task.RetryCount++
				}
				unchanged[i] = &c
			}
			return q.Release(ctx, unchanged)
		},
	})
	h.Name = "modest"
	return h
}

// TestNothingIsAskedThatAQueueSaysItCannotDo holds the requirements of the tests against
// a provider that fills next to none.
func TestNothingIsAskedThatAQueueSaysItCannotDo(t *testing.T) {
	t.Parallel()
	runAllCases(t, plainBroker(), nil)
}

// inexactCounts is the reference provider with counts that trail by a call, and polls that miss
// what is there where they wait for less than a second.
func inexactCounts(says bool) *Harness {
	var mu sync.Mutex
	var last driver.Stats
	h := faultyHarness(fault{
		caps: func(c driver.Capabilities) driver.Capabilities {
			c.ExactReady = says
			return c
		},
		stats: func(_ referenceQueue, s driver.Stats) driver.Stats {
			mu.Lock()
			defer mu.Unlock()
			last, s = s, last
			return s
		},
		dequeue: func(q referenceQueue, ctx context.Context, limit int, lease time.Duration) ([]*driver.Delivery, error) {
			if end, ok := ctx.Deadline(); ok && time.Until(end) < time.Second {
				<-ctx.Done()
				return nil, fmt.Errorf("%w: a short look", driver.ErrNoTasks)
			}
			return q.Dequeue(ctx, limit, lease)
		},
	})
	return h
}

// TestADrainBelievesNoVagueCounts shows that the pool does with such a provider what
// the law wants, and that one which does not say what it is does not pass for exact.
func TestADrainBelievesNoVagueCounts(t *testing.T) {
	t.Parallel()
	for _, c := range testCases() {
		if c.law != StatsTellTheTruth || c.name != "a drain runs all ready tasks, even if the counts lag" {
			continue
		}
		r := recorder.Run(t, func(tb testing.TB) { c.run(newEnv(tb, inexactCounts(false), c, defaultPatience)) })
		assert.False(t, r.Failed(), r.Text())
		r = recorder.Run(t, func(tb testing.TB) { c.run(newEnv(tb, inexactCounts(true), c, defaultPatience)) })
		assert.True(t, r.Failed(), "vague counts pass for exact ones")
		return
	}
	t.Fatal("there is no such clause")
}
