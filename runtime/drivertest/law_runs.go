package drivertest

import (
	"context"
	"sync"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// runCases: law 16.
func runCases() []testCase {
	runs := func(name string, run func(w *env), requires ...requirement) testCase {
		return testCase{law: DiesOfItsOwnRuns, name: name, requires: requires, run: run}
	}
	killed := runs("a task that a killed worker had not begun does not die of it", runsKilled, processes, counting, exact)
	few := runs("few tasks die of killed workers that had not begun them", runsKilled, processes, counting, inexact)
	killed.real, few.real = true, true
	return []testCase{
		runs("a task that is given back is not charged, however often, and runs in the end", runsGivenBack, uncharged, keeping),
		runs("a task that no handler has begun runs before it can die of crashes", runsUnbegun, counting),
		runs("a lease that ended while its worker lived is no crash, once the worker says so", runsLost, excusing),
		killed,
		few,
	}
}

func runsGivenBack(w *env) {
	const most, tasks = 2, 3
	m := w.manager(runtime.QueueConfig{Name: "q", MaxDeliveries: most})
	q, err := m.Queue("q")
	w.ok(err, "queue")
	w.post(m, tasks)
	for n := range 3 * limitOf(most) {
		ds := w.take(q, tasks, long)
		for _, d := range ds {
			w.check(d.Crashes == 0 && d.Task.RetryCount == 0, "given back %d times, task %s has %d crashes and RetryCount %d", n, d.Task.ID, d.Crashes, d.Task.RetryCount)
		}
		w.ok(q.Release(w.ctx, ds), "release")
	}
	w.runsAll(m, q, tasks)
}

// runsAll has a pool run the tasks of a queue, and nothing dies.
func (w *env) runsAll(m *runtime.Manager, q driver.Queue, tasks int) {
	w.Helper()
	var mu sync.Mutex
	ran := make(map[int]bool)
	w.drainUntil(m, q, func(s driver.Stats) bool {
		mu.Lock()
		defer mu.Unlock()
		return len(ran) == tasks || s.Dead > 0
	}, func(_ context.Context, l letter) error {
		mu.Lock()
		defer mu.Unlock()
		ran[l.N] = true
		return nil
	})
	w.counts(q, "after all have run", 0, 0, 0, 0)
}

func runsUnbegun(w *env) {
	const most = 3
	m := w.manager(runtime.QueueConfig{Name: "q", MaxDeliveries: most})
	q, err := m.Queue("q")
	w.ok(err, "queue")
	w.post(m, 2)
	for range limitOf(most) - 1 {
		w.take(q, 2, w.lease())
		w.expire()
	}
	w.runsAll(m, q, 2)
}

func runsLost(w *env) {
	q, other := w.open(runtime.QueueConfig{}), w.openOther(runtime.QueueConfig{})
	w.put(q, 1)
	slow := w.takeOne(q, w.lease())
	w.expire()
	next := w.takeOne(other, w.lease())
	w.check(next.Crashes == 1, "after a lease that ended the delivery says %d crashes", next.Crashes)
	for range 2 { // the second time changes nothing
		w.is(q.Release(w.ctx, one(slow)), runtime.ErrLeaseLost, "release with the receipt of a lease that has ended")
	}
	w.nothing(q, "the task is another worker's")
	w.expire()
	last := w.takeOne(q, w.lease())
	w.check(last.Crashes == 1, "of two leases that ended one was no crash, says its worker, and the delivery says %d", last.Crashes)
	w.is(q.Release(w.ctx, one(slow)), runtime.ErrLeaseLost, "release once more")
	w.expire()
	w.check(w.takeOne(q, long).Crashes == 2, "a receipt took back a crash more than once")
}

// runsKilled kills pools again and again. Each task that dies of it was run that often;
// where crashes are counted inexactly, all but a few were.
func runsKilled(w *env) {
	const kills, tasks, most = 10, 60, 3
	cfg := w.childQueue()
	cfg.MaxDeliveries = most
	q := w.open(cfg)
	want := ids(w.put(q, tasks))
	var lines []string
	for range kills {
		c := w.spawn("work", cfg)
		c.anyMoment(6)
		lines = append(lines, c.kill()...)
	}
	lines = append(lines, w.finish(q, "work")...)
	begun := make(map[string]int)
	for _, r := range w.runs(lines) {
		begun[r.ID]++
	}
	early := make(map[string]bool) // dead, and not run that often
	for _, d := range w.drain(w.dead(q)) {
		if n := begun[d.Task.ID]; n < most {
			early[d.Task.ID] = true
			w.check(!q.Capabilities().ExactCrashes, "task %s died after %d runs, with MaxDeliveries %d: %s", d.Task.ID, n, most, d.Task.Metadata[driver.MetaFailureReason])
		}
	}
	w.check(len(early) <= tasks/10, "of %d tasks %d died before they had run %d times", tasks, len(early), most)
	for _, id := range want {
		w.check(begun[id] > 0 || early[id], "task %s was never run", id)
	}
}
