// Package memory is the reference provider: its queues live in the process and end with
// it. It implements the whole contract of package driver (leases with fencing, delays,
// priorities, ordered groups, unique keys, dead letters) and every optional interface, so
// that a program that works on it works the same on a broker. Use it in tests, in
// development, and for work that need not survive a restart.
//
// The path of a task through the package: enqueue.go admits it, item.go, slab.go and
// ids.go store it, time_queue.go, out_of_order.go and groups.go keep it in order,
// dequeue.go hands it out, settle.go settles it, dead.go redrives what died.
// queue_state.go ties it together: one lock, one timer.
package memory

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// An Option configures [New] and [NewResults].
type Option func(*options)

type options struct{ clock driver.Clock }

// WithClock sets the clock for delays, leases, unique windows and results. The default is
// [driver.SystemClock].
func WithClock(c driver.Clock) Option { return func(o *options) { o.clock = c } }

func configure(opts []Option) options {
	o := options{clock: driver.SystemClock}
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

// Provider keeps queues in memory. It is safe for concurrent use.
type Provider struct {
	clock driver.Clock
	// base is the zero of the provider's times. Times are kept as durations since base,
	// on the monotonic clock where there is one: a step of the wall clock ends no
	// lease.
	base time.Time

	mu     sync.Mutex
	stores map[string]*queueState
	open   map[*queue]struct{}
	closed bool
}

// New returns a provider without queues.
func New(opts ...Option) *Provider {
	o := configure(opts)
	return &Provider{
		clock: o.clock, base: o.clock.Now(),
		stores: make(map[string]*queueState), open: make(map[*queue]struct{}),
	}
}

// Name is "memory".
func (p *Provider) Name() string { return "memory" }

// maxLevels bounds the levels of a priority queue: the search for the highest one with
// work checks each.
const maxLevels = 1000

// Open creates the queue that cfg describes and its dead letter queue, or returns
// another handle of the existing queue, with the same tasks. The name of a dead letter
// queue opens it as a queue of type standard, once a queue that names it is open.
//
// Errors wrap ErrInvalidQueue (cfg contradicts itself), ErrUnsupported (more than 1000
// levels), ErrQueueMismatch (the queue exists with another type, number of levels or dead
// letter queue) or ErrClosed.
func (p *Provider) Open(ctx context.Context, cfg driver.QueueConfig) (driver.Queue, error) {
	cfg, err := cfg.WithDefaults()
	if err != nil {
		return nil, err
	}
	if cfg.Levels > maxLevels {
		return nil, fmt.Errorf("queue %q: %w: the memory provider has at most %d levels, not %d", cfg.Name, driver.ErrUnsupported, maxLevels, cfg.Levels)
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("queue %q: %w", cfg.Name, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, driver.QueueClosed(cfg.Name)
	}
	s, err := p.queueStateFor(cfg)
	if err != nil {
		return nil, err
	}
	if s.dead == nil {
		if err := cfg.AsDead(); err != nil {
			return nil, err
		}
		cfg.DLQ = "" // a dead letter queue has no dead letter queue
	}
	q := &queue{queueState: s, provider: p, cfg: cfg}
	p.open[q] = struct{}{}
	return q, nil
}

// queueStateFor finds or makes the queueState of a queue.
func (p *Provider) queueStateFor(cfg driver.QueueConfig) (*queueState, error) {
	mismatch := func(format string, args ...any) (*queueState, error) {
		return nil, fmt.Errorf("queue %q: %w: "+format, append([]any{cfg.Name, driver.ErrQueueMismatch}, args...)...)
	}
	s, there := p.stores[cfg.Name]
	switch {
	case !there:
	case s.kind != cfg.Type:
		return mismatch("it is of type %s, not %s", s.kind, cfg.Type)
	case len(s.lines) != cfg.Levels:
		return mismatch("it has %d levels, not %d", len(s.lines), cfg.Levels)
	case s.dead != nil && s.dead.name != cfg.DLQ:
		return mismatch("its dead letter queue is %q, not %q", s.dead.name, cfg.DLQ)
	default:
		return s, nil
	}
	dead, there := p.stores[cfg.DLQ]
	if there && dead.dead != nil {
		return mismatch("its dead letter queue %q is an ordinary queue with one of its own", cfg.DLQ)
	}
	if !there {
		dead = newQueueState(p, cfg.DLQ, driver.Standard, 1, nil)
		p.stores[cfg.DLQ] = dead
	}
	s = newQueueState(p, cfg.Name, cfg.Type, cfg.Levels, dead)
	p.stores[cfg.Name] = s
	return s, nil
}

// Close closes all queues and drops their tasks. A second call does nothing.
func (p *Provider) Close() error {
	p.mu.Lock()
	queues := p.open
	p.open, p.closed = nil, true
	stores := p.stores
	p.stores = nil
	p.mu.Unlock()
	for q := range queues {
		q.closeHandle()
	}
	for _, s := range stores {
		s.stop()
	}
	return nil
}
