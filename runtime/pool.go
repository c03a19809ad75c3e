package runtime

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// PoolConfig configures a Pool. The zero value works on all queues of the
// manager.
type PoolConfig struct {
	// Name of the worker in what a failed task remembers of its runs: "mailer-1".
	// White space and colons in it become hyphens, and what is beyond 64 bytes is
	// cut. Empty: the host's name and the process's ID, "web7-4711".
	Name string
	// Workers is how many handlers run at a time; DefaultWorkers when 0. Most
	// handlers wait for something, so the number of CPUs says little about it.
	Workers int
	// Queues that the pool works on. Empty: all that the manager has open when
	// the pool is made, each with weight 1 and without limits. The router must
	// have handlers for every type on them: NewPool refuses a router that lacks one of
	// the QueueConfig.Types of these queues, and tasks of a type that nobody has
	// declared are handed on to other workers for QueueConfig.Unknown, and then die.
	Queues []PoolQueue
	// Types are those that the pool is for, in place of all that its queues declare:
	// the router must have a handler for each of these, and need not have others.
	// It does not choose what is fetched: a task of another type that reaches the
	// pool is run where the router knows it, and else goes back to its queue for
	// another pool, uncharged and after 1 s to 1 min (see QueueConfig.Unknown). Where
	// the queue declares the type that goes on for ever, for somebody is expected to
	// have a handler. Pools that share a queue so delay each other's tasks: give types
	// with programs of their own queues of their own. The pool warns of the types that
	// it hands on when it starts. Empty: all.
	Types []string
	// Strict makes a worker take from the first queue, in the order of Queues,
	// that has a task ready. Else the queues share the workers by weight.
	Strict bool
	// Grace is how long handlers may go on once the pool is told to stop;
	// DefaultGrace when 0. Then their contexts end with the cause ErrStopping.
	Grace time.Duration
	// Results keeps what handlers return: Provider.Results of package sqlite or
	// redis, memory.NewResults, or one of your own. It is needed by types that have
	// a result, and asked for nothing else. Whoever awaits a result asks the same
	// store. Middleware may encode results before they are stored; see EncodeResult.
	Results driver.ResultStore
	// Logger hears of every start and stop of the pool (at level info), of runs that
	// fail (warn) or panic (error), of tasks that die (error), of trouble with the
	// queues, and at level debug of every other run. It is called by many
	// goroutines, and never given a payload. A burst of failures is not logged
	// one by one, but counted beyond some hundreds a second. Nil: slog.Default, as
	// it is when something is logged. slog.New(slog.DiscardHandler) is silent.
	Logger *slog.Logger
}

// A PoolQueue is a pool's share of one queue.
type PoolQueue struct {
	Name string
	// Weight is the queue's share of the workers while others have tasks too; 1
	// when 0. It has no meaning, and must be 0, in a strict pool.
	Weight int
	// Concurrency bounds how many of the queue's tasks this pool runs at a time.
	// A queue at its bound is not fetched from. 0: no bound but Workers.
	Concurrency int
	// Rate bounds how many of the queue's tasks this pool starts. Starts are
	// spread evenly; after a quiet time a tenth of Limit may start at once. Zero:
	// no bound.
	Rate Rate
}

// Defaults of a PoolConfig.
const (
	DefaultWorkers = 10
	DefaultGrace   = 30 * time.Second
)

// A Pool runs tasks: it leases them from queues in batches, has a router's
// handlers run them on a fixed number of workers, keeps the leases while they
// wait and run, and settles each with its queue by the handler's [Outcome]. It
// is safe for use by many goroutines, and may be started again once stopped.
//
// It tells the time of leases and retention by the manager's clock, which must
// be that of the providers; timeouts, rates and pauses by the machine's.
//
// A task is only ever run once at a time by a pool. A handler that ignores the
// end of its context keeps its worker until it returns.
type Pool struct {
	m      *Manager
	cfg    PoolConfig
	queues []driver.Queue // in the order of cfg.Queues
	router *Router

	mu      sync.Mutex
	routing *routing // the router as it was when the pool was made, or started last
	shift   *shift   // the running one, or the last one until it is over

	// What the pool remembers of tasks from one shift to the next.
	excused excuses
	unknown recall[taskKey, time.Time] // since when a task is of an unknown type, where its queue does not keep that; guarded by the shift's mu
}

// NewPool returns a pool that runs the tasks of m's queues through r. It fails
// on a router with mistakes or without handlers, on declared types that have no
// handler (the error wraps ErrUnknownType), on queues that m does not have open,
// and on limits that contradict themselves; the error lists all that is wrong.
//
// The pool works by the router as it is when it is started. What is registered while it
// runs is an error of the router's, and the pool's from its next start on.
func NewPool(m *Manager, r *Router, cfg PoolConfig) (*Pool, error) {
	if cfg.Workers == 0 {
		cfg.Workers = DefaultWorkers
	}
	if cfg.Grace == 0 {
		cfg.Grace = DefaultGrace
	}
	if cfg.Name == "" {
		host, _ := os.Hostname() // without one the process's ID has to do
		cfg.Name = host + "-" + strconv.Itoa(os.Getpid())
	}
	if len(cfg.Queues) == 0 {
		for _, name := range m.Queues() {
			cfg.Queues = append(cfg.Queues, PoolQueue{Name: name})
		}
	}
	p := &Pool{m: m, cfg: cfg, router: r}
	p.excused.most, p.unknown.most = mostExcused, mostUnknown
	routing, wrong := p.route()
	var errs []error
	if cfg.Workers < 0 || cfg.Grace < 0 {
		errs = append(errs, fmt.Errorf("taskgen: a pool cannot have %d workers and a grace of %s", cfg.Workers, cfg.Grace))
	}
	if len(cfg.Queues) == 0 {
		errs = append(errs, fmt.Errorf("%w: the manager has no open queue for a pool to work on", ErrUnknownQueue))
	}
	seen := make(map[string]bool, len(cfg.Queues))
	for _, pq := range cfg.Queues {
		q, err := m.Queue(pq.Name)
		errs = append(errs, err, pq.validate(cfg.Strict))
		if seen[pq.Name] {
			errs = append(errs, fmt.Errorf("taskgen: the pool lists queue %q twice", pq.Name))
		}
		seen[pq.Name] = true
		p.queues = append(p.queues, q)
	}
	if err := errors.Join(append(errs, wrong)...); err != nil {
		return nil, fmt.Errorf("new pool: %w", err)
	}
	p.adopt(routing)
	return p, nil
}

// route returns the router as it is now, and all that is wrong with it for this pool.
func (p *Pool) route() (*routing, error) {
	x, err := p.router.routing()
	errs := []error{err, p.checkTypes(x)}
	for _, rt := range x.routes {
		x.limits = x.limits || rt.policy.limited()
		errs = append(errs, rt.policy.validate())
		if rt.policy.Result && p.cfg.Results == nil {
			errs = append(errs, fmt.Errorf("taskgen: tasks of type %q have a result: give the pool a PoolConfig.Results to keep it in", rt.policy.Type))
		}
	}
	return x, errors.Join(errs...)
}

// adopt has the pool work by x.
func (p *Pool) adopt(x *routing) {
	x.wrap()
	p.routing = x
	p.m.lives.pools(p.cfg.Results, x)
}

// reroute takes what was registered since the pool was made or started last. Queues may
// have been declared with more types, too. p.mu is held.
func (p *Pool) reroute() error {
	if !p.router.changed(p.routing) {
		return p.checkTypes(p.routing)
	}
	x, err := p.route()
	if err == nil {
		p.adopt(x)
	}
	return err
}

// checkTypes refuses a router without handlers for what the pool is to work on.
func (p *Pool) checkTypes(x *routing) error {
	var missing []string
	for _, name := range p.cfg.Types {
		if x.routes[name] == nil {
			missing = append(missing, fmt.Sprintf("%q (of PoolConfig.Types)", name))
		}
	}
	if len(p.cfg.Types) == 0 {
		missing = p.unhandled(x)
	}
	switch {
	case len(missing) > 0:
		return fmt.Errorf("%w: the router has no handler for %s: register them (RegisterHandlers of a generated package registers all of its types), or list in PoolConfig.Types the types that this pool is for", ErrUnknownType, strings.Join(missing, ", "))
	case len(x.routes) == 0:
		return errors.New("taskgen: the router has no handlers: every task would die; register them before NewPool, as RegisterHandlers of a generated package does")
	}
	return nil
}

// unhandled lists the types that the pool's queues declare and that have no
// handler: "welcome" of queue "mail".
func (p *Pool) unhandled(x *routing) (types []string) {
	for _, q := range p.cfg.Queues {
		for _, name := range p.m.types(q.Name) {
			if x.routes[name] == nil {
				types = append(types, fmt.Sprintf("%q of queue %q", name, q.Name))
			}
		}
	}
	return types
}

func (q PoolQueue) validate(strict bool) error {
	switch {
	case q.Weight < 0 || q.Concurrency < 0:
		return fmt.Errorf("taskgen: queue %q in the pool has a negative weight or concurrency", q.Name)
	case strict && q.Weight != 0:
		return fmt.Errorf("taskgen: queue %q has the weight %d, but the pool is strict: it goes by the order of its queues", q.Name, q.Weight)
	}
	return q.Rate.validate("queue", q.Name)
}

func (p *Policy) limited() bool { return p.Concurrency > 0 || p.Rate != Rate{} }

func (p *Policy) validate() error {
	if p.Concurrency < 0 {
		return fmt.Errorf("taskgen: type %q has the concurrency %d", p.Type, p.Concurrency)
	}
	return p.Rate.validate("type", p.Type)
}

// Start begins to work and returns at once. The values of ctx reach the
// handlers; its end does not stop the pool. It waits while an earlier Stop is
// under way, and fails when the pool is running already, and as NewPool does by what was
// registered with its router, or declared by its queues, since then.
func (p *Pool) Start(ctx context.Context) error {
	_, err := p.begin(ctx, true)
	return err
}

// begin starts a shift, with fetchers or without.
func (p *Pool) begin(ctx context.Context, fetch bool) (*shift, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("start the pool: %w", context.Cause(ctx))
		}
		p.mu.Lock()
		last := p.shift
		if last == nil || last.isOver() {
			defer p.mu.Unlock()
			if err := p.reroute(); err != nil {
				return nil, fmt.Errorf("start the pool: %w", err)
			}
			p.router.started(p.routing, p.cfg.Logger)
			p.shift = newShift(ctx, p)
			p.shift.logStart()
			p.shift.warnOfTypes()
			if fetch {
				p.shift.fetch()
			}
			return p.shift, nil
		}
		p.mu.Unlock()
		if !last.isStopping() {
			return nil, errors.New("taskgen: the pool is running already")
		}
		select {
		case <-last.over:
		case <-ctx.Done():
		}
	}
}

// Stop ends the work in good order: nothing more is fetched, what has not begun
// goes back to its queue uncharged, handlers may finish within the grace and are
// then cancelled with the cause ErrStopping, and what they did is settled.
// Receives that cannot be cancelled without losing what they bring may come to their
// end within the grace as well. Nothing stays leased.
//
// Stop returns when all that is done. When ctx ends sooner it returns an error
// that names the tasks whose handlers are still running; stopping goes on
// without it, and may be waited for by another Stop. Stopping a pool that does
// not run does nothing.
func (p *Pool) Stop(ctx context.Context) error {
	p.mu.Lock()
	s := p.shift
	p.mu.Unlock()
	if s == nil {
		return nil
	}
	return s.stop(ctx, p.cfg.Grace)
}

// stuckAfter is how long after the grace Run waits for handlers that ignore
// their context, and for acks to a broker that is away. docs/workers.md tells of it.
const stuckAfter = 10 * time.Second

// Run works until ctx ends, then stops as [Pool.Stop] does and returns nil. It
// returns 10 s after the grace at the latest: handlers that are still running then
// make it return an error that names them, and so do runs that could not be settled
// with their queue.
func (p *Pool) Run(ctx context.Context) error {
	if err := p.Start(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // told to stop before it began
		}
		return err
	}
	<-ctx.Done()
	patience := p.cfg.Grace + min(stuckAfter, math.MaxInt64-p.cfg.Grace) // a grace without end has no room for more
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	return p.Stop(stopping)
}
