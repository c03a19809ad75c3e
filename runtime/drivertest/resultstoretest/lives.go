package resultstoretest

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/dlq"
	"github.com/taskgen/taskgen/runtime/driver"
)

// Lives are a provider, and the stores that it has or that its tasks are given.
type Lives struct {
	Provider runtime.Provider
	Results  driver.ResultStore
	Letters  dlq.TaskStore
}

// RunLives holds them to this: what became of a task belongs to one life of it. open
// makes them, and closes and cleans up by tb.Cleanup.
func RunLives(t *testing.T, open func(tb testing.TB) Lives) {
	for name, test := range map[string]func(*livesEnv){
		"a redriven task is waited for":                (*livesEnv).redriven,
		"all redriven tasks are waited for":            (*livesEnv).allRedriven,
		"a letter that a box redrives is waited for":   (*livesEnv).boxed,
		"an edited letter is waited for":               (*livesEnv).edited,
		"a letter that was stored is waited for":       (*livesEnv).restored,
		"an ID that is used again is waited for":       (*livesEnv).reused,
		"an ID that is on its queue keeps its result":  (*livesEnv).refused,
		"a process without a pool forgets, too":        (*livesEnv).elsewhere,
		"nothing is redriven while the store is away":  (*livesEnv).away,
		"a task is looked up through its life":         (*livesEnv).lookedUp,
		"a result that comes at once is not forgotten": (*livesEnv).quick,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := open(t)
			ctx, cancel := context.WithTimeout(context.Background(), soon)
			t.Cleanup(cancel)
			o := &livesEnv{T: t, ctx: ctx, p: l.Provider, store: l.Results, letters: l.Letters}
			o.m = o.manager(runtime.ManagerConfig{})
			test(o)
		})
	}
}

// A livesEnv has a queue, a pool for one type of task, and a store for what becomes of
// these.
type livesEnv struct {
	*testing.T
	ctx     context.Context
	p       runtime.Provider
	store   driver.ResultStore
	letters dlq.TaskStore
	m       *runtime.Manager
	q       driver.Queue
	fails   error  // what the handler returns
	runs    func() // is called by the handler; nil: nothing is
}

var sum = runtime.Spec[int]{Type: "sum", Queue: "sums", Timeout: time.Minute}

func (o *livesEnv) manager(cfg runtime.ManagerConfig) *runtime.Manager {
	o.Helper()
	m := runtime.NewManager(cfg)
	o.ok(m.Open(o.ctx, o.p, runtime.QueueConfig{Name: "sums"}))
	o.Cleanup(func() { _ = m.Close() })
	q, err := m.Queue("sums")
	o.ok(err)
	if o.q == nil {
		o.q = q
	}
	return m
}

func (o *livesEnv) ok(err error) {
	o.Helper()
	if err != nil {
		o.Fatal(err)
	}
}

func (o *livesEnv) router() *runtime.Router {
	r := runtime.NewRouter()
	runtime.RegisterWithResult(r, &sum, func(_ context.Context, n int) (int, error) {
		if o.runs != nil {
			o.runs()
		}
		return n + 1, o.fails
	})
	return r
}

// work runs what is on the queue.
func (o *livesEnv) work(store driver.ResultStore) {
	o.Helper()
	pool, err := runtime.NewPool(o.m, o.router(), runtime.PoolConfig{Workers: 1, Results: store, Logger: slog.New(slog.DiscardHandler)})
	o.ok(err)
	_, err = pool.Drain(o.ctx)
	o.ok(err)
}

func (o *livesEnv) enqueue(m *runtime.Manager, id string, n int) {
	o.Helper()
	_, err := runtime.Enqueue(o.ctx, m, &sum, &n, runtime.WithID(id))
	o.ok(err)
}

// buries has tasks die.
func (o *livesEnv) buries(ids ...string) {
	o.Helper()
	for _, id := range ids {
		o.enqueue(o.m, id, 1)
	}
	o.fails = errors.New("out of ink")
	o.work(o.store)
	o.fails = nil
	for _, id := range ids {
		if _, err := o.store.Await(o.ctx, id); !errors.Is(err, runtime.ErrTaskFailed) || !strings.Contains(err.Error(), "out of ink") {
			o.Fatalf("what became of %s: %v", id, err)
		}
	}
}

// waits fails unless a task has not ended.
func (o *livesEnv) waits(ids ...string) {
	o.Helper()
	for _, id := range ids {
		ctx, cancel := context.WithTimeout(o.ctx, 5*time.Millisecond)
		got, err := runtime.Await[int, int](ctx, o.store, &sum, id)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			o.Fatalf("task %s is on its queue, and Await says %d, %v", id, got, err)
		}
	}
}

func (o *livesEnv) returns(id string, want int) {
	o.Helper()
	if got, err := runtime.Await[int, int](o.ctx, o.store, &sum, id); got != want || err != nil {
		o.Fatalf("the result of %s is %d, %v; want %d", id, got, err, want)
	}
}

// again is what follows on a redrive.
func (o *livesEnv) again(ids ...string) {
	o.Helper()
	o.waits(ids...)
	o.work(o.store)
	for _, id := range ids {
		o.returns(id, 2)
	}
}

func (o *livesEnv) redrive(ids []string, want int) {
	o.Helper()
	moved, err := o.q.(driver.Redriver).Redrive(o.ctx, ids)
	o.ok(err)
	if len(moved) != want {
		o.Fatalf("redriven are %q", moved)
	}
}

func (o *livesEnv) redriven() {
	o.buries("a", "b")
	o.redrive([]string{"a"}, 1)
	o.again("a")
	if _, err := o.store.Await(o.ctx, "b"); !errors.Is(err, runtime.ErrTaskFailed) {
		o.Fatalf("b is dead: %v", err)
	}
}

func (o *livesEnv) allRedriven() {
	o.buries("a", "b", "c")
	o.redrive(nil, 3)
	o.again("a", "b", "c")
}

func (o *livesEnv) box() *dlq.Box {
	box, err := dlq.Open(o.m, "sums", dlq.Config{Router: o.router(), Provider: o.p})
	o.ok(err)
	return box
}

func (o *livesEnv) boxed() {
	o.buries("a", "b")
	done, err := o.box().Redrive(o.ctx, dlq.Redrive{})
	o.ok(err)
	if done.Moved != 2 {
		o.Fatalf("%+v", done)
	}
	o.again("a", "b")
}

func (o *livesEnv) edited() {
	o.buries("a")
	o.ok(o.box().RedriveEdited(o.ctx, "a", []byte("7")))
	o.waits("a")
	o.work(o.store)
	o.returns("a", 8)
}

func (o *livesEnv) restored() {
	o.buries("a")
	box := o.box()
	l, err := box.Show(o.ctx, "a")
	o.ok(err)
	task := &runtime.Task{ID: l.ID, Type: l.Type, Queue: l.Queue, Payload: []byte("1"), CreatedAt: l.CreatedAt}
	o.ok(o.letters.Put(o.ctx, []*runtime.Task{task}))
	_, err = box.Discard(o.ctx, []string{"a"})
	o.ok(err)
	done, err := dlq.OpenStore(o.m, o.letters, dlq.Config{}).Redrive(o.ctx, dlq.Redrive{})
	o.ok(err)
	if done.Moved != 1 {
		o.Fatalf("%+v", done)
	}
	o.again("a")
}

func (o *livesEnv) reused() {
	o.enqueue(o.m, "a", 1)
	o.work(o.store)
	o.returns("a", 2)
	o.enqueue(o.m, "a", 10)
	o.waits("a")
	o.work(o.store)
	o.returns("a", 11)

	o.buries("dead")
	o.enqueue(o.m, "dead", 10)
	o.waits("dead")
	o.work(o.store)
	o.returns("dead", 11)
}

// A task that is on its queue is of the life that its result belongs to: the result is
// stored before the task is completed.
func (o *livesEnv) refused() {
	o.enqueue(o.m, "a", 1)
	o.work(o.store)
	o.enqueue(o.m, "a", 1)
	o.ok(o.store.PutResult(o.ctx, "a", []byte("5"), "", time.Hour))
	n := 1
	if _, err := runtime.Enqueue(o.ctx, o.m, &sum, &n, runtime.WithID("a")); !errors.Is(err, runtime.ErrDuplicate) {
		o.Fatalf("an ID that is on its queue: %v", err)
	}
	answer, err := runtime.EnqueueBatch(o.ctx, o.m, &sum, []int{1, 2}, func(t *runtime.Task) {
		if string(t.Payload) == "1" {
			t.ID = "a"
		}
	})
	if !errors.Is(runtime.ErrorAt(err, 0), runtime.ErrDuplicate) || runtime.ErrorAt(err, 1) != nil || answer[1].ID == "" {
		o.Fatalf("%v, %v", answer, err)
	}
	o.returns("a", 5)
}

func (o *livesEnv) elsewhere() {
	o.enqueue(o.m, "a", 1)
	o.work(o.store)
	o.buries("b")
	producer := o.manager(runtime.ManagerConfig{Results: o.store})
	o.enqueue(producer, "a", 10)
	q, err := producer.Queue("sums")
	o.ok(err)
	if moved, err := q.(driver.Redriver).Redrive(o.ctx, []string{"b"}); len(moved) != 1 || err != nil {
		o.Fatal(moved, err)
	}
	o.waits("a", "b")
}

// A closed store answers nothing.
type closedStore struct{ driver.ResultStore }

func (closedStore) Peek(context.Context, []string) ([]driver.StoredResult, error) {
	return nil, runtime.ErrClosed
}

func (closedStore) Forget(context.Context, []driver.StoredResult) error { return runtime.ErrClosed }

func (o *livesEnv) away() {
	o.buries("a")
	producer := o.manager(runtime.ManagerConfig{Results: closedStore{o.store}})
	q, err := producer.Queue("sums")
	o.ok(err)
	for _, ids := range [][]string{nil, {"a"}} {
		moved, err := q.(driver.Redriver).Redrive(o.ctx, ids)
		if !errors.Is(err, runtime.ErrClosed) || len(moved) != 0 {
			o.Fatalf("redriven are %q, %v", moved, err)
		}
	}
	n := 1
	if _, err := runtime.Enqueue(o.ctx, producer, &sum, &n, runtime.WithID("b")); !errors.Is(err, runtime.ErrClosed) {
		o.Fatalf("enqueue: %v", err)
	}
	if _, err := runtime.Enqueue(o.ctx, producer, &sum, &n); err != nil {
		o.Fatalf("an ID that is new needs no store: %v", err)
	}
	if stats, err := o.q.Stats(o.ctx); err != nil || stats.Dead != 1 || stats.Ready != 1 {
		o.Fatalf("%+v, %v", stats, err)
	}
}

// A quickStore has a result of the next life come before that of the last one is
// forgotten.
type quickStore struct{ driver.ResultStore }

func (q quickStore) Peek(ctx context.Context, ids []string) ([]driver.StoredResult, error) {
	return q.ResultStore.(driver.ResultKeeper).Peek(ctx, ids)
}

func (q quickStore) Forget(ctx context.Context, rs []driver.StoredResult) error {
	for _, r := range rs {
		if err := q.PutResult(ctx, r.ID, []byte("2"), "", time.Hour); err != nil {
			return err
		}
	}
	return q.ResultStore.(driver.ResultKeeper).Forget(ctx, rs)
}

func (o *livesEnv) quick() {
	o.enqueue(o.m, "a", 1)
	o.work(o.store)
	producer := o.manager(runtime.ManagerConfig{Results: quickStore{o.store}})
	o.enqueue(producer, "a", 1)
	o.returns("a", 2)
}

// looksUp fails unless the manager says that a task is in a state.
func (o *livesEnv) looksUp(id string, want driver.State) runtime.TaskStatus {
	o.Helper()
	s, err := o.m.Lookup(o.ctx, id)
	o.ok(err)
	if s.ID != id || s.State != want || s.DueAt.IsZero() != (want != driver.Ready && want != driver.Scheduled) {
		o.Fatalf("%v, want %s", s, want)
	}
	return s
}

func (o *livesEnv) lookedUp() {
	if _, err := o.m.Lookup(o.ctx, "a"); !errors.Is(err, runtime.ErrTaskNotFound) {
		o.Fatalf("a task that never was: %v", err)
	}
	n := 1
	_, err := runtime.Enqueue(o.ctx, o.m, &sum, &n, runtime.WithID("a"), runtime.WithMaxRetries(1))
	o.ok(err)
	_, err = runtime.Enqueue(o.ctx, o.m, &sum, &n, runtime.WithID("later"), runtime.WithDelay(time.Hour))
	o.ok(err)
	if s := o.looksUp("a", driver.Ready); s.Type != "sum" || s.Queue != "sums" || s.Attempts != 0 || s.Failure != "" {
		o.Fatalf("%v", s)
	}
	if s := o.looksUp("later", driver.Scheduled); time.Until(s.DueAt) < 50*time.Minute {
		o.Fatalf("%v", s)
	}
	o.runs = func() {
		if s := o.looksUp("a", driver.Leased); s.Attempts != 1 {
			o.Fatalf("%v", s)
		}
	}
	o.fails = runtime.RetryAfter(time.Hour, errors.New("no ink: none"))
	o.work(o.store)
	s := o.looksUp("a", driver.Scheduled)
	if s.Attempts != 1 || s.Failure != "no ink: none" || time.Until(s.DueAt) < 50*time.Minute {
		o.Fatalf("a task that waits for its retry: %v", s)
	}
	if r, ok := o.q.(driver.Rescheduler); ok {
		o.ok(r.Reschedule(o.ctx, "a", time.Now().Add(-time.Second)))
	}
	o.runs, o.fails = nil, errors.New("out of ink")
	o.work(o.store)
	if s := o.looksUp("a", driver.Dead); s.Attempts != 2 || s.Failure != "out of ink" || s.Queue != "sums" {
		o.Fatalf("a dead task: %v", s)
	}
	o.redrive([]string{"a"}, 1)
	if s := o.looksUp("a", driver.Ready); s.Attempts != 0 || s.Failure != "" || s.Result != nil {
		o.Fatalf("a redriven task: %v", s)
	}
	o.fails = nil
	o.work(o.store)
	s = o.looksUp("a", driver.Done)
	if string(s.Result) != "2" || s.Failure != "" {
		o.Fatalf("what is done: %v, %s", s, s.Result)
	}
	o.enqueue(o.m, "a", 1)
	o.looksUp("a", driver.Ready)
	o.ok(o.store.PutResult(o.ctx, "elsewhere", nil, "boom", time.Hour))
	if s := o.looksUp("elsewhere", driver.Dead); s.Failure != "boom" {
		o.Fatalf("what died on a queue that this process does not have: %v", s)
	}
}
