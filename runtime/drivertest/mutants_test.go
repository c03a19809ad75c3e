package drivertest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/internal/recorder"
)

// A referenceQueue is all that the reference queue implements.
type referenceQueue interface {
	driver.Queue
	driver.Browser
	driver.Canceller
	driver.Rescheduler
	driver.Purger
	driver.Pauser
	driver.Redriver
	driver.Discarder
	driver.Deleter
}

// A faultyQueue breaks its promises where one of its hooks is set. A hook is
// given what the queue does rightly.
type faultyQueue struct {
	referenceQueue
	fault
}

type fault struct {
	declare    func(p runtime.Provider, ctx context.Context, cfg runtime.QueueConfig) (driver.Queue, error)
	enqueue    func(q referenceQueue, ctx context.Context, ts []*runtime.Task) ([]runtime.Enqueued, error)
	dequeue    func(q referenceQueue, ctx context.Context, limit int, lease time.Duration) ([]*driver.Delivery, error)
	complete   func(q referenceQueue, ctx context.Context, ds []*driver.Delivery) error
	extend     func(q referenceQueue, ctx context.Context, ds []*driver.Delivery, lease time.Duration) error
	release    func(q referenceQueue, ctx context.Context, ds []*driver.Delivery) error
	deadLetter func(q referenceQueue, ctx context.Context, ds []*driver.Delivery) error
	redrive    func(q referenceQueue, ctx context.Context, ids []string) ([]string, error)
	deaths     func(q referenceQueue, ctx context.Context, deaths []driver.Death, edits []*driver.Edit) ([]driver.Death, error)
	discard    func(q referenceQueue, ctx context.Context, deaths []driver.Death) ([]driver.Death, error)
	cancel     func(q referenceQueue, ctx context.Context, ids []string) ([]string, error)
	purge      func(q referenceQueue, ctx context.Context) (int, error)
	pause      func(q referenceQueue, ctx context.Context, until time.Time) error
	delete     func(q referenceQueue, ctx context.Context) error
	browse     func(q referenceQueue, ctx context.Context, state driver.State, from string, limit int) ([]*runtime.Task, string, error)
	stats      func(q referenceQueue, s driver.Stats) driver.Stats
	caps       func(c driver.Capabilities) driver.Capabilities
	close      func(q referenceQueue) error
}

func (q *faultyQueue) Enqueue(ctx context.Context, ts []*runtime.Task) ([]runtime.Enqueued, error) {
	if q.enqueue != nil {
		return q.enqueue(q.referenceQueue, ctx, ts)
	}
	return q.referenceQueue.Enqueue(ctx, ts)
}

func (q *faultyQueue) Dequeue(ctx context.Context, limit int, lease time.Duration) ([]*driver.Delivery, error) {
	if q.dequeue != nil {
		return q.dequeue(q.referenceQueue, ctx, limit, lease)
	}
	return q.referenceQueue.Dequeue(ctx, limit, lease)
}

func (q *faultyQueue) Complete(ctx context.Context, ds []*driver.Delivery) error {
	if q.complete != nil {
		return q.complete(q.referenceQueue, ctx, ds)
	}
	return q.referenceQueue.Complete(ctx, ds)
}

func (q *faultyQueue) Extend(ctx context.Context, ds []*driver.Delivery, lease time.Duration) error {
	if q.extend != nil {
		return q.extend(q.referenceQueue, ctx, ds, lease)
	}
	return q.referenceQueue.Extend(ctx, ds, lease)
}

func (q *faultyQueue) Release(ctx context.Context, ds []*driver.Delivery) error {
	if q.release != nil {
		return q.release(q.referenceQueue, ctx, ds)
	}
	return q.referenceQueue.Release(ctx, ds)
}

func (q *faultyQueue) DeadLetter(ctx context.Context, ds []*driver.Delivery) error {
	if q.deadLetter != nil {
		return q.deadLetter(q.referenceQueue, ctx, ds)
	}
	return q.referenceQueue.DeadLetter(ctx, ds)
}

func (q *faultyQueue) Redrive(ctx context.Context, ids []string) ([]string, error) {
	if q.redrive != nil {
		return q.redrive(q.referenceQueue, ctx, ids)
	}
	return q.referenceQueue.Redrive(ctx, ids)
}

func (q *faultyQueue) RedriveDeaths(ctx context.Context, deaths []driver.Death, edits []*driver.Edit) ([]driver.Death, error) {
	if q.deaths != nil {
		return q.deaths(q.referenceQueue, ctx, deaths, edits)
	}
	return q.referenceQueue.RedriveDeaths(ctx, deaths, edits)
}

func (q *faultyQueue) DiscardDeaths(ctx context.Context, deaths []driver.Death) ([]driver.Death, error) {
	if q.discard != nil {
		return q.discard(q.referenceQueue, ctx, deaths)
	}
	return q.referenceQueue.DiscardDeaths(ctx, deaths)
}

func (q *faultyQueue) Cancel(ctx context.Context, ids []string) ([]string, error) {
	if q.cancel != nil {
		return q.cancel(q.referenceQueue, ctx, ids)
	}
	return q.referenceQueue.Cancel(ctx, ids)
}

func (q *faultyQueue) Purge(ctx context.Context) (int, error) {
	if q.purge != nil {
		return q.purge(q.referenceQueue, ctx)
	}
	return q.referenceQueue.Purge(ctx)
}

func (q *faultyQueue) Pause(ctx context.Context, until time.Time) error {
	if q.pause != nil {
		return q.pause(q.referenceQueue, ctx, until)
	}
	return q.referenceQueue.Pause(ctx, until)
}

func (q *faultyQueue) Delete(ctx context.Context) error {
	if q.delete != nil {
		return q.delete(q.referenceQueue, ctx)
	}
	return q.referenceQueue.Delete(ctx)
}

func (q *faultyQueue) Browse(ctx context.Context, state driver.State, from string, limit int) ([]*runtime.Task, string, error) {
	if q.browse != nil {
		return q.browse(q.referenceQueue, ctx, state, from, limit)
	}
	return q.referenceQueue.Browse(ctx, state, from, limit)
}

func (q *faultyQueue) Stats(ctx context.Context) (driver.Stats, error) {
	s, err := q.referenceQueue.Stats(ctx)
	if q.stats != nil {
		s = q.stats(q.referenceQueue, s)
	}
	return s, err
}

func (q *faultyQueue) Capabilities() driver.Capabilities {
	c := q.referenceQueue.Capabilities()
	if q.caps != nil {
		c = q.caps(c)
	}
	return c
}

func (q *faultyQueue) Close() error {
	if q.close != nil {
		return q.close(q.referenceQueue)
	}
	return q.referenceQueue.Close()
}

// faultyProvider opens faulty queues.
type faultyProvider struct {
	runtime.Provider
	fault fault

	mu     sync.Mutex
	queues []referenceQueue
}

func (p *faultyProvider) Open(ctx context.Context, cfg runtime.QueueConfig) (driver.Queue, error) {
	open := p.Provider.Open
	if p.fault.declare != nil {
		open = func(ctx context.Context, cfg runtime.QueueConfig) (driver.Queue, error) {
			return p.fault.declare(p.Provider, ctx, cfg)
		}
	}
	q, err := open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queues = append(p.queues, q.(referenceQueue))
	return &faultyQueue{q.(referenceQueue), p.fault}, nil
}

func (p *faultyProvider) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, q := range p.queues {
		if p.fault.close != nil {
			_ = p.fault.close(q)
		}
	}
	return p.Provider.Close()
}

// faultyHarness is the reference provider with a fault.
func faultyHarness(f fault) *Harness {
	h := memoryHarness()
	open := h.Open
	h.Open = func(addr string, clock driver.Clock) (runtime.Provider, error) {
		p, err := open(addr, clock)
		return &faultyProvider{Provider: p, fault: f}, err
	}
	return &h
}

// firstFailure runs the tests of one law on a harness until one fails, and returns
// its name and what it said.
func firstFailure(tb testing.TB, h *Harness, law Law, patience time.Duration) (test, said string) {
	sound := memoryHarness()
	missing := sound.missingRequirements(tb)
	for _, c := range testCases() {
		if _, _, left := c.firstMissing(missing); left || c.law != law {
			continue
		}
		r := recorder.Run(tb, func(tb testing.TB) { c.run(newEnv(tb, h, c, patience)) })
		if r.Failed() {
			return c.name, r.Text()
		}
	}
	return "", ""
}

// TestEachLawFailsForAProviderThatBreaksIt proves that the tests can fail.
func TestEachLawFailsForAProviderThatBreaksIt(t *testing.T) {
	t.Parallel()
	for _, m := range mutants {
		t.Run(m.law.String()+"/"+m.name, func(t *testing.T) {
			t.Parallel()
			test, said := firstFailure(t, faultyHarness(m.fault), m.law, 500*time.Millisecond)
			require.NotEmpty(t, test, "a provider that %s passes %s", m.name, m.law)
			assert.NotEmpty(t, said)
			t.Logf("found by %q: %s", test, said)
		})
	}
}

// TestNoLawFailsForAFaultyHarnessWithoutAFault shows that it is the faults which
// are found, not the wrapper.
func TestNoLawFailsForAFaultyHarnessWithoutAFault(t *testing.T) {
	t.Parallel()
	for law := Contract; int(law) < len(lawTexts); law++ {
		t.Run(law.String(), func(t *testing.T) {
			t.Parallel()
			test, said := firstFailure(t, faultyHarness(fault{}), law, defaultPatience)
			assert.Empty(t, test, said)
		})
	}
}

func TestEachLawHasAMutant(t *testing.T) {
	has := make(map[Law]bool)
	for _, m := range mutants {
		has[m.law] = true
	}
	for _, m := range networkMutants {
		for _, c := range testCases() {
			has[c.law] = has[c.law] || c.name == m.test
		}
	}
	for _, c := range testCases() {
		assert.True(t, has[c.law], "%s", c.law)
	}
}

// lost drops what a lease error says, as a provider without fencing does.
func lost(err error) error {
	if errors.Is(err, runtime.ErrLeaseLost) {
		return nil
	}
	return err
}
