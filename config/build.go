package config

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/fleet"
	"github.com/taskgen/taskgen/runtime/history"
	"github.com/taskgen/taskgen/runtime/observe"
	"github.com/taskgen/taskgen/runtime/schedule"
	"github.com/taskgen/taskgen/runtime/schedule/jobstore"
)

// Code is the part of a program that a file cannot contain. Generated packages have most
// of it:
//
//	config.Code{
//		Queues:    tasks.Queues(),
//		Handlers:  func(r *runtime.Router) { tasks.RegisterHandlers(r, handlers) },
//		Schedules: []config.Schedules{tasks.RegisterSchedules},
//	}
type Code struct {
	// Queues that the code declares. Those of several packages are appended.
	Queues []runtime.QueueConfig
	// Handlers registers the handlers. Nil: the program runs no tasks, and has no pool.
	Handlers func(r *runtime.Router)
	// Schedules declare the jobs of the code when the program starts.
	Schedules []Schedules
	// Types are those that the section server lets others enqueue, and shows without their
	// secrets: &tasks.MailSpec and the like. Other types of the code it does not serve.
	Types []TaskType
	// Enqueue wraps every enqueue, and Handle the handling of every task; the first is the
	// outermost.
	Enqueue []runtime.EnqueueMiddleware
	Handle  []runtime.Middleware
	// Listeners receive the events of the manager and the pool, after the listeners of
	// the sections traces, metrics, fleet and history.
	Listeners []*observe.Listener
	// Logger of the program. Nil: one as the section log says, else slog.Default.
	Logger *slog.Logger
}

// Schedules is the type of a generated RegisterSchedules.
type Schedules = func(ctx context.Context, in schedule.Scheduler, opts ...schedule.RegisterOption) (schedule.Changes, error)

// Build opens what the Config names and returns it as a Program: providers, the queues of
// the code with the values of the Config, the manager, the pool, the scheduler, and what
// the sections fleet, history, metrics, traces and server configure. It opens only providers
// that are used. The addresses of metrics.listen and server.listen are taken, and served once
// the program runs.
//
// The error lists all contradictions between code and Config, before anything is opened: a
// queue that the code needs and the section queues lacks, a visibility shorter than the
// code declares, a queue that could be on several providers. If opening fails, what was
// opened is closed.
func (c *Config) Build(ctx context.Context, code Code) (*Program, error) {
	b := &builder{c: c, code: code}
	queues, err := b.check()
	if err != nil {
		return nil, err
	}
	b.p = &Program{Logger: b.log, Providers: make(map[string]runtime.Provider)}
	if err := b.build(ctx, queues); err != nil {
		return nil, errors.Join(err, b.p.Close())
	}
	return b.p, nil
}

// Check returns the error of Build about contradictions, if there are some, and opens nothing.
func (c *Config) Check(code Code) error {
	_, err := (&builder{c: c, code: code}).check()
	return err
}

// check returns the queues to open, or all contradictions between code and Config.
func (b *builder) check() ([]placed, error) {
	b.logger()
	if b.c.classic != nil {
		b.classic()
	}
	queues := b.queues()
	b.c.checkServer(b.report)
	b.c.checkTelemetry(b.report)
	return queues, b.bad.err()
}

// A builder makes a Program.
type builder struct {
	c    *Config
	code Code
	log  *slog.Logger
	bad  invalid
	p    *Program
	pool []runtime.PoolQueue

	madeLog bool // of the section log
}

// placed is a queue and the name of its provider.
type placed struct {
	provider string
	cfg      runtime.QueueConfig
}

func (b *builder) logger() {
	l := b.c.Log
	switch {
	case b.code.Logger != nil:
		b.log = b.code.Logger
	case l == (LogConfig{}):
		b.log = nil // slog.Default, as it is at the time of each record
	default:
		var level slog.Level
		_ = level.UnmarshalText([]byte(cmp.Or(l.Level, "info"))) // one of the enum
		opts := &slog.HandlerOptions{Level: level}
		b.madeLog = true
		if l.Format == "json" {
			b.log = slog.New(slog.NewJSONHandler(os.Stderr, opts))
		} else {
			b.log = slog.New(slog.NewTextHandler(os.Stderr, opts))
		}
	}
}

func (b *builder) report(path, format string, args ...any) {
	b.bad = append(b.bad, problem{b.c.positions.of(path), fmt.Sprintf(format, args...)})
}

// queues are those of the code as the Config has them, in the order of the file.
func (b *builder) queues() []placed {
	c := b.c
	if len(c.Providers) == 0 {
		b.report("", "there are no providers: set providers.NAME.url, or the variable %sPROVIDERS_MAIN_URL", variablePrefix)
		return nil
	}
	var all []placed
	for _, cfg := range b.code.Queues {
		q, ok := c.Queues[cfg.Name]
		if !ok && c.listsQueues() {
			b.report("queues", "the code needs the queue %s, and the section queues lacks it: add it there", cfg.Name)
			continue
		}
		provider := cmp.Or(q.Provider, c.only())
		if provider == "" {
			b.report("queues", "queue %s needs a provider, and there are several: set queues.%s.provider to one of %s", cfg.Name, cfg.Name, c.providerNames())
			continue
		}
		all = append(all, placed{provider, b.reconcile(cfg, q)})
		if slices.ContainsFunc(b.pool, func(p runtime.PoolQueue) bool { return p.Name == cfg.Name }) {
			continue // of two packages
		}
		b.pool = append(b.pool, runtime.PoolQueue{Name: cfg.Name, Weight: q.Weight, Concurrency: q.Concurrency, Rate: q.Rate.runtime()})
	}
	slices.SortStableFunc(all, func(x, y placed) int { return c.order(x.cfg.Name, y.cfg.Name) })
	slices.SortStableFunc(b.pool, func(x, y runtime.PoolQueue) int { return c.order(x.Name, y.Name) })
	return all
}

// listsQueues reports whether there is a section queues, which must then have each queue.
// Variables alone only set values.
func (c *Config) listsQueues() bool {
	return c.Queues != nil && (c.positions == nil || c.positions["queues"] != position{})
}

// order compares the places of two queues in the file.
func (c *Config) order(x, y string) int {
	a, b := c.positions["queues."+x], c.positions["queues."+y]
	return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.col, b.col))
}

// reconcile is the declaration of a queue with the values of the Config.
func (b *builder) reconcile(cfg runtime.QueueConfig, q QueueConfig) runtime.QueueConfig {
	declared := cmp.Or(cfg.Visibility, driver.DefaultVisibility)
	if q.Visibility != 0 && q.Visibility < declared {
		b.report("queues."+cfg.Name+".visibility", "queue %s has a visibility of %s, and the code declares %s: a shorter one is not allowed", cfg.Name, q.Visibility, declared)
	}
	cfg.Visibility = cmp.Or(q.Visibility, cfg.Visibility)
	cfg.MaxDeliveries = cmp.Or(q.MaxDeliveries, cfg.MaxDeliveries)
	cfg.DLQ = cmp.Or(q.DLQ, cfg.DLQ)
	if q.Retention != nil {
		cfg.Retention = *q.Retention
	}
	if q.Unknown != nil {
		cfg.Unknown = cmp.Or(*q.Unknown, runtime.BuryUnknown)
	}
	if q.Capacity != nil {
		cfg.Capacity = *q.Capacity
	}
	return cfg
}

func (b *builder) build(ctx context.Context, queues []placed) error {
	listeners, err := b.telemetry(ctx)
	if err != nil {
		return err
	}
	for _, q := range queues {
		if _, err := b.provider(ctx, q.provider); err != nil {
			return err
		}
	}
	results, err := b.results(ctx)
	if err != nil {
		return err
	}
	b.p.Results = results
	if err := b.fleet(ctx); err != nil {
		return err
	}
	if b.p.Fleet != nil {
		listeners = append(listeners, b.p.Fleet.Listener())
	}
	if err := b.history(ctx); err != nil {
		return err
	}
	if b.p.History != nil { // behind the traces, whose IDs it records
		listeners = append(listeners, b.p.History.Listener())
	}
	cfg := runtime.ManagerConfig{Middleware: b.code.Enqueue, Listeners: slices.Concat(listeners, b.code.Listeners)}
	if results != nil {
		cfg.Results = results
	}
	b.p.Manager = runtime.NewManager(cfg)
	for _, q := range queues {
		if err := b.p.Manager.Open(ctx, b.p.Providers[q.provider], q.cfg); err != nil {
			return b.failed("queues."+q.cfg.Name, err)
		}
	}
	if err := b.workers(); err != nil {
		return err
	}
	if err := b.scheduler(ctx); err != nil {
		return err
	}
	return b.serve(ctx)
}

// failed is the error of what a part of the Config led to.
func (b *builder) failed(path string, err error) error {
	return fmt.Errorf("config: %s: %w", b.c.positions.of(path), err)
}

// provider opens a provider once.
func (b *builder) provider(ctx context.Context, name string) (runtime.Provider, error) {
	if p := b.p.Providers[name]; p != nil {
		return p, nil
	}
	pc := b.c.Providers[name]
	url, err := pc.address()
	if err != nil {
		return nil, b.failed("providers."+name+".password", err)
	}
	opts := []OpenOption{WithLogger(b.log)}
	if pc.Options != nil {
		opts = append(opts, WithOptions(pc.Options))
	}
	p, err := OpenProvider(ctx, url, opts...)
	if err != nil {
		return nil, b.failed("providers."+name, err)
	}
	b.p.Providers[name] = p
	b.p.opened = append(b.p.opened, p)
	return p, nil
}

// results is the store of results. It is nil if no provider has one and the Config names
// none.
func (b *builder) results(ctx context.Context) (driver.ResultStore, error) {
	name := cmp.Or(b.c.Results.Provider, b.c.only())
	if name == "" {
		return nil, nil
	}
	keeps, err := storesOf[interface{ Results() driver.ResultStore }](ctx, b, name, "results.provider", "results: name one that does, such as memory, sqlite or redis")
	switch {
	case err == nil:
		return keeps.Results(), nil
	case b.c.Results.Provider == "" && errors.Is(err, errKeepsNone):
		return nil, nil
	}
	return nil, err
}

// errKeepsNone: a provider has no store of a kind.
var errKeepsNone = errors.New("keeps no")

// storesOf opens a provider for one kind of its stores. path is what names the provider; wanted
// ends the error where it has none.
func storesOf[T any](ctx context.Context, b *builder, name, path, wanted string) (T, error) {
	p, err := b.provider(ctx, name)
	if err != nil {
		var none T
		return none, err
	}
	keeps, ok := p.(T)
	if !ok {
		return keeps, b.failed(path, fmt.Errorf("the provider %s (%s) %w %s", name, p.Name(), errKeepsNone, wanted))
	}
	return keeps, nil
}

// fleet joins the fleet that a provider keeps, if one is named.
func (b *builder) fleet(ctx context.Context) error {
	name := b.c.Fleet.Provider
	if name == "" {
		return nil
	}
	keeps, err := storesOf[interface{ Fleet() fleet.Store }](ctx, b, name, "fleet.provider", "fleet: name one that does, such as memory, sqlite, redis or nats")
	if err != nil {
		return err
	}
	b.p.Fleet = fleet.New(keeps.Fleet(), fleet.Config{Logger: b.log})
	return nil
}

// history records what becomes of tasks at a provider, if one is named.
func (b *builder) history(ctx context.Context) error {
	name := b.c.History.Provider
	if name == "" {
		return nil
	}
	keeps, err := storesOf[interface{ History() history.Store }](ctx, b, name, "history.provider", "history: name one that does, such as memory, sqlite or redis")
	if err != nil {
		return err
	}
	cfg := history.Config{Retention: b.c.History.Retention, MaxBytes: int64(b.c.History.MaxBytes), Logger: b.log}
	if b.p.Traces != nil {
		cfg.TraceID = b.p.Traces.TraceID
	}
	b.p.History = history.New(keeps.History(), cfg)
	return nil
}

func (b *builder) workers() error {
	if b.code.Handlers == nil {
		return nil
	}
	router := runtime.NewRouter()
	router.Use(b.code.Handle...)
	b.code.Handlers(router)
	pc := b.c.Pool
	pool, err := runtime.NewPool(b.p.Manager, router, runtime.PoolConfig{
		Name: pc.Name, Workers: pc.Workers, Queues: b.pool, Types: pc.Types, Strict: pc.Strict, Grace: pc.Grace,
		Results: b.p.Results, Logger: b.log,
	})
	if err != nil {
		return b.failed("pool", err)
	}
	b.p.Pool = pool
	return nil
}

// scheduler makes the scheduler where jobs can be kept, and declares those of the code.
func (b *builder) scheduler(ctx context.Context) error {
	sc := b.c.Scheduler
	wanted := len(b.code.Schedules) > 0
	if sc.Enabled != nil {
		wanted = *sc.Enabled
	}
	name := cmp.Or(sc.Provider, b.c.only())
	if name == "" && wanted {
		return b.failed("scheduler", fmt.Errorf("the scheduler needs a provider that keeps its jobs: set scheduler.provider to one of %s", b.c.providerNames()))
	}
	if name == "" || sc.Provider == "" && !wanted {
		return nil
	}
	keeps, err := storesOf[interface{ Jobs() jobstore.Store }](ctx, b, name, "scheduler", "jobs: set scheduler.provider to one that does, such as memory, sqlite or redis, or scheduler.enabled to false")
	if err != nil {
		return err
	}
	b.p.Scheduler = schedule.New(keeps.Jobs(), b.p.Manager, schedule.Config{Logger: b.log})
	b.p.fires = wanted
	if !wanted {
		return nil
	}
	for _, register := range b.code.Schedules {
		if _, err := register(ctx, b.p.Scheduler); err != nil {
			return fmt.Errorf("config: declare the schedules of the code: %w", err)
		}
	}
	return nil
}
