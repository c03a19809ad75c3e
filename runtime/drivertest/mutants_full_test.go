package drivertest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// A fullBackend is the reference provider on a backend that can be full.
type fullBackend struct {
	runtime.Provider
	full  *atomic.Bool
	fault fullBackendFault
}

// A crampedFault is what a provider does wrong on a full backend.
type fullBackendFault struct {
	fault
	open func() error
}

func (p *fullBackend) Open(ctx context.Context, cfg runtime.QueueConfig) (driver.Queue, error) {
	if p.full.Load() && p.fault.open != nil {
		return nil, p.fault.open()
	}
	q, err := p.Provider.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return &fullBackendQueue{referenceQueue: q.(referenceQueue), full: p.full, faultyQueue: &faultyQueue{q.(referenceQueue), p.fault.fault}}, nil
}

type fullBackendQueue struct {
	referenceQueue
	full        *atomic.Bool
	faultyQueue *faultyQueue
}

// now is the queue as it is on a backend that is full, or not.
func (q *fullBackendQueue) now() driver.Queue {
	if q.full.Load() {
		return q.faultyQueue
	}
	return q.referenceQueue
}

func (q *fullBackendQueue) Enqueue(ctx context.Context, ts []*runtime.Task) ([]runtime.Enqueued, error) {
	if q.full.Load() && q.faultyQueue.enqueue == nil {
		return noRoom(ts)
	}
	return q.now().Enqueue(ctx, ts)
}

func noRoom(ts []*runtime.Task) ([]runtime.Enqueued, error) {
	var failed runtime.BatchError
	for i, t := range ts {
		failed.Add(i, t.ID, fmt.Errorf("%w: no room", runtime.ErrQueueFull))
	}
	return make([]runtime.Enqueued, len(ts)), failed.OrNil()
}

func (q *fullBackendQueue) Dequeue(ctx context.Context, limit int, lease time.Duration) ([]*driver.Delivery, error) {
	return q.now().Dequeue(ctx, limit, lease)
}

func (q *fullBackendQueue) Complete(ctx context.Context, ds []*driver.Delivery) error {
	return q.now().Complete(ctx, ds)
}

func (q *fullBackendQueue) Extend(ctx context.Context, ds []*driver.Delivery, lease time.Duration) error {
	return q.now().Extend(ctx, ds, lease)
}

func (q *fullBackendQueue) Release(ctx context.Context, ds []*driver.Delivery) error {
	return q.now().Release(ctx, ds)
}

func (q *fullBackendQueue) DeadLetter(ctx context.Context, ds []*driver.Delivery) error {
	return q.now().DeadLetter(ctx, ds)
}

// fullBackendHarness is that of such providers with a fault.
func fullBackendHarness(f fullBackendFault) *Harness {
	h := memoryHarness()
	var full sync.Map // address → *atomic.Bool
	at := func(addr string) *atomic.Bool {
		b, _ := full.LoadOrStore(addr, new(atomic.Bool))
		return b.(*atomic.Bool)
	}
	open := h.Open
	h.Open = func(addr string, clock driver.Clock) (runtime.Provider, error) {
		p, err := open(addr, clock)
		return &fullBackend{p, at(addr), f}, err
	}
	h.Fill = func(_ testing.TB, addr string) func() {
		at(addr).Store(true)
		return func() { at(addr).Store(false) }
	}
	return &h
}

var errOutOfMemory = errors.New("out of memory")

// fullMutants are faults that show only on a backend that is full.
var fullMutants = []struct {
	name  string
	fault fullBackendFault
}{
	{"extends no lease", fullBackendFault{fault: fault{extend: func(referenceQueue, context.Context, []*driver.Delivery, time.Duration) error { return errOutOfMemory }}}},
	{"completes nothing", fullBackendFault{fault: fault{complete: func(referenceQueue, context.Context, []*driver.Delivery) error { return errOutOfMemory }}}},
	{"releases nothing", fullBackendFault{fault: fault{release: func(referenceQueue, context.Context, []*driver.Delivery) error { return errOutOfMemory }}}},
	{"buries nothing", fullBackendFault{fault: fault{deadLetter: func(referenceQueue, context.Context, []*driver.Delivery) error { return errOutOfMemory }}}},
	{"hands out nothing", fullBackendFault{fault: fault{dequeue: func(_ referenceQueue, ctx context.Context, _ int, _ time.Duration) ([]*driver.Delivery, error) {
		return nil, errOutOfMemory
	}}}},
	{"opens no queue", fullBackendFault{open: func() error { return errOutOfMemory }}},
	{"tells producers in its own words", fullBackendFault{fault: fault{enqueue: func(referenceQueue, context.Context, []*runtime.Task) ([]runtime.Enqueued, error) {
		return nil, errOutOfMemory
	}}}},
	{"takes tasks in and forgets them", fullBackendFault{fault: fault{enqueue: func(_ referenceQueue, _ context.Context, ts []*runtime.Task) ([]runtime.Enqueued, error) {
		return sent(ts), nil
	}}}},
	{"tells producers of their first task alone", fullBackendFault{fault: fault{enqueue: func(_ referenceQueue, _ context.Context, ts []*runtime.Task) ([]runtime.Enqueued, error) {
		_, err := noRoom(ts[:1])
		return sent(ts), err
	}}}},
	{"puts what it has refused on the queue", fullBackendFault{fault: fault{enqueue: func(q referenceQueue, ctx context.Context, ts []*runtime.Task) ([]runtime.Enqueued, error) {
		_, _ = q.Enqueue(ctx, ts)
		return noRoom(ts)
	}}}},
}

func TestAFullBackendFindsWhatItIsFor(t *testing.T) {
	t.Parallel()
	for _, m := range fullMutants {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			for _, c := range fullCases() {
				if runTestCase(t, fullBackendHarness(m.fault), c.name, 5*time.Second).Failed() {
					return
				}
			}
			assert.Fail(t, "not found", "a provider that %s on a full backend passes", m.name)
		})
	}
}

func TestAProviderOnAFullBackendKeepsTheLaws(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for networks and processes")
	}
	t.Parallel()
	runAllCases(t, fullBackendHarness(fullBackendFault{}), func(c testCase) bool { return c.law != DrainsInTrouble })
}

// TestAProviderThatTakesNoRetryOnAFullBackendSaysSo refuses what would need room.
func TestAProviderThatTakesNoRetryOnAFullBackendSaysSo(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for networks and processes")
	}
	refuses := func(move func(referenceQueue, context.Context, []*driver.Delivery) error, requires func(d *driver.Delivery) bool) func(referenceQueue, context.Context, []*driver.Delivery) error {
		return func(q referenceQueue, ctx context.Context, ds []*driver.Delivery) error {
			var be runtime.BatchError
			for i, d := range ds {
				if requires(d) {
					be.Add(i, d.Task.ID, runtime.ErrQueueFull)
				} else {
					be.Add(i, d.Task.ID, runtime.ErrorAt(move(q, ctx, ds[i:i+1]), 0))
				}
			}
			return be.OrNil()
		}
	}
	jamming := fault{
		release:    refuses(referenceQueue.Release, func(d *driver.Delivery) bool { return d.Delay > 0 || d.Task.RetryCount > 0 }),
		deadLetter: refuses(referenceQueue.DeadLetter, func(*driver.Delivery) bool { return true }),
	}
	for _, jams := range []bool{true, false} {
		t.Run(fmt.Sprint(jams), func(t *testing.T) {
			t.Parallel()
			h := fullBackendHarness(fullBackendFault{fault: jamming})
			h.Jams = jams
			patience := map[bool]time.Duration{true: defaultPatience, false: 5 * time.Second}[jams]
			found := false
			for _, c := range fullCases() {
				r := runTestCase(t, h, c.name, patience)
				found = found || r.Failed()
				assert.False(t, jams && r.Failed(), "%s: %s", c.name, r.Text())
			}
			assert.Equal(t, !jams, found)
		})
	}
}

func TestALargeBatchIsFoundAndASmallOneIsNot(t *testing.T) {
	t.Parallel()
	largely := func(f remoteFault) *Harness {
		h := remoteHarness(f)
		h.Large, h.maxBatch = 64<<10, 1<<20
		return h
	}
	for _, c := range slowCases() {
		r := runTestCase(t, largely(remoteFault{most: 4}), c.name, defaultPatience)
		assert.False(t, r.Failed(), r.Text())
	}
	const name = "a batch of large tasks is bounded by their size"
	assert.True(t, runTestCase(t, largely(remoteFault{}), name, defaultPatience).Failed(), "40 large tasks in one batch")
}
