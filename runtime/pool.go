package runtime

import (
	"context"
	"log/slog"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/internal/pool"
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
	DefaultWorkers = pool.DefaultWorkers
	DefaultGrace   = pool.DefaultGrace
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
type Pool struct{ p *pool.Pool }

// NewPool returns a pool that runs the tasks of m's queues through r. It fails
// on a router with mistakes or without handlers, on declared types that have no
// handler (the error wraps ErrUnknownType), on queues that m does not have open,
// and on limits that contradict themselves; the error lists all that is wrong.
//
// The pool works by the router as it is when it is started. What is registered while it
// runs is an error of the router's, and the pool's from its next start on.
func NewPool(m *Manager, r *Router, cfg PoolConfig) (*Pool, error) {
	shares := make([]pool.Share, len(cfg.Queues))
	for i, q := range cfg.Queues {
		shares[i] = pool.Share(q)
	}
	host := pool.Host{Clock: m.clock, Queues: m.Queues, Queue: m.Queue, Types: m.types, Keeps: m.lives.pools}
	p, err := pool.New(host, r.r, pool.Config{
		Name: cfg.Name, Workers: cfg.Workers, Queues: shares, Types: cfg.Types,
		Strict: cfg.Strict, Grace: cfg.Grace, Results: cfg.Results, Logger: cfg.Logger,
	})
	if err != nil {
		return nil, err
	}
	return &Pool{p}, nil
}

// Start begins to work and returns at once. The values of ctx reach the
// handlers; its end does not stop the pool. It waits while an earlier Stop is
// under way, and fails when the pool is running already, and as NewPool does by what was
// registered with its router, or declared by its queues, since then.
func (p *Pool) Start(ctx context.Context) error { return p.p.Start(ctx) }

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
func (p *Pool) Stop(ctx context.Context) error { return p.p.Stop(ctx) }

// Run works until ctx ends, then stops as [Pool.Stop] does and returns nil. It
// returns 10 s after the grace at the latest: handlers that are still running then
// make it return an error that names them, and so do runs that could not be settled
// with their queue.
func (p *Pool) Run(ctx context.Context) error { return p.p.Run(ctx) }

// Drain runs what is due now, through the same path as a running pool, and
// what becomes due meanwhile, until nothing is ready. It returns how many runs of
// handlers there were. Tasks that are retried later are left for later. With one
// worker tasks run in the order the queue hands them out.
//
// On queues whose numbers may trail (see Capabilities.ExactReady) it takes a second or
// some longer: so long it looks for tasks before it believes that there are none. So it
// does where a queue counts tasks that are ready and does not hand them out, because it is
// paused, say, or another worker holds what goes before them: about three seconds, and the
// log says how many are left.
//
// It stops early when ctx ends, which cancels the handlers and gives the rest
// back, or when a queue cannot be reached. It fails while the pool runs.
func (p *Pool) Drain(ctx context.Context) (runs int, err error) { return p.p.Drain(ctx) }
