package tasktest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
)

// An Env is the equipment of a program that uses taskgen for a test: queues in memory,
// an enqueuer, a router, a clock. Tasks take the same path as in production (the
// manager's validation and middleware, a real queue, a real pool), but nothing runs
// until the test calls [Env.Drain], and time stands still until the test moves Clock.
//
// An Env is an Enqueuer: give it to the code under test instead of a Manager. It is
// safe for use by many goroutines, but only one may call Drain at a time.
type Env struct {
	// Clock is the clock of the Env's managers, queues, pools and results. It shows the
	// time at which the Env was made until the test moves it. The timeouts of handlers
	// use the machine's clock.
	Clock *Clock
	// Manager has the queues.
	Manager *runtime.Manager
	// Router is where the test registers handlers, before the Drain that needs them.
	// Give the Env to handlers that enqueue tasks.
	Router *runtime.Router
	// Results has what handlers returned, for the generated Await functions.
	Results runtime.Results

	tb       testing.TB
	provider *memory.Provider
	results  driver.ResultStore

	mu       sync.Mutex
	accepted []*runtime.Task
	runs     []Handled
}

// A Handled is one run of a handler.
type Handled struct {
	Task *runtime.Task // as the handler got it
	// Attempt counts the charged runs of the task, this one included: 1 the first
	// time.
	Attempt int
	Outcome runtime.Outcome
	Err     error // what the handler returned
}

// New returns an Env with the given queues; generated code has a function Queues that
// lists those of its package. Everything is closed when the test ends. A contradictory
// declaration fails the test. A task whose type has no handler dies at once, whatever
// its queue says: a test has no other program with the handler.
func New(tb testing.TB, queues []runtime.QueueConfig) *Env {
	tb.Helper()
	clock := NewClock(time.Now())
	results := memory.NewResults(memory.WithClock(clock))
	e := &Env{
		Clock: clock, Router: runtime.NewRouter(), Results: results,
		tb: tb, provider: memory.New(memory.WithClock(clock)), results: results,
	}
	e.Manager = runtime.NewManager(runtime.ManagerConfig{Clock: clock, Results: results, Middleware: []runtime.EnqueueMiddleware{e.note}})
	queues = slices.Clone(queues)
	for i := range queues {
		queues[i].Unknown = runtime.BuryUnknown
	}
	if err := e.Manager.Open(context.Background(), e.provider, queues...); err != nil {
		tb.Fatalf("tasktest: %v", err)
	}
	e.Router.Use(e.observe)
	tb.Cleanup(func() { _ = errors.Join(e.Manager.Close(), e.provider.Close()) })
	return e
}

// Enqueue is the Manager's Enqueue.
func (e *Env) Enqueue(ctx context.Context, tasks []*runtime.Task) ([]runtime.Enqueued, error) {
	return e.Manager.Enqueue(ctx, tasks)
}

// Now is the time on the Env's Clock.
func (e *Env) Now() time.Time { return e.Clock.Now() }

// note records every task that its queue accepted.
func (e *Env) note(next runtime.Enqueuer) runtime.Enqueuer {
	return runtime.EnqueuerFunc(func(ctx context.Context, tasks []*runtime.Task) ([]runtime.Enqueued, error) {
		answers, err := next.Enqueue(ctx, tasks)
		e.mu.Lock()
		defer e.mu.Unlock()
		for i, t := range tasks {
			if runtime.ErrorAt(err, i) == nil && i < len(answers) && !answers[i].Duplicate {
				e.accepted = append(e.accepted, t.Clone())
			}
		}
		return answers, err
	})
}

// observe records every run of a handler.
func (e *Env) observe(next runtime.Handler) runtime.Handler {
	return runtime.HandlerFunc(func(ctx context.Context, t *runtime.Task) error {
		run := Handled{Task: t.Clone(), Outcome: runtime.Died}
		if info, ok := runtime.TaskFromContext(ctx); ok {
			run.Attempt = info.Attempt
		}
		returned := false
		defer func() {
			panicked := recover()
			if !returned {
				run.Err = errors.New("the handler ended its goroutine, as FailNow of a test does")
				if panicked != nil {
					run.Err = fmt.Errorf("%w: %v", runtime.ErrPanic, panicked)
				}
				run.Outcome = runtime.OutcomeOf(ctx, run.Err)
			}
			e.mu.Lock()
			e.runs = append(e.runs, run)
			e.mu.Unlock()
			if panicked != nil {
				panic(panicked) // for the pool, as in production
			}
		}()
		run.Err = next.Handle(ctx, t)
		run.Outcome = runtime.OutcomeOf(ctx, run.Err)
		returned = true
		return run.Err
	})
}

// Tasks returns all tasks that the Env's queues have accepted, in order, including
// those already handled. Duplicates of a unique key are not among them.
func (e *Env) Tasks() []*runtime.Task {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.accepted)
}

// Drain runs the handlers of all due tasks, one after the other, and of the tasks that
// they enqueue, until nothing is due; it returns the runs in order. It does not move
// the clock: a retry or a delayed task runs in a Drain after Clock.Advance. Each run
// that did not complete its task is logged. An error of the pool itself (a handler
// registered twice, say) fails the test.
func (e *Env) Drain() []Handled {
	e.tb.Helper()
	pool, err := e.pool()
	if err != nil {
		e.tb.Fatalf("tasktest: %v", err)
	}
	e.mu.Lock()
	e.runs = nil
	e.mu.Unlock()
	if _, err := pool.Drain(context.Background()); err != nil {
		e.tb.Fatalf("tasktest: drain: %v", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range e.runs {
		if r.Outcome != runtime.Completed {
			e.tb.Logf("tasktest: task %s (%s), attempt %d: %s: %v", r.Task.ID, r.Task.Type, r.Attempt, r.Outcome, r.Err)
		}
	}
	return slices.Clone(e.runs)
}

// pool makes a pool of the handlers registered so far.
func (e *Env) pool() (*runtime.Pool, error) {
	router := e.Router
	if err := router.Err(); err == nil && len(router.Types()) == 0 {
		// A test may check the fate of tasks without a handler: NewPool needs at least
		// one handler.
		router = runtime.NewRouter()
		router.Use(e.observe)
		router.Handle(runtime.Policy{Type: "tasktest: no type"}, runtime.HandlerFunc(func(context.Context, *runtime.Task) error { return nil }))
	}
	return runtime.NewPool(e.Manager, router, runtime.PoolConfig{
		Workers: 1, Results: e.results,
		Types:  router.Types(),                // a test has handlers only for what it tests
		Logger: slog.New(slog.DiscardHandler), // Drain logs what failed
	})
}

// RequireDrain is Drain for tests in which no handler may fail: a run that does not
// complete its task fails the test.
func (e *Env) RequireDrain() []Handled {
	e.tb.Helper()
	runs := e.Drain()
	bad := 0
	for _, r := range runs {
		if r.Outcome != runtime.Completed {
			bad++
		}
	}
	if bad > 0 {
		e.tb.Fatalf("tasktest: %d of %d runs did not complete their task; they are logged above", bad, len(runs))
	}
	return runs
}

// Dead returns the tasks on the dead letter queues, queue by queue. Their metadata have
// the reason; see the Meta constants of package runtime.
func (e *Env) Dead() []*runtime.Task {
	e.tb.Helper()
	var all []*runtime.Task
	for _, name := range e.Manager.Queues() {
		q, err := e.Manager.Queue(name)
		if err != nil {
			e.tb.Fatalf("tasktest: %v", err)
		}
		for t, err := range driver.BrowseAll(context.Background(), q, driver.Dead) {
			if errors.Is(err, runtime.ErrUnsupported) {
				break
			}
			if err != nil {
				e.tb.Fatalf("tasktest: browse the dead of queue %q: %v", name, err)
			}
			all = append(all, t)
		}
	}
	return all
}

// types counts tasks by type, for messages.
func types(tasks []*runtime.Task) map[string]int {
	n := make(map[string]int)
	for _, t := range tasks {
		n[t.Type]++
	}
	return n
}

var _ runtime.Enqueuer = (*Env)(nil)

// sortedTypes lists the keys of types.
func sortedTypes(n map[string]int) []string { return slices.Sorted(maps.Keys(n)) }
