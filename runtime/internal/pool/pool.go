package pool

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
	"sync/atomic"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/observe"
)

// A Config is a PoolConfig of package runtime, which documents the fields.
type Config struct {
	Name    string
	Workers int
	Queues  []Share
	Types   []string
	Strict  bool
	Grace   time.Duration
	Results driver.ResultStore
	Logger  *slog.Logger
}

// A Share is a pool's share of one queue: a PoolQueue of package runtime.
type Share struct {
	Name        string
	Weight      int
	Concurrency int
	Rate        Rate
}

// A Host is what a pool needs of the manager whose queues it works on.
type Host struct {
	Clock driver.Clock
	// Queues are the names of the open queues, in their order.
	Queues func() []string
	// Queue is an open queue, by its name, and as the listeners see it.
	Queue func(name string) (driver.Queue, *observe.Queue, error)
	// Types are the types that the declarations of a queue list.
	Types func(queue string) []string
	// Listener is told what the pool does; nil: nobody listens.
	Listener *observe.Listener
	// Keeps receives the types whose results are kept in the pool's store.
	Keeps func(in driver.ResultStore, types []string)
	// Buries receives what calls the hooks for dead tasks of a router that has some. What it
	// received of the router before no longer counts.
	Buries func(of *Router, call Burial)
	// Seals says that tasks are enqueued with sealed payloads: see driver.Sealer.
	Seals bool
}

// Defaults of a PoolConfig.
const (
	DefaultWorkers = 10
	DefaultGrace   = 30 * time.Second
)

// A Pool runs the tasks of queues through the handlers of a router. See Pool of package
// runtime.
type Pool struct {
	host   Host
	cfg    Config
	queues []driver.Queue   // in the order of cfg.Queues
	seen   []*observe.Queue // the same as listeners see them
	router *Router

	quiet atomic.Bool // nothing is to be fetched; see Quiet

	mu      sync.Mutex
	routing *routing // the router as it was when the pool was made or last started
	run     *run     // the running one, or the last one until it is over

	// What the pool remembers of tasks from one run to the next.
	excused excuses
	unknown recall[taskKey, time.Time] // since when a task is of an unknown type, if its queue does not keep that; guarded by the run's mu
}

// New returns a pool that runs the tasks of a host's queues through r.
func New(host Host, r *Router, cfg Config) (*Pool, error) {
	if cfg.Workers == 0 {
		cfg.Workers = DefaultWorkers
	}
	if cfg.Grace == 0 {
		cfg.Grace = DefaultGrace
	}
	if cfg.Name == "" {
		host, _ := os.Hostname() // without one the process's ID must do
		cfg.Name = host + "-" + strconv.Itoa(os.Getpid())
	}
	if len(cfg.Queues) == 0 {
		for _, name := range host.Queues() {
			cfg.Queues = append(cfg.Queues, Share{Name: name})
		}
	}
	p := &Pool{
		host: host, cfg: cfg, router: r,
		excused: excuses{recall: recall[taskKey, int]{most: mostExcused}},
		unknown: recall[taskKey, time.Time]{most: mostUnknown},
	}
	routing, wrong := p.route()
	var errs []error
	if cfg.Workers < 0 || cfg.Grace < 0 {
		errs = append(errs, fmt.Errorf("taskgen: a pool cannot have %d workers and a grace of %s", cfg.Workers, cfg.Grace))
	}
	if len(cfg.Queues) == 0 {
		errs = append(errs, fmt.Errorf("%w: the manager has no open queue for a pool to work on", driver.ErrUnknownQueue))
	}
	seen := make(map[string]bool, len(cfg.Queues))
	for _, pq := range cfg.Queues {
		q, as, err := host.Queue(pq.Name)
		errs = append(errs, err, pq.validate(cfg.Strict))
		if seen[pq.Name] {
			errs = append(errs, fmt.Errorf("taskgen: the pool lists queue %q twice", pq.Name))
		}
		seen[pq.Name] = true
		p.queues, p.seen = append(p.queues, q), append(p.seen, as)
	}
	if err := errors.Join(append(errs, wrong)...); err != nil {
		return nil, fmt.Errorf("new pool: %w", err)
	}
	p.adoptLocked(routing)
	return p, nil
}

// route returns the router as it is now, and all mistakes in it for this pool.
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

// adoptLocked makes the pool use x. New calls it before anybody else has the pool.
func (p *Pool) adoptLocked(x *routing) {
	x.wrap()
	p.routing = x
	p.host.Keeps(p.cfg.Results, x.withResults())
	if len(x.onDead) > 0 {
		p.host.Buries(p.router, x.bury)
	}
}

// rerouteLocked takes what was registered since the pool was made or last started.
// Queues may have been declared with more types, too.
func (p *Pool) rerouteLocked() error {
	if !p.router.changed(p.routing) {
		return p.checkTypes(p.routing)
	}
	x, err := p.route()
	if err == nil {
		p.adoptLocked(x)
	}
	return err
}

// checkTypes refuses a router that lacks handlers for the pool's work.
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
		return fmt.Errorf("%w: the router has no handler for %s: register them (RegisterHandlers of a generated package registers all of its types), or list in PoolConfig.Types the types that this pool is for", driver.ErrUnknownType, strings.Join(missing, ", "))
	case len(x.routes) == 0:
		return errors.New("taskgen: the router has no handlers: every task would die; register them before NewPool, as RegisterHandlers of a generated package does")
	}
	return nil
}

// unhandled lists the types that the pool's queues declare and that have no handler:
// "welcome" of queue "mail".
func (p *Pool) unhandled(x *routing) (types []string) {
	for _, q := range p.cfg.Queues {
		for _, name := range p.host.Types(q.Name) {
			if x.routes[name] == nil {
				types = append(types, fmt.Sprintf("%q of queue %q", name, q.Name))
			}
		}
	}
	return types
}

func (q Share) validate(strict bool) error {
	switch {
	case q.Weight < 0 || q.Concurrency < 0:
		return fmt.Errorf("taskgen: queue %q in the pool has a negative weight or concurrency", q.Name)
	case strict && q.Weight != 0:
		return fmt.Errorf("taskgen: queue %q has the weight %d, but the pool is strict: it goes by the order of its queues", q.Name, q.Weight)
	}
	return q.Rate.validate("queue", q.Name)
}

// Start begins to work and returns at once.
func (p *Pool) Start(ctx context.Context) error {
	_, err := p.begin(ctx, true)
	return err
}

// begin starts a run, with fetchers or without.
func (p *Pool) begin(ctx context.Context, fetch bool) (*run, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("start the pool: %w", context.Cause(ctx))
		}
		p.mu.Lock()
		last := p.run
		if last == nil || last.isOver() {
			defer p.mu.Unlock()
			if err := p.rerouteLocked(); err != nil {
				return nil, fmt.Errorf("start the pool: %w", err)
			}
			p.router.started(p.routing, p.cfg.Logger)
			p.run = newRun(ctx, p)
			p.run.tellStarted()
			p.run.logStart()
			p.run.warnOfTypes()
			if fetch {
				p.run.fetch()
			} else {
				p.run.startDrain()
			}
			return p.run, nil
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

// Stop ends the work, and waits for the end until ctx ends.
func (p *Pool) Stop(ctx context.Context) error {
	p.mu.Lock()
	s := p.run
	p.mu.Unlock()
	if s == nil {
		return nil
	}
	return s.stop(ctx, p.cfg.Grace)
}

// stuckAfter is how long after the grace Run waits for handlers that ignore their
// context, and for acks to a broker that is away. docs/workers.md documents it.
const stuckAfter = 10 * time.Second

// Run works until ctx ends, then stops.
func (p *Pool) Run(ctx context.Context) error {
	if err := p.Start(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // stopped before it began
		}
		return err
	}
	<-ctx.Done()
	patience := p.cfg.Grace + min(stuckAfter, math.MaxInt64-p.cfg.Grace) // a grace without end has no room for more
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	return p.Stop(stopping)
}
