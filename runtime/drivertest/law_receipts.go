package drivertest

import (
	"errors"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// settles are the four ways to use a receipt.
var settles = []struct {
	name string
	do   func(w *env, q driver.Queue, ds []*driver.Delivery) error
}{
	{"Complete", func(w *env, q driver.Queue, ds []*driver.Delivery) error { return q.Complete(w.ctx, ds) }},
	{"Extend", func(w *env, q driver.Queue, ds []*driver.Delivery) error { return q.Extend(w.ctx, ds, long) }},
	{"Release", func(w *env, q driver.Queue, ds []*driver.Delivery) error { return q.Release(w.ctx, ds) }},
	{"DeadLetter", func(w *env, q driver.Queue, ds []*driver.Delivery) error { return q.DeadLetter(w.ctx, ds) }},
}

// receiptCases: law 3.
func receiptCases() []testCase {
	var all []testCase
	for _, s := range settles {
		each := func(name string, run func(w *env, settle func(*env, driver.Queue, []*driver.Delivery) error), requires ...requirement) {
			all = append(all, testCase{
				law: StaleReceipts, name: s.name + " " + name, requires: requires,
				run: func(w *env) { run(w, s.do) },
			})
		}
		each("after redelivery", staleSame)
		each("after redelivery to another process", staleOther, fencing)
		each("of a task that is gone", staleGone, fencing)
		each("with a receipt that was never issued", staleForeign)
		each("of a batch with one task that is gone settles the others", staleBatch, fencing)
		each("of a batch with one stale receipt settles the others", stalePart)
		each("between the end of the lease and redelivery takes effect or is refused, not both", staleLate)
	}
	return append(all,
		testCase{law: StaleReceipts, name: "each delivery of a task has its own receipt", run: staleDistinct},
		testCase{law: StaleReceipts, name: "a stale Release does not change the task", run: staleRelease},
	)
}

type settle = func(*env, driver.Queue, []*driver.Delivery) error

func staleSame(w *env, do settle) {
	q := w.open(runtime.QueueConfig{})
	w.staleness(q, q, do)
}

func staleOther(w *env, do settle) {
	w.staleness(w.open(runtime.QueueConfig{}), w.openOther(runtime.QueueConfig{}), do)
}

// staleness lets a worker come back after its task was given to another one.
func (w *env) staleness(slow, quick driver.Queue, do settle) {
	w.Helper()
	w.put(slow, 1)
	old := w.takeOne(slow, w.lease())
	w.expire()
	fresh := w.takeOne(quick, long)
	w.is(do(w, slow, []*driver.Delivery{old}), runtime.ErrLeaseLost, "the worker that was too slow")
	w.counts(quick, "after the stale receipt", 0, 0, 1, 0)
	w.nothing(quick, "after the stale receipt")
	w.ok(quick.Complete(w.ctx, []*driver.Delivery{fresh}), "complete by the holder of the lease")
	w.counts(quick, "after the holder of the lease completed", 0, 0, 0, 0)
}

func staleGone(w *env, do settle) {
	q := w.open(runtime.QueueConfig{})
	w.put(q, 2)
	ds := w.take(q, 2, long)
	w.ok(q.Complete(w.ctx, ds[:1]), "complete")
	w.bury(q, ds[1])
	for _, d := range ds {
		w.is(do(w, q, []*driver.Delivery{d}), runtime.ErrLeaseLost, "a task that was settled before")
	}
	w.counts(q, "afterwards", 0, 0, 0, 1)
}

func staleForeign(w *env, do settle) {
	q, elsewhere := w.open(runtime.QueueConfig{}), w.open(runtime.QueueConfig{Name: "elsewhere"})
	w.put(q, 1)
	w.put(elsewhere, 1)
	d, far := w.takeOne(q, long), w.takeOne(elsewhere, long)
	for _, receipt := range []driver.Receipt{"", "0", "1", "nonsense", "a:b:c:d", "\x00\xff", d.Receipt + "x", far.Receipt + "0"} {
		if receipt == far.Receipt || receipt == d.Receipt {
			continue
		}
		forged := &driver.Delivery{Task: d.Task.Clone(), Receipt: receipt, LeaseUntil: d.LeaseUntil}
		w.is(do(w, q, []*driver.Delivery{forged}), runtime.ErrLeaseLost, "the made-up receipt %q", receipt)
	}
	w.counts(q, "after made-up receipts", 0, 0, 1, 0)
	w.ok(q.Complete(w.ctx, []*driver.Delivery{d}), "complete with the right receipt")
	w.ok(elsewhere.Complete(w.ctx, []*driver.Delivery{far}), "complete on the other queue")
}

func staleBatch(w *env, do settle) {
	q := w.open(runtime.QueueConfig{})
	w.put(q, 4)
	ds := w.take(q, 4, long)
	w.ok(q.Complete(w.ctx, ds[1:2]), "complete")
	err := do(w, q, ds)
	w.is(err, runtime.ErrLeaseLost, "a batch with one task that is gone")
	var be *runtime.BatchError
	w.check(errors.As(err, &be), "the error of a batch is %T, want a *BatchError", err)
	w.check(len(be.Items) == 1 && be.Items[0].Index == 1 && be.Items[0].ID == ds[1].Task.ID, "the BatchError names %+v, want item 1 alone (%s)", be.Items, ds[1].Task.ID)
	rest := []*driver.Delivery{ds[0], ds[2], ds[3]}
	s, err := q.Stats(w.ctx)
	w.ok(err, "stats")
	w.check(s.Ready+s.Leased+s.Dead == 3 || s.Ready+s.Leased+s.Dead == 0, "stats after the batch are %+v: the three good ones went different ways", s)
	if s.Leased == 3 { // Extend
		w.ok(q.Complete(w.ctx, rest), "complete what was extended")
	}
}

// stalePart settles a batch with one replaced receipt.
func stalePart(w *env, do settle) {
	q := w.open(runtime.QueueConfig{})
	w.put(q, 1)
	old := w.takeOne(q, w.lease())
	w.expire()
	fresh := w.takeOne(q, long)
	w.put(q, 2)
	ds := w.take(q, 2, long)
	err := do(w, q, []*driver.Delivery{ds[0], old, ds[1]})
	w.is(err, runtime.ErrLeaseLost, "a batch with one stale receipt")
	var be *runtime.BatchError
	w.check(errors.As(err, &be), "the error of a batch is %T, want a *BatchError", err)
	w.check(len(be.Items) == 1 && be.Items[0].Index == 1 && be.Items[0].ID == old.Task.ID, "the BatchError names %+v, want item 1 alone (%s)", be.Items, old.Task.ID)
	w.ok(q.Complete(w.ctx, one(fresh)), "complete by the holder of the lease")
}

// staleLate settles a task whose lease is over but which no other worker has. The
// contract allows either answer, if it is true.
func staleLate(w *env, do settle) {
	q := w.open(runtime.QueueConfig{})
	w.put(q, 1)
	d := w.takeOne(q, w.lease())
	w.expire()
	err := do(w, q, []*driver.Delivery{d})
	s, serr := q.Stats(w.ctx)
	w.ok(serr, "stats")
	total := s.Ready + s.Scheduled + s.Leased + s.Dead
	w.check(total <= 1, "one task and the stats %+v", s)
	if err != nil {
		w.is(err, runtime.ErrLeaseLost, "settle after the lease")
		w.check(w.takeOne(q, long).Task.ID == d.Task.ID, "refused, and another task was handed out")
		return
	}
	if s.Ready == 1 { // Release
		w.takeOne(q, long)
		return
	}
	w.nothing(q, "the late settle succeeded")
}

func staleDistinct(w *env) {
	q := w.open(runtime.QueueConfig{})
	w.put(q, 3)
	seen := make(map[driver.Receipt]bool)
	for range 5 {
		back := w.takeOne(q, long)
		for _, d := range append(w.take(q, 2, w.lease()), back) {
			w.check(d.Receipt != "" && !seen[d.Receipt], "the receipt %q was given before", d.Receipt)
			seen[d.Receipt] = true
		}
		w.ok(q.Release(w.ctx, one(back)), "release")
		w.expire()
	}
}

func staleRelease(w *env) {
	q := w.open(runtime.QueueConfig{})
	w.put(q, 1)
	old := w.takeOne(q, w.lease())
	w.expire()
	fresh := w.takeOne(q, long)
	old.Task.RetryCount, old.Task.Metadata = 3, map[string]string{"stale": "yes"}
	w.is(q.Release(w.ctx, []*driver.Delivery{old}), runtime.ErrLeaseLost, "release with a stale receipt")
	w.ok(q.Release(w.ctx, []*driver.Delivery{fresh}), "release by the holder")
	last := w.takeOne(q, long)
	kept := last.Task.RetryCount == 0 || !q.Capabilities().KeepsReleased // else each release is charged
	w.check(kept && len(last.Task.Metadata) == 0, "the stale Release left RetryCount %d and metadata %v", last.Task.RetryCount, last.Task.Metadata)
}
