package pool

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/observe"
)

// fakeQueue is a queue in memory whose calls a test can fail, delay and count.
// It keeps leases and delays by time.Now, which a synctest bubble moves.
type fakeQueue struct {
	cfg driver.QueueConfig

	mu      sync.Mutex
	wake    chan struct{}
	serial  int
	ready   []*fakeTask
	waiting []*fakeTask
	leased  map[string]*fakeTask // by task ID
	dead    []*driver.Task
	broken  []*driver.Task // to be buried by the next dequeue
	done    []string
	ledger  []string // every call: "complete a b"
	sizes   map[string][]int
	closed  bool

	// before is asked ahead of each call, without the lock; what it returns is
	// the call's answer.
	before func(call string, ds []*driver.Delivery) error
	trip   time.Duration // each call takes it
	hang   atomic.Bool   // calls answer when their context ends
	paid   bool          // the opposite of Capabilities.Unmetered
	vague  bool          // see Capabilities.ExactReady
	bound  bool          // its leases are bound to their connection
	charge bool          // it says that crashes are charged
	// forgets makes a released task come back as it was enqueued.
	forgets bool
	// handing is called, without the lock, when a dequeue has leased tasks and is about
	// to return them.
	handing func()
	// after is asked when a call has done its work, without the lock; what it
	// returns is the call's answer.
	after func(call string) error
}

type fakeTask struct {
	task    *driver.Task
	crashes int
	due     time.Time
	receipt driver.Receipt
	until   time.Time
}

func newFakeQueue(t testing.TB, cfg driver.QueueConfig) *fakeQueue {
	t.Helper()
	cfg, err := cfg.WithDefaults()
	require.NoError(t, err)
	return &fakeQueue{cfg: cfg, wake: make(chan struct{}), leased: map[string]*fakeTask{}, sizes: map[string][]int{}}
}

func (q *fakeQueue) Config() driver.QueueConfig { return q.cfg }

func (q *fakeQueue) Capabilities() driver.Capabilities {
	c := driver.Capabilities{
		MaxDelay: driver.Unlimited, MaxLease: driver.Unlimited, MaxPayload: driver.Unlimited, MaxBatch: 1000,
		DedupWindow: driver.Unlimited, UniqueUntilDone: true, Unmetered: true,
	}
	c.Fencing, c.FreeLeases, c.CountsCrashes, c.Priorities = true, !q.bound, true, 1
	c.CountsScheduled, c.ExactReady = true, !q.vague
	c.ForgivesCrashes, c.KeepsReleased = !q.charge, !q.charge
	if q.paid {
		c.MaxBatch, c.Unmetered = 10, false
	}
	return c
}

func (q *fakeQueue) note(ctx context.Context, call string, ds []*driver.Delivery) error {
	ids := make([]string, len(ds))
	for i, d := range ds {
		ids[i] = d.Task.ID
	}
	q.mu.Lock()
	q.ledger = append(q.ledger, strings.TrimSpace(call+" "+strings.Join(ids, " ")))
	q.sizes[call] = append(q.sizes[call], len(ds))
	before := q.before
	q.mu.Unlock()
	if q.trip > 0 {
		time.Sleep(q.trip)
	}
	if q.hang.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	if before == nil {
		return nil
	}
	err := before(call, ds)
	if errors.Is(err, errHangs) {
		<-ctx.Done()
		return ctx.Err()
	}
	return err
}

// errHangs as the answer of before makes a call wait for its context to end.
var errHangs = errors.New("hangs")

func (q *fakeQueue) Enqueue(_ context.Context, tasks []*driver.Task) ([]driver.Enqueued, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	out := make([]driver.Enqueued, len(tasks))
	for i, t := range tasks {
		q.ready = append(q.ready, &fakeTask{task: t.Clone()})
		out[i] = driver.Enqueued{ID: t.ID, Queue: t.Queue, DueAt: t.DueAt()}
	}
	q.notify()
	return out, nil
}

func (q *fakeQueue) notify() {
	close(q.wake)
	q.wake = make(chan struct{})
}

// promote makes due what is due; it returns when the next one is.
func (q *fakeQueue) promote() (next time.Time) {
	now := time.Now()
	soonest := func(at time.Time) {
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	kept := q.waiting[:0]
	for _, f := range q.waiting {
		if f.due.After(now) {
			soonest(f.due)
			kept = append(kept, f)
		} else {
			q.ready = append(q.ready, f)
		}
	}
	q.waiting = kept
	for id, f := range q.leased {
		if f.until.After(now) {
			soonest(f.until)
		} else {
			delete(q.leased, id)
			f.crashes++
			q.ready = append(q.ready, f)
		}
	}
	return next
}

func (q *fakeQueue) Dequeue(ctx context.Context, limit int, lease time.Duration) ([]*driver.Delivery, error) {
	if err := q.note(ctx, fmt.Sprintf("dequeue %d", limit), nil); err != nil {
		return nil, err
	}
	q.mu.Lock()
	broken := q.broken
	q.broken = nil
	q.mu.Unlock()
	for _, t := range broken {
		driver.Buried(ctx, t)
	}
	for {
		q.mu.Lock()
		if q.closed {
			q.mu.Unlock()
			return nil, fmt.Errorf("fake: %w", driver.ErrClosed)
		}
		next := q.promote()
		if n := min(limit, len(q.ready)); n > 0 {
			ds := make([]*driver.Delivery, n)
			for i, f := range q.ready[:n] {
				q.serial++
				f.receipt, f.until = driver.Receipt(fmt.Sprint(q.serial)), time.Now().Add(lease)
				q.leased[f.task.ID] = f
				ds[i] = &driver.Delivery{Task: f.task.Clone(), Receipt: f.receipt, LeaseUntil: f.until, Crashes: f.crashes}
			}
			q.ready = append([]*fakeTask(nil), q.ready[n:]...)
			q.mu.Unlock()
			if q.handing != nil {
				q.handing()
			}
			return ds, nil
		}
		wake := q.wake
		q.mu.Unlock()
		var timer <-chan time.Time
		if !next.IsZero() {
			timer = time.After(time.Until(next))
		}
		select {
		case <-wake:
		case <-timer:
		case <-ctx.Done():
			return nil, driver.ErrNoTasks
		}
	}
}

// settle runs f on each delivery that is leased by its receipt.
func (q *fakeQueue) settle(ctx context.Context, call string, ds []*driver.Delivery, f func(*fakeTask, *driver.Delivery)) error {
	if err := q.note(ctx, call, ds); err != nil {
		return err
	}
	failed := q.settleNow(call, ds, f)
	if q.after != nil {
		if err := q.after(call); err != nil {
			return err
		}
	}
	return failed.OrNil()
}

func (q *fakeQueue) settleNow(call string, ds []*driver.Delivery, f func(*fakeTask, *driver.Delivery)) *driver.BatchError {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.promote()
	failed := new(driver.BatchError)
	for i, d := range ds {
		held := q.leased[d.Task.ID]
		if held == nil || held.receipt != d.Receipt {
			failed.Add(i, d.Task.ID, driver.ErrLeaseLost)
			continue
		}
		if call != "extend" {
			delete(q.leased, d.Task.ID)
		}
		f(held, d)
	}
	q.notify()
	return failed
}

func (q *fakeQueue) Complete(ctx context.Context, ds []*driver.Delivery) error {
	return q.settle(ctx, "complete", ds, func(f *fakeTask, _ *driver.Delivery) { q.done = append(q.done, f.task.ID) })
}

func (q *fakeQueue) Extend(ctx context.Context, ds []*driver.Delivery, lease time.Duration) error {
	return q.settle(ctx, "extend", ds, func(f *fakeTask, d *driver.Delivery) {
		f.until = time.Now().Add(lease)
		d.LeaseUntil = f.until
	})
}

func (q *fakeQueue) Release(ctx context.Context, ds []*driver.Delivery) error {
	return q.settle(ctx, "release", ds, func(was *fakeTask, d *driver.Delivery) {
		task := d.Task
		if q.forgets {
			task = was.task
		}
		f := &fakeTask{task: task.Clone(), crashes: d.Crashes, due: time.Now().Add(d.Delay)}
		if d.Delay > 0 {
			q.waiting = append(q.waiting, f)
		} else {
			q.ready = append(q.ready, f)
		}
	})
}

func (q *fakeQueue) DeadLetter(ctx context.Context, ds []*driver.Delivery) error {
	return q.settle(ctx, "dead letter", ds, func(_ *fakeTask, d *driver.Delivery) { q.dead = append(q.dead, d.Task.Clone()) })
}

func (q *fakeQueue) Stats(context.Context) (driver.Stats, error) {
	time.Sleep(q.trip)
	return q.numbers()
}

// numbers are the queue's stats, without the round trip.
func (q *fakeQueue) numbers() (driver.Stats, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return driver.Stats{}, driver.ErrClosed
	}
	q.promote()
	return driver.Stats{Ready: int64(len(q.ready)), Scheduled: int64(len(q.waiting)), Leased: int64(len(q.leased)), Dead: int64(len(q.dead))}, nil
}

func (q *fakeQueue) Close() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.closed = true
		q.notify()
	}
	return nil
}

// lines is the ledger up to now.
func (q *fakeQueue) lines() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.ledger)
}

// calls counts the calls whose line in the ledger begins with prefix.
func (q *fakeQueue) calls(prefix string) (n int) {
	for _, line := range q.lines() {
		if strings.HasPrefix(line, prefix) {
			n++
		}
	}
	return n
}

func (q *fakeQueue) completed() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return append([]string(nil), q.done...)
}

func (q *fakeQueue) buried() []*driver.Task {
	q.mu.Lock()
	defer q.mu.Unlock()
	return append([]*driver.Task(nil), q.dead...)
}

// A host is what stands for a manager: it has fake queues.
type host struct {
	clock  driver.Clock
	queues map[string]*fakeQueue
	order  []string
	types  map[string][]string // that the queues declare
	closed bool

	listener *observe.Listener
}

func (h *host) queue(name string) (driver.Queue, *observe.Queue, error) {
	if q := h.queues[name]; q != nil && !h.closed {
		return q, &observe.Queue{Name: name, Provider: "fake", Driver: q}, nil
	}
	return nil, nil, fmt.Errorf("%w %q: open are %q", driver.ErrUnknownQueue, name, h.order)
}

// Enqueue enqueues tasks as a manager does, each on the queue that it names.
func (h *host) Enqueue(ctx context.Context, tasks []*driver.Task) error {
	parts := make(map[string][]*driver.Task)
	for _, t := range tasks {
		driver.Stamp(t, h.clock.Now())
		if err := t.Validate(); err != nil {
			return err
		}
		parts[t.Queue] = append(parts[t.Queue], t)
	}
	for name, part := range parts {
		q, _, err := h.queue(name)
		if err != nil {
			return err
		}
		if _, err := q.Enqueue(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

// Close closes the queues.
func (h *host) Close() error {
	h.closed = true
	var errs []error
	for _, q := range h.queues {
		errs = append(errs, q.Close())
	}
	return errors.Join(errs...)
}

func newPool(h *host, r *Router, cfg Config) (*Pool, error) {
	return New(Host{
		Clock: h.clock, Queue: h.queue, Listener: h.listener,
		Queues: func() []string { return h.order },
		Types:  func(queue string) []string { return h.types[queue] },
		Keeps:  func(driver.ResultStore, []string) {},
		Buries: func(*Router, Burial) {},
	}, r, cfg)
}

// poolBench is what most pool tests need.
type poolBench struct {
	t      testing.TB
	m      *host
	r      *Router
	queues map[string]*fakeQueue
	log    *logTap
}

func newPoolBench(t testing.TB, cfgs ...driver.QueueConfig) *poolBench {
	t.Helper()
	if len(cfgs) == 0 {
		cfgs = []driver.QueueConfig{{Name: "q"}}
	}
	b := &poolBench{t: t, m: &host{clock: driver.SystemClock, types: map[string][]string{}}, r: NewRouter(), queues: map[string]*fakeQueue{}, log: new(logTap)}
	b.m.queues = b.queues
	for _, cfg := range cfgs {
		b.queues[cfg.Name] = newFakeQueue(t, cfg)
		b.m.order, b.m.types[cfg.Name] = append(b.m.order, cfg.Name), cfg.Types
	}
	return b
}

func (b *poolBench) q() *fakeQueue { return b.queues["q"] }

// handle registers a handler for the type "job".
func (b *poolBench) handle(h HandlerFunc) { b.r.Handle(Policy{Type: "job", Queue: "q"}, h) }

func (b *poolBench) pool(cfg Config) *Pool {
	b.t.Helper()
	cfg.Logger = slog.New(b.log)
	p, err := newPool(b.m, b.r, cfg)
	require.NoError(b.t, err)
	return p
}

// put enqueues tasks of type "job" on q, with these IDs.
func (b *poolBench) put(ids ...string) {
	b.t.Helper()
	tasks := make([]*driver.Task, len(ids))
	for i, id := range ids {
		tasks[i] = &driver.Task{ID: id}
	}
	b.putTasks(tasks...)
}

func (b *poolBench) putTask(t *driver.Task) {
	b.t.Helper()
	b.putTasks(t)
}

// putTasks enqueues tasks in one call: who waits for tasks gets all that it asked for.
func (b *poolBench) putTasks(tasks ...*driver.Task) {
	b.t.Helper()
	for _, t := range tasks {
		t.Type, t.Queue = cmp.Or(t.Type, "job"), cmp.Or(t.Queue, "q")
		if t.Payload == nil {
			t.Payload = []byte(`{}`)
		}
	}
	require.NoError(b.t, b.m.Enqueue(context.Background(), tasks))
}

func (b *poolBench) stats(name string) driver.Stats {
	b.t.Helper()
	s, err := b.queues[name].numbers()
	require.NoError(b.t, err)
	return s
}

func (b *poolBench) start(p *Pool) {
	b.t.Helper()
	require.NoError(b.t, p.Start(context.Background()))
}

func (b *poolBench) stop(p *Pool) {
	b.t.Helper()
	require.NoError(b.t, p.Stop(context.Background()))
}

// sheet is a list that handlers write and a test reads.
type sheet[T any] struct {
	mu    sync.Mutex
	lines []T
}

func (s *sheet[T]) add(v T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, v)
}

func (s *sheet[T]) all() []T {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]T(nil), s.lines...)
}

// pass lets time pass in a bubble, and everything settle.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// background runs f until end is called, which waits for its return.
func background(t *testing.T, f func(ctx context.Context)) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() {
		defer close(over)
		f(ctx)
	}()
	return func() {
		cancel()
		<-over
	}
}

// logTap keeps log records as lines.
type logTap struct {
	mu    sync.Mutex
	lines []string
}

func (l *logTap) Enabled(context.Context, slog.Level) bool { return true }
func (l *logTap) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *logTap) WithGroup(string) slog.Handler            { return l }
func (l *logTap) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", r.Level, r.Message)
	r.Attrs(func(a slog.Attr) bool {
		fmt.Fprintf(&b, " %s", a)
		return true
	})
	l.lines = append(l.lines, b.String())
	return nil
}

// count is how many lines hold the text.
func (l *logTap) count(text string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}
