package drivertest

import (
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// levelCases: law 8, priorities.
func levelCases() []testCase {
	level := func(name string, run func(w *env), more ...requirement) testCase {
		return testCase{law: OrderWherePromised, name: name, requires: append([]requirement{levels}, more...), run: run}
	}
	return []testCase{
		level("the highest level is handed out first", levelFirst),
		level("within a level tasks are handed out in the order of arrival", levelOrder, arriving),
		level("levels are honoured within a batch", levelBatch),
		level("a task that comes back keeps its level", levelBack),
		level("a delayed task joins its level when it is due", levelDelayed, levelDelay),
		level("a level that the queue does not have is refused", levelRefuses),
	}
}

func priority(n int) func(*runtime.Task) {
	return func(t *runtime.Task) { t.Priority = n }
}

func (w *env) prioritized() driver.Queue {
	w.Helper()
	q := w.open(runtime.QueueConfig{Type: runtime.Priority, Levels: 4})
	w.check(q.Capabilities().Priorities >= 4, "a queue of 4 levels and Capabilities.Priorities is %d", q.Capabilities().Priorities)
	return q
}

func levelFirst(w *env) {
	q := w.prioritized()
	for _, n := range []int{1, 3, 0, 2, 3, 1, 0, 2, 2, 3, 0, 1} {
		w.put(q, 1, priority(n))
	}
	for i := range 12 {
		d := w.takeOne(q, long)
		want := 3 - i/3
		w.check(d.Task.Priority == want, "delivery %d is of level %d, want %d", i+1, d.Task.Priority, want)
		w.ok(q.Complete(w.ctx, one(d)), "complete")
	}
}

func levelOrder(w *env) {
	q := w.prioritized()
	byLevel := make([][]string, 4)
	for _, n := range []int{1, 3, 0, 2, 3, 1, 0, 2, 2, 3, 0, 1} {
		byLevel[n] = append(byLevel[n], w.put(q, 1, priority(n))[0].ID)
	}
	var got, want []string
	for n := 3; n >= 0; n-- {
		want = append(want, byLevel[n]...)
	}
	for range want {
		d := w.takeOne(q, long)
		got = append(got, d.Task.ID)
		w.ok(q.Complete(w.ctx, one(d)), "complete")
	}
	w.equal(got, want, "the order of priorities")
}

func levelBatch(w *env) {
	q := w.prioritized()
	low := w.put(q, 10, priority(0))
	high := w.put(q, 3, priority(2))
	got := deliveredIDs(w.take(q, 5, long))
	if !q.Capabilities().FirstInFirstOut {
		w.same(got[:3], ids(high), "the first of a batch over two levels")
		return
	}
	w.equal(got, append(ids(high), ids(low[:2])...), "a batch over two levels")
}

func levelBack(w *env) {
	q := w.prioritized()
	high := w.put(q, 1, priority(3))
	w.put(q, 3, priority(1))
	w.ok(q.Release(w.ctx, w.take(q, 1, long)), "release")
	w.equal(deliveredIDs(w.take(q, 1, w.lease())), ids(high), "the first after a release")
	w.expire()
	d := w.takeOne(q, long)
	w.check(d.Task.ID == high[0].ID && d.Task.Priority == 3, "after a lease ended %s came with priority %d", d.Task.ID, d.Task.Priority)
}

func levelDelayed(w *env) {
	q := w.prioritized()
	delay := w.ample()
	high := w.put(q, 1, priority(3), func(t *runtime.Task) { t.ScheduledFor = w.now().Add(delay) })
	low := w.put(q, 2, priority(1))
	d := w.takeOne(q, long)
	w.check(d.Task.ID == low[0].ID || d.Task.ID == low[1].ID, "before the urgent one is due %s came", d.Task.ID)
	w.advance(delay + q.Capabilities().Lateness)
	if w.clock != nil {
		// The time has jumped, and the broker's answer to the jump takes real time.
		w.becomes(q, "when it is due", 2, 0, 1, 0)
	}
	w.equal(deliveredIDs(w.take(q, 1, long)), ids(high), "when it is due")
}

func levelRefuses(w *env) {
	q, plain := w.prioritized(), w.open(runtime.QueueConfig{Name: "plain", Type: driver.Standard})
	_, err := q.Enqueue(w.ctx, w.tasks(q, 1, priority(4)))
	w.is(err, runtime.ErrInvalidTask, "priority 4 on a queue of 4 levels")
	_, err = plain.Enqueue(w.ctx, w.tasks(plain, 1, priority(1)))
	w.is(err, runtime.ErrInvalidTask, "priority 1 on a standard queue")
	w.counts(q, "after a refusal", 0, 0, 0, 0)
}
