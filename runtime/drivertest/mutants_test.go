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

// everything is all that the reference queue implements.
type everything interface {
	driver.Queue
	driver.Browser
	driver.Canceller
	driver.Rescheduler
	driver.Purger
	driver.Pauser
	driver.Redriver
	driver.Discarder
}

// A faulty queue breaks its promises where one of its hooks is set. A hook is
// given what the queue does rightly.
type faulty struct {
	everything
	fault
}

type fault struct {
	declare    func(p runtime.Provider, ctx context.Context, cfg runtime.QueueConfig) (driver.Queue, error)
	enqueue    func(q everything, ctx context.Context, ts []*runtime.Task) ([]runtime.Enqueued, error)
	dequeue    func(q everything, ctx context.Context, limit int, lease time.Duration) ([]*driver.Delivery, error)
	complete   func(q everything, ctx context.Context, ds []*driver.Delivery) error
	extend     func(q everything, ctx context.Context, ds []*driver.Delivery, lease time.Duration) error
	release    func(q everything, ctx context.Context, ds []*driver.Delivery) error
	deadLetter func(q everything, ctx context.Context, ds []*driver.Delivery) error
	redrive    func(q everything, ctx context.Context, ids []string) ([]string, error)
	deaths     func(q everything, ctx context.Context, deaths []driver.Death, payloads [][]byte) ([]driver.Death, error)
	discard    func(q everything, ctx context.Context, deaths []driver.Death) ([]driver.Death, error)
	cancel     func(q everything, ctx context.Context, ids []string) ([]string, error)
	purge      func(q everything, ctx context.Context) (int, error)
	pause      func(q everything, ctx context.Context) error
	stats      func(q everything, s driver.Stats) driver.Stats
	can        func(c driver.Capabilities) driver.Capabilities
	close      func(q everything) error
}

func (q *faulty) Enqueue(ctx context.Context, ts []*runtime.Task) ([]runtime.Enqueued, error) {
	if q.enqueue != nil {
		return q.enqueue(q.everything, ctx, ts)
	}
	return q.everything.Enqueue(ctx, ts)
}

func (q *faulty) Dequeue(ctx context.Context, limit int, lease time.Duration) ([]*driver.Delivery, error) {
	if q.dequeue != nil {
		return q.dequeue(q.everything, ctx, limit, lease)
	}
	return q.everything.Dequeue(ctx, limit, lease)
}

func (q *faulty) Complete(ctx context.Context, ds []*driver.Delivery) error {
	if q.complete != nil {
		return q.complete(q.everything, ctx, ds)
	}
	return q.everything.Complete(ctx, ds)
}

func (q *faulty) Extend(ctx context.Context, ds []*driver.Delivery, lease time.Duration) error {
	if q.extend != nil {
		return q.extend(q.everything, ctx, ds, lease)
	}
	return q.everything.Extend(ctx, ds, lease)
}

func (q *faulty) Release(ctx context.Context, ds []*driver.Delivery) error {
	if q.release != nil {
		return q.release(q.everything, ctx, ds)
	}
	return q.everything.Release(ctx, ds)
}

func (q *faulty) DeadLetter(ctx context.Context, ds []*driver.Delivery) error {
	if q.deadLetter != nil {
		return q.deadLetter(q.everything, ctx, ds)
	}
	return q.everything.DeadLetter(ctx, ds)
}

func (q *faulty) Redrive(ctx context.Context, ids []string) ([]string, error) {
	if q.redrive != nil {
		return q.redrive(q.everything, ctx, ids)
	}
	return q.everything.Redrive(ctx, ids)
}

func (q *faulty) RedriveDeaths(ctx context.Context, deaths []driver.Death, payloads [][]byte) ([]driver.Death, error) {
	if q.deaths != nil {
		return q.deaths(q.everything, ctx, deaths, payloads)
	}
	return q.everything.RedriveDeaths(ctx, deaths, payloads)
}

func (q *faulty) DiscardDeaths(ctx context.Context, deaths []driver.Death) ([]driver.Death, error) {
	if q.discard != nil {
		return q.discard(q.everything, ctx, deaths)
	}
	return q.everything.DiscardDeaths(ctx, deaths)
}

func (q *faulty) Cancel(ctx context.Context, ids []string) ([]string, error) {
	if q.cancel != nil {
		return q.cancel(q.everything, ctx, ids)
	}
	return q.everything.Cancel(ctx, ids)
}

func (q *faulty) Purge(ctx context.Context) (int, error) {
	if q.purge != nil {
		return q.purge(q.everything, ctx)
	}
	return q.everything.Purge(ctx)
}

func (q *faulty) Pause(ctx context.Context) error {
	if q.pause != nil {
		return q.pause(q.everything, ctx)
	}
	return q.everything.Pause(ctx)
}

func (q *faulty) Stats(ctx context.Context) (driver.Stats, error) {
	s, err := q.everything.Stats(ctx)
	if q.stats != nil {
		s = q.stats(q.everything, s)
	}
	return s, err
}

func (q *faulty) Capabilities() driver.Capabilities {
	c := q.everything.Capabilities()
	if q.can != nil {
		c = q.can(c)
	}
	return c
}

func (q *faulty) Close() error {
	if q.close != nil {
		return q.close(q.everything)
	}
	return q.everything.Close()
}

// faultyProvider opens faulty queues.
type faultyProvider struct {
	runtime.Provider
	fault fault

	mu     sync.Mutex
	queues []everything
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
	p.queues = append(p.queues, q.(everything))
	return &faulty{q.(everything), p.fault}, nil
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

// findings runs the tests of one law on a harness until one fails, and returns
// its name and what it said.
func findings(tb testing.TB, h *Harness, law Law, patience time.Duration) (test, said string) {
	sound := memoryHarness()
	missing := sound.lacks(tb)
	for _, c := range clauses() {
		if _, _, left := c.unfilled(missing); left || c.law != law {
			continue
		}
		r := recorder.Run(tb, func(tb testing.TB) { c.run(newWorld(tb, h, c, patience)) })
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
			test, said := findings(t, faultyHarness(m.fault), m.law, 500*time.Millisecond)
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
			test, said := findings(t, faultyHarness(fault{}), law, patient)
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
		for _, c := range clauses() {
			has[c.law] = has[c.law] || c.name == m.test
		}
	}
	for _, c := range clauses() {
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
