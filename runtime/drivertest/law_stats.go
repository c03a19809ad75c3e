package drivertest

import (
	"context"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// statsCases: law 12.
func statsCases() []testCase {
	return []testCase{
		{law: StatsTellTheTruth, name: "after each kind of operation", requires: []requirement{tallying, delaying}, run: statsEach},
		{law: StatsTellTheTruth, name: "of ready and dead tasks", run: statsSome},
		{law: StatsTellTheTruth, name: "in another process", run: statsOther},
		{law: StatsTellTheTruth, name: "a lease that ended with its worker's process is no longer counted", requires: []requirement{tallying, freeLeases, noticing}, run: statsEnded},
		{law: StatsTellTheTruth, name: "a drain runs all ready tasks, even if the counts lag", run: statsDrain},
		{law: StatsTellTheTruth, name: "with ten thousand tasks", requires: []requirement{tallying, delaying}, run: statsMany},
		{law: StatsTellTheTruth, name: "the oldest age counts from when a task became due", requires: []requirement{aging, delaying}, run: statsAge},
		{law: StatsTellTheTruth, name: "tasks of a fifo queue that wait behind their group count as ready", requires: []requirement{ordering}, run: statsGroups},
		{law: StatsTellTheTruth, name: "each queue counts its own dead tasks on a shared dead letter queue", requires: []requirement{tracing}, run: statsShared},
		{law: StatsTellTheTruth, name: "at a cost that does not grow with the number of tasks", requires: []requirement{costing}, run: statsCost},
	}
}

func statsEach(w *env) {
	q := w.open(runtime.QueueConfig{})
	w.counts(q, "a new queue", 0, 0, 0, 0)
	lease := w.ample()
	delay := 3 * lease // everything up to the end of two leases happens before
	w.put(q, 10)
	w.counts(q, "Enqueue", 10, 0, 0, 0)
	w.put(q, 5, func(t *runtime.Task) { t.ScheduledFor = w.now().Add(delay) })
	w.counts(q, "Enqueue with a delay", 10, 5, 0, 0)
	ds := w.take(q, 8, long)
	w.counts(q, "Dequeue", 2, 5, 8, 0)
	w.ok(q.Complete(w.ctx, ds[:2]), "complete")
	w.counts(q, "Complete", 2, 5, 6, 0)
	w.ok(q.Release(w.ctx, ds[2:4]), "release")
	w.counts(q, "Release", 4, 5, 4, 0)
	ds[4].Delay = delay
	w.ok(q.Release(w.ctx, ds[4:5]), "release with a delay")
	w.counts(q, "Release with a delay", 4, 6, 3, 0)
	w.bury(q, ds[5])
	w.counts(q, "DeadLetter", 4, 6, 2, 1)
	due := w.now().Add(delay)
	w.ok(q.Extend(w.ctx, ds[6:8], lease), "extend")
	w.counts(q, "Extend", 4, 6, 2, 1)
	w.outlast(lease)
	w.counts(q, "the end of two leases", 6, 6, 0, 1)
	w.advance(due.Sub(w.now()))
	w.counts(q, "the end of the delays", 12, 0, 0, 1)
	w.drain(q)
	w.counts(q, "all completed", 0, 0, 0, 1)
	dead := w.dead(q)
	w.counts(dead, "the dead letter queue as a queue", 1, 0, 0, 0)
	w.ok(dead.Complete(w.ctx, w.take(dead, 1, long)), "complete a dead task")
	w.counts(q, "a dead task completed", 0, 0, 0, 0)
}

// statsDrain has a pool decide that a queue is empty right after it is not: by the
// counts and short looks of a queue that has ExactReady, and else in spite of them.
func statsDrain(w *env) {
	const rounds, tasks = 3, 25
	m := w.manager(runtime.QueueConfig{Name: "q"})
	p := w.pool(m, runtime.PoolConfig{}, func(context.Context, letter) error { return nil })
	for range rounds {
		w.post(m, tasks)
		n, err := p.Drain(w.ctx)
		w.ok(err, "drain")
		w.check(n == tasks, "a drain ran %d of %d tasks and says that this was all", n, tasks)
	}
	n, err := p.Drain(w.ctx)
	w.ok(err, "drain an empty queue")
	w.check(n == 0, "a drain of an empty queue ran %d tasks", n)
}

// statsSome checks only what every queue can count.
func statsSome(w *env) {
	const n = 1000
	q := w.open(runtime.QueueConfig{})
	w.put(q, n)
	w.counts(q, "a thousand enqueued", n, 0, 0, 0)
	ds := w.take(q, 20, long)
	w.counts(q, "twenty leased", n-20, 0, 20, 0)
	w.ok(q.Complete(w.ctx, ds[:5]), "complete")
	w.ok(q.Release(w.ctx, ds[5:10]), "release")
	w.bury(q, ds[10:]...)
	w.counts(q, "five released and ten dead", n-15, 0, 0, 10)
	w.counts(w.dead(q), "the dead letter queue as a queue", 10, 0, 0, 0)
}

func statsOther(w *env) {
	q, other := w.open(runtime.QueueConfig{}), w.openOther(runtime.QueueConfig{})
	w.put(q, 7)
	w.counts(other, "enqueued here, seen there", 7, 0, 0, 0)
	w.take(other, 3, long)
	w.counts(q, "leased there, seen here", 4, 0, 3, 0)
}

// statsEnded closes the provider of a worker that has tasks, which to others is like a
// kill.
func statsEnded(w *env) {
	q := w.open(runtime.QueueConfig{})
	w.put(q, 3)
	p := w.main
	if w.h.Home != InProcess {
		p = w.provider()
	}
	gone := w.openOn(p, runtime.QueueConfig{})
	lease := w.ample()
	w.take(gone, 2, lease)
	w.ok(gone.Close(), "close the worker's handle")
	if p != w.main {
		w.ok(p.Close(), "close the worker's provider")
	}
	w.counts(q, "the worker is gone, its leases hold", 1, 0, 2, 0)
	w.outlast(lease)
	w.counts(q, "its leases have ended", 3, 0, 0, 0)
}

func statsMany(w *env) {
	const n = 10_000
	q := w.open(runtime.QueueConfig{})
	kinds := []string{"one", "two", "three"}
	for range n / 1000 {
		ts := w.tasks(q, 1000)
		for i, t := range ts {
			t.Type = kinds[i%3]
			if i%4 == 0 {
				t.ScheduledFor = w.now().Add(time.Hour)
			}
		}
		w.enqueue(q, ts...)
	}
	w.counts(q, "ten thousand enqueued", 7500, 2500, 0, 0)
	ds := w.take(q, 1000, long)
	w.counts(q, "a thousand leased", 6500, 2500, 1000, 0)
	w.bury(q, ds[:400]...)
	w.ok(q.Complete(w.ctx, ds[400:]), "complete")
	w.counts(q, "some dead, some completed", 6500, 2500, 0, 400)
}

func statsAge(w *env) {
	q := w.open(runtime.QueueConfig{})
	age := func(when string, least, most time.Duration) {
		w.Helper()
		s, err := q.Stats(w.ctx)
		w.ok(err, "stats")
		if w.clock == nil {
			most += w.patience
		}
		w.check(s.OldestAge >= least-5*time.Millisecond && s.OldestAge <= most+5*time.Millisecond, "%s: the oldest age is %s, want %s to %s", when, s.OldestAge, least, most)
	}
	age("an empty queue", 0, 0)
	delay := w.lease()
	w.put(q, 1, func(t *runtime.Task) { t.ScheduledFor = w.now().Add(delay) })
	w.advance(delay / 2)
	s, err := q.Stats(w.ctx)
	w.ok(err, "stats")
	w.check(s.OldestAge == 0 || s.Ready > 0, "nothing is due and the oldest age is %s", s.OldestAge)
	w.advance(delay / 2)
	w.advance(2 * delay)
	age("two delays after it became due", 2*delay, 2*delay)
	w.put(q, 3)
	age("with younger ones beside it", 2*delay, 2*delay)
	w.takeOne(q, long)
	age("the oldest being leased", 0, 0)
	w.advance(delay)
	age("the others grow older", delay, delay)
	w.drainReady(q)
	s, err = q.Stats(w.ctx)
	w.ok(err, "stats")
	w.check(s.OldestAge == 0, "nothing is ready and the oldest age is %s", s.OldestAge)
}

// drainReady completes the ready tasks and leaves the leased ones.
func (w *env) drainReady(q driver.Queue) {
	w.Helper()
	s, err := q.Stats(w.ctx)
	w.ok(err, "stats")
	w.ok(q.Complete(w.ctx, w.take(q, int(s.Ready), long)), "complete")
}

func statsGroups(w *env) {
	q := w.open(fifo)
	w.put(q, 4, group("a"))
	w.put(q, 2, group("b"))
	w.counts(q, "enqueued", 6, 0, 0, 0)
	w.take(q, 2, long)
	w.counts(q, "one of each group leased", 4, 0, 2, 0)
}

func statsShared(w *env) {
	a, b := w.open(runtime.QueueConfig{Name: "a", DLQ: "graves"}), w.open(runtime.QueueConfig{Name: "b", DLQ: "graves"})
	w.put(a, 3)
	w.put(b, 2)
	w.bury(a, w.take(a, 3, long)...)
	w.bury(b, w.take(b, 2, long)...)
	w.counts(a, "three died here", 0, 0, 0, 3)
	w.counts(b, "two died here", 0, 0, 0, 2)
	w.counts(w.dead(a), "the shared dead letter queue", 5, 0, 0, 0)
}

// statsCost compares the work of Stats for the backend with few and with many tasks. It
// measures no time.
func statsCost(w *env) {
	q := w.open(runtime.QueueConfig{})
	cost := func() int64 {
		w.Helper()
		before := w.h.Cost(w.main)
		for range 10 {
			_, err := q.Stats(w.ctx)
			w.ok(err, "stats")
		}
		return w.h.Cost(w.main) - before
	}
	w.put(q, 10)
	few := cost()
	for range 5 {
		w.put(q, 1000)
	}
	many := cost()
	w.check(many <= 2*few, "Stats costs %d with 10 tasks and %d with 5010", few, many)
}
