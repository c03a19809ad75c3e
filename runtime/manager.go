package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/observe"
)

// A Manager holds the open queues. Every task reaches its queue through it. It is safe
// for use by many goroutines. A program has one, with the queues of all its providers,
// in processes that only enqueue as in those with a [Pool]. At the end stop the pool
// first, then close the manager, then the providers.
type Manager struct {
	cfg      ManagerConfig
	clock    driver.Clock
	chain    Enqueuer          // validation, middleware, dispatch
	listener *observe.Listener // all listeners; nil: there is none
	// in the order in which they seal
	sealers      []driver.Sealer
	resultStores resultStores
	tellers      tellers
	deadHooks    deadHooks

	mu       sync.RWMutex
	queues   map[string]*openQueue
	topology topology // as declared
	order    []string // names in the order of opening
	closed   bool

	opening chan struct{} // capacity 1: full during an Open
}

// ManagerConfig configures a Manager. The zero value is ready to use.
type ManagerConfig struct {
	// Middleware wraps every enqueue; the first is the outermost.
	Middleware []EnqueueMiddleware
	// Sealers keep payloads from anyone who can read a store of jobs; the first seals
	// first. Nil: the Enqueuers of Middleware that are Sealers, such as that of
	// KeyRing.Enqueue. Name the key ring here if a function of your own wraps its
	// Enqueue: the manager cannot look into that function.
	Sealers []driver.Sealer
	// MaxPayload bounds the bytes of one payload as it travels, after any compression
	// and encryption. 0: the limit of the queue's provider.
	MaxPayload int
	// Linger is how long an enqueue may wait for others to share its round trip, on
	// queues whose provider does not gather enqueues itself. 0: a lone enqueue does not
	// wait; enqueues that arrive during a round trip go out together when it ends, or
	// after 10 ms.
	Linger time.Duration
	// Results is where the outcomes of tasks are kept, for processes that have no pool
	// with PoolConfig.Results. When a task is enqueued with an ID that was used before,
	// the manager has the earlier outcome forgotten, which costs a round trip to the
	// store for each Enqueue of tasks with IDs. Lookup reads the store, too. A store that
	// is no ResultKeeper is not consulted. Nil: the manager knows the stores of its pools
	// and, for redrives and Lookup, of its providers. Name KeyRing.Results here if
	// results are encrypted, so that Lookup returns them in clear.
	Results Results
	// Clock stamps new tasks and times the linger. Nil: SystemClock.
	Clock driver.Clock
	// Listeners receive the events of the manager, its pools and the workers that have its
	// tasks by package server: metrics, traces and the like. By default there are none, which
	// costs nothing.
	Listeners []*observe.Listener
}

// NewManager returns a manager without queues.
func NewManager(cfg ManagerConfig) *Manager {
	m := &Manager{cfg: cfg, clock: cfg.Clock, queues: make(map[string]*openQueue), topology: make(topology), opening: make(chan struct{}, 1)}
	if m.clock == nil {
		m.clock = driver.SystemClock
	}
	m.listener = observe.Join(cfg.Listeners...)
	m.resultStores.addConfigured(cfg.Results)
	found := []driver.Sealer{}
	m.chain = m.through(EnqueuerFunc(m.dispatch), func(e Enqueuer) {
		if s, ok := e.(driver.Sealer); ok {
			found = append(found, s)
		}
	})
	slices.Reverse(found) // the chain is built from its end
	if m.sealers = cfg.Sealers; m.sealers == nil {
		m.sealers = found
	}
	return m
}

// Open opens queues of a provider: it creates or verifies each, and from then on the
// manager routes tasks to it by name. If one fails, the error names it, and the queues
// opened by this call are closed again. A Visibility above the queue's
// Capabilities.MaxLease is ErrUnsupported.
//
// Packages may share a queue: a queue that is declared again, in this call or a later
// one, is opened once, and has the Types of all its declarations. They must agree in
// everything else, defaults included, and be for the same provider; else the error
// wraps driver.ErrQueueMismatch and shows the differences. A queue for tasks that is also
// the dead letter queue of another is driver.ErrQueueMismatch, too.
func (m *Manager) Open(ctx context.Context, p Provider, configs ...QueueConfig) error {
	// One at a time: a provider may create the queue, and may hand out the same queue
	// twice. One call must not close it while the other uses it.
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
		opened = append(opened, m.wrap(p, q))
		if most := q.Capabilities().MaxLease; most != driver.Unlimited && q.Config().Visibility > most {
			return undo(fmt.Errorf("open queue %q on %s: %w: a visibility of %s, and the longest lease is %s", cfg.Name, p.Name(), ErrUnsupported, q.Config().Visibility, most))
		}
	}
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return undo(fmt.Errorf("open queues: %w", ErrClosed))
	}
	for i, q := range opened {
		m.queues[fresh[i].Name] = q
		m.order = append(m.order, fresh[i].Name)
	}
	m.topology = all
	m.resultStores.addProvider(p)
	m.mu.Unlock()
	m.tellOpened(opened)
	return nil
}

// Queue returns an open queue by name, or an error wrapping ErrUnknownQueue that lists
// the open ones. A queue's abilities beyond the contract are methods of small
// interfaces: assert it to [driver.Browser], [driver.Redriver], [driver.Pauser] and the
// like. Tasks enqueued on it directly skip the manager's validation and middleware.
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
	return m.openNamed(name)
}

// openNamed returns an open queue. m.mu is held.
func (m *Manager) openNamed(name string) (*openQueue, error) {
	if q := m.queues[name]; q != nil {
		return q, nil
	}
	if m.closed {
		return nil, fmt.Errorf("queue %q: %w", name, ErrClosed)
	}
	return nil, fmt.Errorf("%w %q: open are %q", ErrUnknownQueue, name, m.order)
}

// Queues returns the names of the open queues, in the order of opening.
func (m *Manager) Queues() []string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return slices.Clone(m.order)
}

// Declared returns how an open queue is declared, and the name of its provider. The
// configuration has its defaults, and the Types of all its declarations. The error wraps
// ErrUnknownQueue.
func (m *Manager) Declared(queue string) (cfg QueueConfig, provider string, err error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if _, err := m.openNamed(queue); err != nil {
		return QueueConfig{}, "", err
	}
	d := m.topology[queue]
	d.cfg.Types = slices.Clone(d.cfg.Types)
	return d.cfg, d.provider.Name(), nil
}

// types returns the types that the declarations of an open queue list.
func (m *Manager) types(queue string) []string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.topology[queue].cfg.Types
}

// Now is the time on the manager's clock.
func (m *Manager) Now() time.Time { return m.clock.Now() }

// Enqueue enqueues tasks on the queues they name. It writes ID and CreatedAt into tasks
// that have none (so that a failed call can be repeated with the same IDs), validates,
// passes the middleware and hands over to the queues' providers, one batch for each
// queue. The answers are in the order of the tasks. If some fail, the error is a
// *BatchError, and the others are enqueued.
//
// When a task comes with an ID that was used before, the outcome of the earlier task is
// forgotten: Await waits for the new one. See ManagerConfig.Results for the stores that
// the manager knows.
//
// Calls of many goroutines may share a round trip to the broker. No caller's context
// can end it alone, and it does not carry the values of their contexts. If ctx ends
// during the round trip, the error wraps ctx.Err() and says that the tasks may have
// been enqueued: they may be enqueued again, but must not be changed.
func (m *Manager) Enqueue(ctx context.Context, tasks []*Task) ([]Enqueued, error) {
	return m.resultStores.enqueue(ctx, m.chain, tasks)
}

// Through returns an enqueuer with the manager's validation and middleware that ends in
// to instead of the manager's queues: for a provider's transaction.
func (m *Manager) Through(to Enqueuer) Enqueuer { return m.through(to, func(Enqueuer) {}) }

// through passes each Enqueuer that the middleware makes to show, the innermost first.
func (m *Manager) through(to Enqueuer, show func(Enqueuer)) Enqueuer {
	if len(m.cfg.Middleware) > 0 || m.cfg.MaxPayload > 0 {
		to = &finalCheck{m.cfg, to}
	}
	for _, mw := range slices.Backward(m.cfg.Middleware) {
		to = mw(to)
		show(to)
	}
	return &admission{m: m, next: to}
}

// Close closes the manager's queues, not their providers. Enqueues that still wait to
// be sent fail with ErrClosed; round trips that callers share are ended and waited for.
// A second call does nothing.
func (m *Manager) Close() error {
	m.mu.Lock()
	queues, order := m.queues, m.order
	m.closed, m.queues, m.order = true, nil, nil
	m.mu.Unlock()
	var err error
	for _, name := range order {
		m.tellClosed(queues[name])
		err = errors.Join(err, queues[name].Close())
	}
	return err
}
