package drivertest

import (
	"context"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// boundCases: a request beyond a queue's Capabilities is refused, and one at the
// bound is not.
func boundCases() []testCase {
	return []testCase{
		{law: Contract, name: "a delay longer than Capabilities.MaxDelay is refused, and one of that length is not", requires: []requirement{bounded}, run: boundDelay},
		{law: Contract, name: "a lease longer than Capabilities.MaxLease is refused, and one of that length is not", requires: []requirement{limited}, run: boundLease},
		{law: DuplicatesAreReported, name: "a unique key that the queue cannot hold is refused, not ignored", requires: []requirement{keyless}, run: boundKeys},
		{law: PoisonDoesNotLoop, name: "a task that always crashes dies if crashes are charged as failures", requires: []requirement{charging}, run: boundCrashes},
	}
}

func boundDelay(w *env) {
	m := w.manager(runtime.QueueConfig{Name: "q"})
	q, err := m.Queue("q")
	w.ok(err, "queue")
	most := q.Capabilities().MaxDelay
	ts := w.tasks(q, 2, func(t *runtime.Task) { t.ScheduledFor = w.now().Add(most) })
	ts[1].ScheduledFor = w.now().Add(most + time.Minute)
	_, err = m.Enqueue(w.ctx, ts)
	w.is(err, runtime.ErrUnsupported, "a delay of %s", most+time.Minute)
	w.ok(runtime.ErrorAt(err, 0), "a delay of %s", most)
	if most > 0 {
		w.counts(q, "a task with the longest delay", 0, 1, 0, 0)
		return
	}
	w.equal(deliveredIDs(w.take(q, 1, long)), ids(ts[:1]), "a task without delay")
}

func boundLease(w *env) {
	q := w.open(runtime.QueueConfig{})
	most := q.Capabilities().MaxLease
	w.put(q, 1)
	_, err := q.Dequeue(w.ctx, 1, most+time.Second)
	w.is(err, runtime.ErrUnsupported, "a lease of %s", most+time.Second)
	w.counts(q, "after the refusal", 1, 0, 0, 0)
	d := w.takeOne(q, most)
	before := d.LeaseUntil
	w.is(q.Extend(w.ctx, one(d), most+time.Second), runtime.ErrUnsupported, "Extend by %s", most+time.Second)
	w.check(d.LeaseUntil.Equal(before), "a refused Extend moved LeaseUntil from %s to %s", before, d.LeaseUntil)
	w.ok(q.Complete(w.ctx, one(d)), "complete")
	m := runtime.NewManager(runtime.ManagerConfig{Clock: w.ticks()})
	err = m.Open(w.ctx, w.main, w.withDefaults(runtime.QueueConfig{Visibility: most + time.Second}))
	w.is(err, runtime.ErrUnsupported, "opening a queue with a visibility of %s", most+time.Second)
}

func boundKeys(w *env) {
	m := w.manager(runtime.QueueConfig{Name: "q"})
	q, err := m.Queue("q")
	w.ok(err, "queue")
	caps := q.Capabilities()
	refused := func(within time.Duration) {
		w.Helper()
		_, err := m.Enqueue(w.ctx, w.tasks(q, 1, key("k", within)))
		w.is(err, runtime.ErrUnsupported, "a unique key for %s (0: until it is done)", within)
	}
	if !caps.UniqueUntilDone {
		refused(0)
	}
	if caps.DedupWindow != driver.Unlimited {
		refused(caps.DedupWindow + time.Second)
	}
	w.counts(q, "after refusals", 0, 0, 0, 0)
}

// boundCrashes lets leases end until the task has neither retries nor deliveries
// left.
func boundCrashes(w *env) {
	const most = 3
	m := w.manager(runtime.QueueConfig{Name: "q", MaxDeliveries: most})
	q, err := m.Queue("q")
	w.ok(err, "queue")
	w.enqueue(q, w.task(q, func(t *runtime.Task) { t.Type, t.MaxRetries = "letter", 1 }))
	for n := range limitOf(most) {
		d := w.takeOne(q, w.lease())
		w.check(d.Task.RetryCount+d.Crashes == n, "after %d crashes, which are charged, RetryCount is %d and Crashes %d", n, d.Task.RetryCount, d.Crashes)
		w.expire()
	}
	w.drainUntil(m, q, func(s driver.Stats) bool { return s.Dead == 1 }, func(context.Context, letter) error {
		w.Errorf("the handler was called with a task that has used up its retries and deliveries")
		return nil
	})
	w.reason(w.takeOne(w.dead(q), long).Task, driver.ErrMaxDeliveries.Error())
}
