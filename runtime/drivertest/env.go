package drivertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/tasktest"
)

// Bounds of the suite's waits. A wait for an expected event is long, because a test
// machine may be slow; it ends with the event. A wait for an event that must not happen
// is short: it can miss a fault, but never report one that is not there.
const (
	defaultPatience = 45 * time.Second
	quietWait       = 40 * time.Millisecond
	minPoll         = 2 * time.Millisecond
	maxPoll         = 50 * time.Millisecond
)

// A poller polls for an expected event. The time between two polls begins at minPoll and
// grows: a poll takes time of the broker, and so of the event.
type poller struct{ pause time.Duration }

// wait waits until the next poll.
func (l *poller) wait() {
	l.pause = min(max(l.pause*5/4, minPoll), maxPoll)
	<-time.After(l.pause)
}

// quietWait is the length of a wait for a task that must not come. A broker's answer takes
// time: one that arrives later is missed.
func (w *env) quietWait() time.Duration {
	if w.h.Home == OnServer && w.clock == nil {
		return w.scaled(3 * quietWait)
	}
	return quietWait
}

// An env is the environment of one test of the suite: data, a provider on it, a clock.
type env struct {
	testing.TB
	h     *Harness
	addr  string
	clock *tasktest.Clock // nil: the machine's
	// patience is how long the test waits for an expected event.
	patience   time.Duration
	timeFactor time.Duration // factor of leases, delays and bounds on the machine's clock
	main       runtime.Provider
	ctx        context.Context
	log        *slog.Logger // for pools: problems are in the test's log

	mu        sync.Mutex
	seq       int
	latches   []func()
	ownGroups map[string]bool // queues of groups, by name, on which each task has a group of its own
}

func newEnv(tb testing.TB, h *Harness, c testCase, patience time.Duration) *env {
	data := h.Data
	if c.alone && h.Alone != nil {
		data = h.Alone
	}
	w := &env{TB: tb, h: h, addr: data(tb), patience: patience, timeFactor: time.Duration(max(1, c.timeFactor)), ownGroups: make(map[string]bool)}
	real := c.real
	if h.UsesClock && !real {
		w.clock = tasktest.NewClock(time.Now().Truncate(time.Second))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 4*patience+time.Minute)
	w.ctx = ctx
	w.log = slog.New(slog.NewTextHandler(newTestLog(tb), &slog.HandlerOptions{Level: slog.LevelWarn}))
	w.main = w.provider()
	tb.Cleanup(cancel)
	return w
}

// provider opens the data of the test once more.
func (w *env) provider() runtime.Provider {
	w.Helper()
	p, err := w.h.Open(w.addr, w.ticks())
	if err != nil {
		w.Fatalf("open the provider: %v", err)
	}
	w.Cleanup(func() { _ = p.Close() })
	return p
}

// open opens a queue. Without a name it is called "q".
func (w *env) open(cfg runtime.QueueConfig) driver.Queue {
	w.Helper()
	return w.openOn(w.main, cfg)
}

// openOther opens a queue as another process would: by another provider on the same data,
// or, if there can be none, by a second handle.
func (w *env) openOther(cfg runtime.QueueConfig) driver.Queue {
	w.Helper()
	return w.openOn(w.otherProvider(), cfg)
}

// otherProvider is a provider of another process, or, if there can be none, the test's own.
func (w *env) otherProvider() runtime.Provider {
	w.Helper()
	if w.h.Home == InProcess {
		return w.main
	}
	return w.provider()
}

func (w *env) openOn(p runtime.Provider, cfg runtime.QueueConfig) driver.Queue {
	w.Helper()
	cfg = w.withDefaults(cfg)
	q, err := p.Open(w.ctx, cfg)
	w.ok(err, "open queue %q", cfg.Name)
	return q
}

// withDefaults completes a test's declaration: without a name the queue is "q", and without a
// type it has the harness's. A dead letter queue is a standard one, whatever queue it
// belongs to.
func (w *env) withDefaults(cfg runtime.QueueConfig) runtime.QueueConfig {
	if cfg.Name == "" {
		cfg.Name = "q"
	}
	if cfg.Type == "" {
		cfg.Type = w.h.Type
		w.mu.Lock()
		w.ownGroups[cfg.Name] = cfg.Type == runtime.FIFO
		w.mu.Unlock()
	}
	return cfg
}

// dlq declares the dead letter queue of a queue as a queue.
func dlq(q driver.Queue) runtime.QueueConfig {
	return runtime.QueueConfig{Name: q.Config().DLQ, Type: driver.Standard}
}

// manager opens queues through a manager, as programs do.
func (w *env) manager(cfgs ...runtime.QueueConfig) *runtime.Manager {
	w.Helper()
	m := runtime.NewManager(runtime.ManagerConfig{Clock: w.ticks()})
	for _, cfg := range cfgs {
		w.ok(m.Open(w.ctx, w.main, w.withDefaults(cfg)), "open queue %q", cfg.Name)
	}
	w.Cleanup(func() { _ = m.Close() })
	return m
}

// ticks is the test's clock.
func (w *env) ticks() driver.Clock {
	if w.clock != nil {
		return w.clock
	}
	return driver.SystemClock
}

// now is the time on the test's clock.
func (w *env) now() time.Time {
	return w.ticks().Now()
}

// advance lets time pass.
func (w *env) advance(d time.Duration) {
	if w.clock != nil {
		w.clock.Advance(d)
		return
	}
	<-time.After(d)
}

// scaled is the time that a machine gets for d of work, longer when it is busy.
func (w *env) scaled(d time.Duration) time.Duration { return w.timeFactor * d }

// lease is a lease that ends soon: tests wait for its end.
func (w *env) lease() time.Duration {
	if w.clock != nil {
		return 30 * time.Second
	}
	return w.scaled(max(time.Second, 2*w.h.caps.Granularity))
}

// ample is a lease or delay within which a test does a few things more, on a busy
// machine too.
func (w *env) ample() time.Duration {
	if w.clock != nil {
		return w.lease()
	}
	return w.scaled(max(4*time.Second, 2*w.h.caps.Granularity))
}

// brief is a lease or delay for tests in real time that wait for its end and do not use
// the moment before it.
func (w *env) brief() time.Duration {
	return w.scaled(max(400*time.Millisecond, w.h.caps.Granularity))
}

// long is a lease that no test outlives.
const long = 10 * time.Minute

// expire lets a lease of w.lease() end.
func (w *env) expire() { w.outlast(w.lease()) }

// outlast lets a lease end that was given now or before.
func (w *env) outlast(lease time.Duration) { w.advance(lease + 5*time.Millisecond) }

func (w *env) ok(err error, format string, args ...any) {
	w.Helper()
	if err != nil {
		w.Fatalf("%s: %v", fmt.Sprintf(format, args...), err)
	}
}

func (w *env) is(err, want error, format string, args ...any) {
	w.Helper()
	if !errors.Is(err, want) {
		w.Fatalf("%s: the error is %v, want one that wraps %q", fmt.Sprintf(format, args...), err, want)
	}
}

func (w *env) check(ok bool, format string, args ...any) {
	w.Helper()
	if !ok {
		w.Fatalf(format, args...)
	}
}

// eventually waits until cond holds.
func (w *env) eventually(cond func() bool, format string, args ...any) {
	w.Helper()
	deadline := time.After(w.patience)
	for poll := new(poller); !cond(); poll.wait() {
		select {
		case <-deadline:
			w.Fatalf("still not after %s: %s", w.patience, fmt.Sprintf(format, args...))
		default:
		}
	}
}

// sampleShape is the shape of the tasks that task makes.
const sampleShape = "5a9d0b1c00fe"

// task makes a valid task for a queue, with an ID that no other task has.
func (w *env) task(q driver.Queue, change ...func(*runtime.Task)) *runtime.Task {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seq++
	n := w.seq
	t := &runtime.Task{
		ID: fmt.Sprintf("task-%06d", n), Type: "work", Queue: q.Config().Name, CreatedAt: w.now(),
		Payload: fmt.Appendf(nil, `{"n":%d}`, n), MaxRetries: 3, Shape: sampleShape,
	}
	if q.Config().Type == runtime.FIFO {
		t.GroupKey = "group"
		if w.ownGroups[q.Config().Name] {
			t.GroupKey += "-" + t.ID
		}
	}
	for _, f := range change {
		f(t)
	}
	return t
}

func (w *env) tasks(q driver.Queue, n int, change ...func(*runtime.Task)) []*runtime.Task {
	ts := make([]*runtime.Task, n)
	for i := range ts {
		ts[i] = w.task(q, change...)
	}
	return ts
}

func (w *env) enqueue(q driver.Queue, ts ...*runtime.Task) []runtime.Enqueued {
	w.Helper()
	answers, err := q.Enqueue(w.ctx, ts)
	w.ok(err, "enqueue %d tasks", len(ts))
	w.check(len(answers) == len(ts), "%d answers for %d tasks", len(answers), len(ts))
	return answers
}

// put enqueues n plain tasks and returns them.
func (w *env) put(q driver.Queue, n int, change ...func(*runtime.Task)) []*runtime.Task {
	w.Helper()
	ts := w.tasks(q, n, change...)
	w.enqueue(q, ts...)
	return ts
}

// some leases what one call hands out, at most n tasks.
func (w *env) some(q driver.Queue, n int, lease time.Duration) []*driver.Delivery {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, w.patience)
	defer cancel()
	for {
		ds, err := q.Dequeue(ctx, n, lease)
		if errors.Is(err, driver.ErrNoTasks) && ctx.Err() == nil {
			continue // the provider's own longest wait
		}
		w.ok(err, "dequeue")
		w.check(len(ds) > 0 && len(ds) <= n, "Dequeue with limit %d returned %d tasks and no error", n, len(ds))
		return ds
	}
}

// take leases n tasks, in as many calls as it needs.
func (w *env) take(q driver.Queue, n int, lease time.Duration) []*driver.Delivery {
	w.Helper()
	var got []*driver.Delivery
	for len(got) < n {
		got = append(got, w.some(q, n-len(got), lease)...)
	}
	return got
}

func (w *env) takeOne(q driver.Queue, lease time.Duration) *driver.Delivery {
	w.Helper()
	return w.take(q, 1, lease)[0]
}

// nothing checks that the queue hands out nothing now.
func (w *env) nothing(q driver.Queue, format string, args ...any) {
	w.Helper()
	ds, err := w.dequeueWithin(q, 10, w.quietWait())
	if len(ds) > 0 {
		w.Fatalf("%s: the queue handed out %v", fmt.Sprintf(format, args...), deliveredIDs(ds))
	}
	w.is(err, driver.ErrNoTasks, "%s: Dequeue of an empty queue", fmt.Sprintf(format, args...))
}

// drain leases and completes all tasks of the queue that are due now, and returns them
// in order.
func (w *env) drain(q driver.Queue) []*driver.Delivery {
	w.Helper()
	var all []*driver.Delivery
	for asked := time.Now(); ; {
		s, err := q.Stats(w.ctx)
		w.ok(err, "stats")
		var ds []*driver.Delivery
		switch {
		case s.Ready > 0 || s.Leased > 0:
			// Counts may trail, and a killed worker's task comes back, or goes if the worker
			// had buried it but not yet removed it. A Dequeue shows which.
			if ds = w.leaseReady(q, 100); len(ds) == 0 {
				w.check(time.Since(asked) < w.patience, "after %s nothing comes, and the queue counts %+v", w.patience, s)
				continue
			}
		case !q.Capabilities().CountsLeased:
			ds = w.leaseReady(q, 100) // a leased task may have come back
		}
		if len(ds) == 0 {
			return all
		}
		w.ok(q.Complete(w.ctx, ds), "complete")
		all, asked = append(all, ds...), time.Now()
	}
}

// leaseReady leases the ready tasks, if any.
func (w *env) leaseReady(q driver.Queue, n int) []*driver.Delivery {
	w.Helper()
	ds, err := w.dequeueWithin(q, n, 4*w.quietWait())
	if !errors.Is(err, driver.ErrNoTasks) {
		w.ok(err, "dequeue")
	}
	return ds
}

// dequeueWithin is a Dequeue that waits for d at most. A receive that goes on behind it must
// not meet a later move of the clock or a later step of the test: it would take a task
// that no worker is to have now, and keep it for good if the clock stands still.
func (w *env) dequeueWithin(q driver.Queue, n int, d time.Duration) ([]*driver.Delivery, error) {
	ctx, cancel := context.WithTimeout(w.ctx, d)
	defer cancel()
	if w.clock == nil {
		return q.Dequeue(ctx, n, long)
	}
	var behind sync.WaitGroup
	ds, err := q.Dequeue(driver.HearBehind(ctx, func() func() {
		behind.Add(1)
		return behind.Done
	}), n, long)
	over := make(chan struct{})
	go func() {
		behind.Wait()
		close(over)
	}()
	select {
	case <-over:
	case <-time.After(w.patience):
		w.Errorf("a receive that goes on behind a Dequeue has not ended after %s", w.patience)
	}
	return ds, err
}

// dead opens the dead letter queue of a queue as a queue.
func (w *env) dead(q driver.Queue) driver.Queue {
	w.Helper()
	return w.open(dlq(q))
}

// bury dead-letters deliveries as a pool does.
func (w *env) bury(q driver.Queue, ds ...*driver.Delivery) {
	w.Helper()
	w.ok(w.deadLetter(q, ds), "dead letter")
}

func (w *env) deadLetter(q driver.Queue, ds []*driver.Delivery) error {
	for _, d := range ds {
		driver.RecordDeath(d.Task, q.Config().Name, w.now(), errors.New("it failed"))
	}
	return q.DeadLetter(w.ctx, ds)
}

// latch returns a channel on which handlers wait, and a function that opens it. It opens
// at the end of the test at the latest.
func (w *env) latch() (shut <-chan struct{}, open func()) {
	c := make(chan struct{})
	open = sync.OnceFunc(func() { close(c) })
	w.mu.Lock()
	w.latches = append(w.latches, open)
	w.mu.Unlock()
	w.Cleanup(open)
	return c, open
}

// openLatches opens all latches, so that a pool can be stopped.
func (w *env) openLatches() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, open := range w.latches {
		open()
	}
}

// A testLog writes to the log of a test until the test is over.
type testLog struct {
	tb   testing.TB
	mu   sync.Mutex
	over bool
}

func newTestLog(tb testing.TB) *testLog {
	l := &testLog{tb: tb}
	tb.Cleanup(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.over = true
	})
	return l
}

func (l *testLog) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.over {
		l.tb.Logf("%s", bytes.TrimSpace(line))
	}
	return len(line), nil
}
