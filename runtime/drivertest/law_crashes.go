package drivertest

import (
	"github.com/taskgen/taskgen/runtime"
)

// crashCases: law 7, as far as it can be seen without a pool.
func crashCases() []testCase {
	counts := func(name string, run func(w *env), more ...requirement) testCase {
		return testCase{law: CrashesAreNotFailures, name: name, requires: append([]requirement{counting, uncharged}, more...), run: run}
	}
	return []testCase{
		counts("a lease that ends without an outcome is counted and not charged", crashCounted),
		counts("a release is charged as its worker says, and is no crash", crashReleased, keeping),
		{law: CrashesAreNotFailures, name: "a task that a stopping pool gives back is not charged", requires: []requirement{uncharged}, run: stopCancels},
		counts("crashes are counted beyond MaxDeliveries: the pool decides, not the queue", crashBeyond),
	}
}

func crashCounted(w *env) {
	q := w.open(runtime.QueueConfig{})
	w.put(q, 2)
	for n := range 4 {
		for _, d := range w.take(q, 2, w.lease()) {
			w.check(d.Crashes == n, "delivery %d says %d crashes", n+1, d.Crashes)
			w.check(d.Task.RetryCount == 0 && d.Attempt() == 1, "delivery %d says RetryCount %d", n+1, d.Task.RetryCount)
		}
		w.expire()
	}
}

func crashReleased(w *env) {
	q := w.open(runtime.QueueConfig{})
	w.put(q, 1)
	w.takeOne(q, w.lease())
	w.expire()
	for n := range 3 {
		d := w.takeOne(q, long)
		w.check(d.Crashes == 1, "after one crash and %d releases the delivery says %d crashes", n, d.Crashes)
		w.check(d.Task.RetryCount == n, "after %d charged releases RetryCount is %d", n, d.Task.RetryCount)
		d.Task.RetryCount++
		w.ok(q.Release(w.ctx, one(d)), "release")
	}
	d := w.takeOne(q, long)
	w.ok(q.Release(w.ctx, one(d)), "release without a charge")
	d = w.takeOne(q, long)
	w.check(d.Task.RetryCount == 3 && d.Attempt() == 4, "after a release without a charge RetryCount is %d", d.Task.RetryCount)
}

func crashBeyond(w *env) {
	q := w.open(runtime.QueueConfig{MaxDeliveries: 2})
	w.put(q, 1)
	for range 4 {
		w.takeOne(q, w.lease())
		w.expire()
	}
	d := w.takeOne(q, long)
	w.check(d.Crashes == 4, "after four crashes the delivery says %d", d.Crashes)
	w.counts(q, "after four crashes with MaxDeliveries 2", 0, 0, 1, 0)
}
