package drivertest

import (
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// chargeCases: law 7, for a provider's own actions that could be charged: deliveries
// that no handler saw, and a delivery of one task charged to another.
func chargeCases() []testCase {
	return []testCase{
		{law: CrashesAreNotFailures, name: testBystanders, requires: []requirement{ordering}, run: chargeBystanders},
		{law: CrashesAreNotFailures, name: testGivenBack, requires: []requirement{uncharged}, run: chargeGivenBack},
	}
}

const (
	testBystanders = "retries of the first task of a group do not charge those behind it, in any process"
	testGivenBack  = "a task that is given back is not charged in any process, however often"
)

// uncharged checks that deliveries report no runs that their tasks did not have.
func (w *env) uncharged(ds []*driver.Delivery, when string) {
	w.Helper()
	for _, d := range ds {
		w.check(d.Task.RetryCount == 0 && d.Crashes == 0, "%s task %s, which never failed, has %d retries and %d crashes", when, d.Task.ID, d.Task.RetryCount, d.Crashes)
	}
}

func chargeBystanders(w *env) {
	const retries = 4
	q, other := w.open(fifo), w.openOther(fifo)
	ts := w.put(q, 4)
	for n := range retries {
		head := w.takeOne(q, long)
		w.check(head.Task.ID == ts[0].ID, "after %d retries of the head %s came", n, head.Task.ID)
		w.check(head.Task.RetryCount == n, "after %d retries the head says %d", n, head.Task.RetryCount)
		head.Task.RetryCount++
		w.ok(q.Release(w.ctx, one(head)), "release the head")
	}
	w.ok(q.Complete(w.ctx, one(w.takeOne(q, long))), "complete the head")
	next := w.takeOne(q, long)
	w.check(next.Task.ID == ts[1].ID, "behind the head %s came", next.Task.ID)
	w.uncharged(one(next), "behind the head")
	w.ok(q.Complete(w.ctx, one(next)), "complete the next")
	w.ok(q.Close(), "close the first process's queue")
	for _, t := range ts[2:] {
		d := w.takeOne(other, long)
		w.check(d.Task.ID == t.ID, "in the other process %s came, want %s", d.Task.ID, t.ID)
		if !other.Capabilities().ExactCrashes { // the first process may have drawn it ahead
			d.Crashes = 0
		}
		w.uncharged(one(d), "in the other process")
		w.ok(other.Complete(w.ctx, one(d)), "complete")
	}
}

// chargeGivenBack gives back more often than any bound on deliveries allows.
func chargeGivenBack(w *env) {
	const times = 2*driver.DefaultMaxDeliveries + 5
	q, other := w.open(runtime.QueueConfig{}), w.openOther(runtime.QueueConfig{})
	w.put(q, 3)
	for range times {
		d := w.takeOne(q, long)
		w.uncharged(one(d), "in the process that gave back")
		w.ok(q.Release(w.ctx, one(d)), "release")
	}
	w.ok(q.Close(), "close the first process's queue")
	for range 3 {
		d := w.takeOne(other, long)
		w.uncharged(one(d), "in another process")
		w.ok(other.Complete(w.ctx, one(d)), "complete")
	}
}
