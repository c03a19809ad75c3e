package drivertest

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// poisonCases: law 6, with a pool in this process. law_kills.go has the handler that
// kills its process.
func poisonCases() []testCase {
	poison := func(name string, run func(w *env), requires ...requirement) testCase {
		return testCase{law: PoisonDoesNotLoop, name: name, requires: requires, run: run}
	}
	return []testCase{
		poison("a task whose payload cannot be read goes to the dead letter queue at once", poisonPayload),
		poison("a task of an unknown type goes to the dead letter queue, at once if the queue says so", poisonType),
		poison("a task whose encoding no worker decodes goes to the dead letter queue at once", poisonEncoding),
		poison("a handler that panics is charged, and the process survives", poisonPanic),
		poison("a task whose leases end MaxDeliveries times is not run again", poisonDeliveries, counting),
		poison("a task that waited longer than its queue's retention is not run until it is redriven", poisonExpired, redriving),
		poison("poison does not hold up other tasks", poisonBeside),
	}
}

// letter is the payload of the suite's typed tasks.
type letter struct {
	N int `json:"n"`
}

var letterSpec = runtime.Spec[letter]{Type: "letter", Queue: "q", Retry: runtime.RetryPolicy{Max: 1, Base: 1}}

// pool makes a pool that runs letters by handle.
func (w *env) pool(m *runtime.Manager, cfg runtime.PoolConfig, handle func(context.Context, letter) error) *runtime.Pool {
	w.Helper()
	r := runtime.NewRouter()
	runtime.Register(r, &letterSpec, handle)
	if cfg.Logger == nil {
		cfg.Logger = w.log
	}
	p, err := runtime.NewPool(m, r, cfg)
	w.ok(err, "new pool")
	return p
}

// post enqueues letters with the numbers from 1 to n.
func (w *env) post(m *runtime.Manager, n int) []string {
	w.Helper()
	batch := make([]letter, n)
	for i := range batch {
		batch[i].N = i + 1
	}
	answers, err := runtime.EnqueueBatch(w.ctx, m, &letterSpec, batch, w.apart)
	w.ok(err, "enqueue")
	all := make([]string, n)
	for i, a := range answers {
		all[i] = a.ID
	}
	return all
}

// apart gives a letter a group of its own, if its queue has the harness's type and that
// is fifo.
func (w *env) apart(t *runtime.Task) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ownGroups[t.Queue] {
		w.seq++
		t.GroupKey = fmt.Sprint("letter-", w.seq)
	}
}

// dies runs one task by a pool and returns it from the dead letter queue.
func (w *env) dies(change func(*runtime.Task), handle func(context.Context, letter) error) *runtime.Task {
	w.Helper()
	m := w.manager(runtime.QueueConfig{Name: "q", Unknown: runtime.BuryUnknown})
	q, err := m.Queue("q")
	w.ok(err, "queue")
	t := w.task(q, change)
	_, err = m.Enqueue(w.ctx, []*runtime.Task{t})
	w.ok(err, "enqueue")
	w.drainUntil(m, q, func(s driver.Stats) bool { return s.Dead == 1 }, handle)
	w.counts(q, "after the poison", 0, 0, 0, 1)
	return w.takeOne(w.dead(q), long).Task
}

// drainUntil drains a queue by a pool, moving the time for retries.
func (w *env) drainUntil(m *runtime.Manager, q driver.Queue, done func(driver.Stats) bool, handle func(context.Context, letter) error) int {
	w.Helper()
	p := w.pool(m, runtime.PoolConfig{Workers: 2}, handle)
	runs := 0
	ctx, cancel := context.WithTimeout(w.ctx, w.patience) // poison that loops keeps a drain from ending
	defer cancel()
	w.eventually(func() bool {
		n, err := p.Drain(ctx)
		w.ok(err, "drain")
		runs += n
		s, err := q.Stats(w.ctx)
		w.ok(err, "stats")
		if s.Scheduled > 0 || !q.Capabilities().CountsScheduled {
			w.advance(w.lease() / 4)
		}
		return done(s)
	}, "the pool has done its work")
	return runs
}

func (w *env) reason(t *runtime.Task, want string) {
	w.Helper()
	got := t.Metadata[driver.MetaFailureReason]
	w.check(strings.Contains(got, want), "the failure reason is %q, want %q in it", got, want)
	w.check(t.Metadata[driver.MetaOriginalQueue] == "q", "the original queue is %q", t.Metadata[driver.MetaOriginalQueue])
}

func never(w *env) func(context.Context, letter) error {
	return func(context.Context, letter) error {
		w.Errorf("the handler was called with poison")
		return nil
	}
}

func poisonPayload(w *env) {
	t := w.dies(func(t *runtime.Task) { t.Type, t.Payload = "letter", []byte(`["not","a","letter"]`) }, never(w))
	w.reason(t, runtime.ErrInvalidTask.Error())
	w.check(string(t.Payload) == `["not","a","letter"]`, "the payload of the dead task is %q", t.Payload)
	w.check(t.Metadata[driver.MetaAttempts] == "1", "it died after %s attempts", t.Metadata[driver.MetaAttempts])
}

func poisonType(w *env) {
	t := w.dies(func(t *runtime.Task) { t.Type = "no such type" }, never(w))
	w.reason(t, driver.ErrUnknownType.Error())
}

func poisonEncoding(w *env) {
	t := w.dies(func(t *runtime.Task) { t.Type, t.Encoding, t.Payload = "letter", "rot13", []byte("\x00\xff") }, never(w))
	w.reason(t, "rot13")
}

func poisonPanic(w *env) {
	t := w.dies(func(t *runtime.Task) { t.Type, t.MaxRetries = "letter", 1 }, func(context.Context, letter) error { panic("a bug in a handler") })
	w.reason(t, "a bug in a handler")
	w.check(t.Metadata[driver.MetaAttempts] == "2", "it died after %s attempts, want 2", t.Metadata[driver.MetaAttempts])
}

func poisonDeliveries(w *env) {
	m := w.manager(runtime.QueueConfig{Name: "q", MaxDeliveries: 3})
	q, err := m.Queue("q")
	w.ok(err, "queue")
	w.post(m, 1)
	for range limitOf(3) {
		w.takeOne(q, w.lease())
		w.expire()
	}
	w.drainUntil(m, q, func(s driver.Stats) bool { return s.Dead == 1 }, never(w))
	w.reason(w.takeOne(w.dead(q), long).Task, driver.ErrMaxDeliveries.Error())
}

func poisonExpired(w *env) {
	m := w.manager(runtime.QueueConfig{Name: "q", Retention: 2 * w.lease()})
	q, err := m.Queue("q")
	w.ok(err, "queue")
	w.post(m, 1)
	w.advance(2*w.lease() + time.Second)
	w.drainUntil(m, q, func(s driver.Stats) bool { return s.Dead == 1 }, never(w))
	d := w.takeOne(w.dead(q), long)
	w.reason(d.Task, driver.ErrTaskExpired.Error())
	w.ok(w.dead(q).Release(w.ctx, one(d)), "release the dead task")
	_, err = q.(driver.Redriver).Redrive(w.ctx, nil)
	w.ok(err, "redrive")
	runs := w.drainUntil(m, q, func(s driver.Stats) bool { return s.Ready+s.Leased == 0 }, func(context.Context, letter) error { return nil })
	w.check(runs == 1, "a redriven task was run %d times", runs)
	w.counts(q, "after the redriven task", 0, 0, 0, 0)
}

func poisonBeside(w *env) {
	m := w.manager(runtime.QueueConfig{Name: "q", Unknown: runtime.BuryUnknown})
	q, err := m.Queue("q")
	w.ok(err, "queue")
	w.put(q, 5, func(t *runtime.Task) { t.Type = "no such type" })
	w.post(m, 20)
	w.put(q, 5, func(t *runtime.Task) { t.Type, t.Payload = "letter", []byte(`"?"`) })
	seen := make(chan int, 100)
	w.drainUntil(m, q, func(s driver.Stats) bool { return s.Ready+s.Leased+s.Scheduled == 0 && s.Dead == 10 }, func(_ context.Context, l letter) error {
		seen <- l.N
		return nil
	})
	w.check(len(seen) == 20, "of 20 good tasks %d were run", len(seen))
	w.counts(q, "after all", 0, 0, 0, 10)
}
