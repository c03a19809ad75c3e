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
	// Name of the worker in the record that a failed task keeps of its runs:
	// "mailer-1". White space and colons in it become hyphens, and everything beyond 64
	// bytes is cut. Empty: the host's name and the process's ID, "web7-4711".
	Name string
	// Workers is how many handlers run at a time; 10 when 0. Most
	// handlers wait for something, so the number of CPUs says little about it.
	Workers int
	// Queues that the pool works on. Empty: all that the manager has open when the pool
	// is made, each with weight 1 and without limits. The router must have handlers for
	// every type on them: NewPool refuses a router that lacks one of the
	// QueueConfig.Types of these queues. Tasks of a type that no queue declares are
	// handed on to other workers for QueueConfig.Unknown, and then die.
	Queues []PoolQueue
	// Types are the types that the pool is for, instead of all that its queues declare:
	// the router must have a handler for each of these, and need not have others. Types
	// does not select what is fetched: a task of another type that reaches the pool is
	// run if the router knows it. Else it goes back to its queue for another pool,
	// uncharged and after 1 s to 1 min (see QueueConfig.Unknown). If the queue declares
	// the type, this repeats forever, because another pool is expected to have a handler.
	// Pools that share a queue in this way delay each other's tasks: give the types of
	// another program a queue of their own. The pool warns of the types that it hands on
	// when it starts. Empty: all.
	Types []string
	// Strict makes a worker take from the first queue, in the order of Queues, that has
	// a task ready. Else the queues share the workers by weight.
	Strict bool
	// Grace is how long handlers may continue after the pool begins to stop; 30 s when 0.
	// Then their contexts end with the cause ErrStopping.
	Grace time.Duration
	// Results keeps what handlers return: Provider.Results of package sqlite or redis,
	// memory.NewResults, or one of your own. Types that have a result need it; it is
	// used for nothing else. Programs that await a result ask the same store.
	// Middleware may encode results before they are stored; see EncodeResult.
	Results driver.ResultStore
	// Logger receives every start and stop of the pool (at level info), runs that fail
	// (warn) or panic (error), tasks that die (error), errors of the queues, and at
	// level debug every other run. It is called by many goroutines, and never with a
	// payload. Failures beyond some hundreds a second are counted instead of logged one
	// by one. Nil: slog.Default, as it is at the time of each record.
	// slog.New(slog.DiscardHandler) is silent.
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

// A Pool runs tasks: it leases them from queues in batches, has a router's handlers run
// them on a fixed number of workers, keeps the leases of waiting and running tasks, and
// settles each with its queue by the handler's [Outcome]. It is safe for use by many
// goroutines, and may be started again once stopped.
//
// It measures leases and retention by the manager's clock, which must be that of the
// providers; timeouts, rates and pauses by the machine's.
//
// A pool runs a task only once at a time. A handler that ignores the end of its context
// keeps its worker until it returns.
type Pool struct{ p *pool.Pool }

// NewPool returns a pool that runs the tasks of m's queues through r. It fails on a
// router with mistakes or without handlers, on declared types without a handler (the
// error wraps ErrUnknownType), on queues that m does not have open, and on
// contradictory limits; the error lists all mistakes.
//
// The pool uses the router as it is when the pool is started. A registration while it
// runs is an error of the router's, and takes effect at the pool's next start.
func NewPool(m *Manager, r *Router, cfg PoolConfig) (*Pool, error) {
	shares := make([]pool.Share, len(cfg.Queues))
	for i, q := range cfg.Queues {
		shares[i] = pool.Share(q)
	}
	host := pool.Host{Clock: m.clock, Queues: m.Queues, Queue: m.queueForPool, Types: m.types, Listener: m.listener, Keeps: m.resultStores.addPool, Buries: m.deadHooks.add, Seals: len(m.sealers) > 0}
	p, err := pool.New(host, r.r, pool.Config{
		Name: cfg.Name, Workers: cfg.Workers, Queues: shares, Types: cfg.Types,
		Strict: cfg.Strict, Grace: cfg.Grace, Results: cfg.Results, Logger: cfg.Logger,
	})
	if err != nil {
		return nil, err
	}
	return &Pool{p}, nil
}

// Start begins to work and returns at once. The values of ctx reach the handlers; its
// end does not stop the pool. Start waits while an earlier Stop is under way. It fails
// if the pool is running already, and, as NewPool does, on what was since registered
// with its router or declared by its queues.
func (p *Pool) Start(ctx context.Context) error { return p.p.Start(ctx) }

// Stop ends the work gracefully. Nothing more is fetched, and tasks that have not
// begun go back to their queue uncharged. Handlers may finish within the grace and are
// then cancelled with the cause ErrStopping; their outcomes are settled. Receives that
// cannot be cancelled without losing tasks may end within the grace as well. Nothing
// stays leased.
//
// Stop returns when all this is done. If ctx ends sooner, it returns an error that names
// the tasks whose handlers are still running; stopping continues, and another Stop may
// wait for it. Stopping a pool that does not run does nothing.
func (p *Pool) Stop(ctx context.Context) error { return p.p.Stop(ctx) }

// Quiet makes the pool fetch nothing until Resume: before a deploy, say, or while a
// service that its handlers need is away. Tasks that were fetched and have not begun go
// back to their queues, uncharged. Handlers that run may finish. Quiet returns at once,
// and also works before Start. It has no effect on Drain.
func (p *Pool) Quiet() { p.p.Quiet() }

// Resume ends what Quiet began.
func (p *Pool) Resume() { p.p.Resume() }

// IsQuiet reports whether the pool is quiet.
func (p *Pool) IsQuiet() bool { return p.p.IsQuiet() }

// Cancel ends the run of a task of this pool: the context of its handler ends with the
// cause driver.ErrCancelled. If the handler then returns an error, the task is taken off
// its queue for good: it is neither retried nor buried, and a caller that awaits its
// result gets ErrTaskFailed. A handler that returns nil has completed its task as usual.
// A task that the pool has fetched and not begun does not begin. Cancel returns at once,
// and reports whether the pool has the task. Tasks that wait on a queue are cancelled
// there: see driver.Canceller.
func (p *Pool) Cancel(id string) bool { return p.p.Cancel(id) }

// Run works until ctx ends, then stops as [Pool.Stop] does and returns nil. It returns
// 10 s after the grace at the latest. Handlers that are still running then, and runs
// that could not be settled with their queue, make it return an error that names them.
func (p *Pool) Run(ctx context.Context) error { return p.p.Run(ctx) }

// Drain runs the tasks that are due now or become due meanwhile, through the same path
// as a running pool, until nothing is ready. It returns the number of runs of handlers.
// Tasks that are retried later are left for later. With one worker tasks run in the
// order in which the queue hands them out.
//
// On queues whose counts may lag (see Capabilities.ExactReady), Drain looks for tasks
// for a second or somewhat longer before it takes a queue for empty. A queue may also
// count tasks as ready without handing them out, because it is paused, say, or another
// worker holds the tasks before them. Drain then looks for about three seconds, and
// logs how many are left.
//
// Drain stops early when ctx ends, which cancels the handlers and gives the rest back,
// or when a queue cannot be reached. It fails while the pool runs.
func (p *Pool) Drain(ctx context.Context) (runs int, err error) { return p.p.Drain(ctx) }
