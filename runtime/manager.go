package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A Manager holds the open queues and is the one way by which tasks get onto
// them. It is safe for use by many goroutines. A program has one, with the queues
// of all its providers, in processes that only enqueue as in those with a [Pool].
// At the end stop the pool first, then close the manager, then the providers.
type Manager struct {
	cfg   ManagerConfig
	clock driver.Clock
	entry Enqueuer // validation, middleware, dispatch
	// sealers, the first to seal first.
	sealers []Sealer
	lives   lives
	tellers tellers

	mu       sync.RWMutex
	queues   map[string]*openQueue
	topology topology // as they are declared
	order    []string // names in the order they were opened
	closed   bool

	opening chan struct{} // capacity 1: holds something while an Open is under way
}

// ManagerConfig configures a Manager. The zero value is ready to use.
type ManagerConfig struct {
	// Middleware wraps every enqueue; the first is the outermost.
	Middleware []EnqueueMiddleware
	// Sealers keep payloads from those who can read a store of jobs; the first seals
	// first. Nil: those of the Enqueuers of Middleware that are Sealers, as the one of
	// KeyRing.Enqueue is. Name the key ring here where your own function stands around
	// its Enqueue: nobody can look into that.
	Sealers []Sealer
	// MaxPayload bounds the bytes of one payload, as it travels: compressed and
	// encrypted, where it is. 0: what the queue's provider takes.
	MaxPayload int
	// Linger is how long an enqueue may wait for others to share its round trip
	// with, on queues whose provider does not gather enqueues itself. 0: an
	// enqueue that is alone waits for nobody; those that arrive while a round trip
	// is under way go out together when it is over, or after 10 ms.
	Linger time.Duration
	// Results is where the outcomes of tasks are kept, for processes that have no pool
	// with PoolConfig.Results: where a task is enqueued with an ID that one had before,
	// the manager has the outcome of that one forgotten, which costs a round trip to
	// the store for each Enqueue of tasks that come with an ID. Lookup looks there. A
	// store that is no ResultKeeper is not asked. Nil: the manager knows those of its
	// pools and, for redrives and Lookup, of its providers. Where results are encrypted
	// name KeyRing.Results here, so that Lookup returns them in clear.
	Results Results
	// Clock stamps new tasks and times the linger. Nil: SystemClock.
	Clock driver.Clock
}

// An openQueue is a queue with what the manager needs to know to enqueue on it.
type openQueue struct {
	driver.Queue
	can        driver.Capabilities
	maxPayload int       // bytes that the provider takes; 0: no limit
	gather     *gatherer // nil where the provider gathers enqueues itself
}

// NewManager returns a manager without queues.
func NewManager(cfg ManagerConfig) *Manager {
	m := &Manager{cfg: cfg, clock: cfg.Clock, queues: make(map[string]*openQueue), topology: make(topology), opening: make(chan struct{}, 1)}
	if m.clock == nil {
		m.clock = driver.SystemClock
	}
	m.lives.give(cfg.Results)
	found := []Sealer{}
	m.entry = m.through(EnqueuerFunc(m.dispatch), func(e Enqueuer) {
		if s, ok := e.(Sealer); ok {
			found = append(found, s)
		}
	})
	slices.Reverse(found) // the chain is built from its end
	if m.sealers = cfg.Sealers; m.sealers == nil {
		m.sealers = found
	}
	return m
}

// Open opens queues of a provider: it creates or verifies each, and from then
// on the manager routes tasks to it by name. Where one fails the error names
// it, and those opened by this call are closed again. A Visibility above the
// queue's Capabilities.MaxLease is ErrUnsupported.
//
// Packages may share a queue: one that is declared again, in this call or a later
// one, is opened once, and has the Types of all its declarations. They must agree
// in everything else, defaults included, and be for the same provider; else the
// error wraps ErrQueueMismatch and shows where they differ. It does so too where a
// queue for tasks is another's dead letter queue.
func (m *Manager) Open(ctx context.Context, p Provider, configs ...QueueConfig) error {
	// One at a time: a provider may create what it opens, and may hand out one and
	// the same queue twice, which must then not be closed in the one place while it
	// is in use in the other.
	select {
	case m.opening <- struct{}{}:
		defer func() { <-m.opening }()
	case <-ctx.Done():
		return fmt.Errorf("open queues: %w", context.Cause(ctx))
	}
	m.mu.RLock()
	all, fresh, err := m.topology.with(p, configs)
	if m.closed {
		err = fmt.Errorf("open queues: %w", ErrClosed)
	}
	m.mu.RUnlock()
	if err != nil {
		return err
	}
	opened := make([]*openQueue, 0, len(fresh))
	undo := func(err error) error {
		for _, q := range opened {
			err = errors.Join(err, q.Close())
		}
		return err
	}
	for _, cfg := range fresh {
		q, err := p.Open(ctx, cfg)
		if err != nil {
			return undo(fmt.Errorf("open queue %q on %s: %w", cfg.Name, p.Name(), err))
		}
		if r, ok := q.(driver.Reviver); ok {
			r.OnRedrive(m.Revive)
		}
		opened = append(opened, m.wrap(q))
		if most := q.Capabilities().MaxLease; most > 0 && q.Config().Visibility > most {
			return undo(fmt.Errorf("open queue %q on %s: %w: a visibility of %s, and the longest lease is %s", cfg.Name, p.Name(), ErrUnsupported, q.Config().Visibility, most))
		}
	}
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return undo(fmt.Errorf("open queues: %w", ErrClosed))
	}
	defer m.mu.Unlock()
	for i, q := range opened {
		m.queues[fresh[i].Name] = q
		m.order = append(m.order, fresh[i].Name)
	}
	m.topology = all
	m.lives.keeps(p)
	return nil
}

func (m *Manager) wrap(q driver.Queue) *openQueue {
	can := q.Capabilities()
	o := &openQueue{Queue: q, can: can, maxPayload: max(can.MaxPayload, 0)}
	if !can.GathersEnqueues {
		o.gather = newGatherer(q, m.cfg.Linger, m.clock)
	}
	return o
}

// Enqueue gathers, where the provider does not.
func (q *openQueue) Enqueue(ctx context.Context, tasks []*Task) ([]Enqueued, error) {
	if q.gather != nil {
		return q.gather.enqueue(ctx, tasks)
	}
	return enqueueOn(ctx, q.Queue, tasks)
}

// Close closes the queue and waits for what it has gathered.
func (q *openQueue) Close() error {
	if q.gather != nil {
		return q.gather.close()
	}
	return q.Queue.Close()
}

// Queue returns an open queue by name, or an error wrapping ErrUnknownQueue
// that lists the open ones. What a queue can do beyond the contract, it has as
// methods of small interfaces: assert it to [driver.Browser], [driver.Redriver], [driver.Pauser] and the
// like. Tasks that are enqueued on it directly pass neither the manager's
// validation nor its middleware.
func (m *Manager) Queue(name string) (driver.Queue, error) {
	q, err := m.queue(name)
	if err != nil {
		return nil, err
	}
	return q.Queue, nil
}

func (m *Manager) queue(name string) (*openQueue, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if q := m.queues[name]; q != nil {
		return q, nil
	}
	if m.closed {
		return nil, fmt.Errorf("queue %q: %w", name, ErrClosed)
	}
	return nil, fmt.Errorf("%w %q: open are %q", ErrUnknownQueue, name, m.order)
}

// Queues returns the names of the open queues, in the order they were opened.
func (m *Manager) Queues() []string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return slices.Clone(m.order)
}

// types are those that the declarations of an open queue list.
func (m *Manager) types(queue string) []string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.topology[queue].cfg.Types
}

// Now is the time on the manager's clock.
func (m *Manager) Now() time.Time { return m.clock.Now() }

// Enqueue enqueues tasks on the queues they name. It writes ID and CreatedAt into
// tasks that have none (so that a failed call can be repeated with the same
// IDs), validates, passes the middleware and hands over to the queues'
// providers, one batch for each queue. The answers stand in the order of the
// tasks; where some fail the error is a *BatchError, and the others are
// enqueued.
//
// Where a task comes with an ID that one had before, what became of that one is
// forgotten: Await waits for the new one. See ManagerConfig.Results for the stores that
// the manager knows of.
//
// Calls of many goroutines may share a round trip to the broker, which no
// caller's context can end alone, and which does not carry their contexts'
// values. Where ctx ends while that is under way, the error wraps ctx.Err() and
// says that the tasks may have been enqueued: these may be enqueued again, but
// must not be changed.
func (m *Manager) Enqueue(ctx context.Context, tasks []*Task) ([]Enqueued, error) {
	return m.lives.enqueue(ctx, m.entry, tasks)
}

// Through returns an enqueuer that takes the manager's path, validation and
// middleware, and ends in to instead of the manager's queues: for a provider's
// transaction.
func (m *Manager) Through(to Enqueuer) Enqueuer { return m.through(to, func(Enqueuer) {}) }

// through shows each Enqueuer that the middleware makes, the innermost first.
func (m *Manager) through(to Enqueuer, show func(Enqueuer)) Enqueuer {
	if len(m.cfg.Middleware) > 0 || m.cfg.MaxPayload > 0 {
		to = &exit{m.cfg, to}
	}
	for _, mw := range slices.Backward(m.cfg.Middleware) {
		to = mw(to)
		show(to)
	}
	return &entry{m: m, next: to}
}

// Close closes the manager's queues, not their providers. Enqueues that wait for
// others fail with ErrClosed; round trips that callers share are ended and waited
// for. A second call does nothing.
func (m *Manager) Close() error {
	m.mu.Lock()
	queues, order := m.queues, m.order
	m.closed, m.queues, m.order = true, nil, nil
	m.mu.Unlock()
	var err error
	for _, name := range order {
		err = errors.Join(err, queues[name].Close())
	}
	return err
}
