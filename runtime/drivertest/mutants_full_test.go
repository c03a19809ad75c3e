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

// A cramped provider is the reference provider on a backend that can be full.
type cramped struct {
	runtime.Provider
	full  *atomic.Bool
	fault crampedFault
}

// A crampedFault is what a provider does wrong on a full backend.
type crampedFault struct {
	fault
	open func() error
}

func (p *cramped) Open(ctx context.Context, cfg runtime.QueueConfig) (driver.Queue, error) {
	if p.full.Load() && p.fault.open != nil {
		return nil, p.fault.open()
	}
	q, err := p.Provider.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return &crampedQueue{everything: q.(everything), full: p.full, faulty: &faulty{q.(everything), p.fault.fault}}, nil
}

type crampedQueue struct {
	everything
	full   *atomic.Bool
	faulty *faulty
}

// now is the queue as it is on a backend that is full, or not.
func (q *crampedQueue) now() driver.Queue {
	if q.full.Load() {
		return q.faulty
	}
	return q.everything
}

func (q *crampedQueue) Enqueue(ctx context.Context, ts []*runtime.Task) ([]runtime.Enqueued, error) {
	if q.full.Load() && q.faulty.enqueue == nil {
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

func (q *crampedQueue) Dequeue(ctx context.Context, limit int, lease time.Duration) ([]*driver.Delivery, error) {
	return q.now().Dequeue(ctx, limit, lease)
}

func (q *crampedQueue) Complete(ctx context.Context, ds []*driver.Delivery) error {
	return q.now().Complete(ctx, ds)
}

func (q *crampedQueue) Extend(ctx context.Context, ds []*driver.Delivery, lease time.Duration) error {
	return q.now().Extend(ctx, ds, lease)
}

func (q *crampedQueue) Release(ctx context.Context, ds []*driver.Delivery) error {
	return q.now().Release(ctx, ds)
}

func (q *crampedQueue) DeadLetter(ctx context.Context, ds []*driver.Delivery) error {
	return q.now().DeadLetter(ctx, ds)
}

// crampedHarness is that of cramped providers with a fault.
func crampedHarness(f crampedFault) *Harness {
	h := memoryHarness()
	var full sync.Map // address → *atomic.Bool
	at := func(addr string) *atomic.Bool {
		b, _ := full.LoadOrStore(addr, new(atomic.Bool))
		return b.(*atomic.Bool)
	}
	open := h.Open
	h.Open = func(addr string, clock driver.Clock) (runtime.Provider, error) {
		p, err := open(addr, clock)
		return &cramped{p, at(addr), f}, err
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
	fault crampedFault
}{
	{"extends no lease", crampedFault{fault: fault{extend: func(everything, context.Context, []*driver.Delivery, time.Duration) error { return errOutOfMemory }}}},
	{"completes nothing", crampedFault{fault: fault{complete: func(everything, context.Context, []*driver.Delivery) error { return errOutOfMemory }}}},
	{"releases nothing", crampedFault{fault: fault{release: func(everything, context.Context, []*driver.Delivery) error { return errOutOfMemory }}}},
	{"buries nothing", crampedFault{fault: fault{deadLetter: func(everything, context.Context, []*driver.Delivery) error { return errOutOfMemory }}}},
	{"hands out nothing", crampedFault{fault: fault{dequeue: func(_ everything, ctx context.Context, _ int, _ time.Duration) ([]*driver.Delivery, error) {
		return nil, errOutOfMemory
	}}}},
	{"opens no queue", crampedFault{open: func() error { return errOutOfMemory }}},
	{"tells producers in its own words", crampedFault{fault: fault{enqueue: func(everything, context.Context, []*runtime.Task) ([]runtime.Enqueued, error) {
		return nil, errOutOfMemory
	}}}},
	{"takes tasks in and forgets them", crampedFault{fault: fault{enqueue: func(_ everything, _ context.Context, ts []*runtime.Task) ([]runtime.Enqueued, error) {
		return sent(ts), nil
	}}}},
	{"tells producers of their first task alone", crampedFault{fault: fault{enqueue: func(_ everything, _ context.Context, ts []*runtime.Task) ([]runtime.Enqueued, error) {
		_, err := noRoom(ts[:1])
		return sent(ts), err
	}}}},
	{"puts what it has refused on the queue", crampedFault{fault: fault{enqueue: func(q everything, ctx context.Context, ts []*runtime.Task) ([]runtime.Enqueued, error) {
		_, _ = q.Enqueue(ctx, ts)
		return noRoom(ts)
	}}}},
}

func TestAFullBackendFindsWhatItIsFor(t *testing.T) {
	t.Parallel()
	for _, m := range fullMutants {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			for _, c := range fullClauses() {
				if runClause(t, crampedHarness(m.fault), c.name, 5*time.Second).Failed() {
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
	failures(t, crampedHarness(crampedFault{}), func(c clause) bool { return c.law != DrainsInTrouble })
}

// TestAProviderThatTakesNoRetryOnAFullBackendSaysSo refuses what would need room.
func TestAProviderThatTakesNoRetryOnAFullBackendSaysSo(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for networks and processes")
	}
	refuses := func(move func(everything, context.Context, []*driver.Delivery) error, needs func(d *driver.Delivery) bool) func(everything, context.Context, []*driver.Delivery) error {
		return func(q everything, ctx context.Context, ds []*driver.Delivery) error {
			var be runtime.BatchError
			for i, d := range ds {
				if needs(d) {
					be.Add(i, d.Task.ID, runtime.ErrQueueFull)
				} else {
					be.Add(i, d.Task.ID, runtime.ErrorAt(move(q, ctx, ds[i:i+1]), 0))
				}
			}
			return be.OrNil()
		}
	}
	jamming := fault{
		release:    refuses(everything.Release, func(d *driver.Delivery) bool { return d.Delay > 0 || d.Task.RetryCount > 0 }),
		deadLetter: refuses(everything.DeadLetter, func(*driver.Delivery) bool { return true }),
	}
	for _, jams := range []bool{true, false} {
		t.Run(fmt.Sprint(jams), func(t *testing.T) {
			t.Parallel()
			h := crampedHarness(crampedFault{fault: jamming})
			h.Jams = jams
			patience := map[bool]time.Duration{true: patient, false: 5 * time.Second}[jams]
			found := false
			for _, c := range fullClauses() {
				r := runClause(t, h, c.name, patience)
				found = found || r.Failed()
				assert.False(t, jams && r.Failed(), "%s: %s", c.name, r.Text())
			}
			assert.Equal(t, !jams, found)
		})
	}
}

func TestALargeBatchIsFoundAndASmallOneIsNot(t *testing.T) {
	t.Parallel()
	largely := func(f farFault) *Harness {
		h := farHarness(f)
		h.Large, h.maxBatch = 64<<10, 1<<20
		return h
	}
	for _, c := range slowClauses() {
		r := runClause(t, largely(farFault{most: 4}), c.name, patient)
		assert.False(t, r.Failed(), r.Text())
	}
	const name = "a batch of large tasks is bounded by their size"
	assert.True(t, runClause(t, largely(farFault{}), name, patient).Failed(), "40 large tasks in one batch")
}
