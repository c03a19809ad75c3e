package drivertest

import (
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// uniqueCases: law 9.
func uniqueCases() []testCase {
	done := func(name string, run func(w *env)) testCase {
		return testCase{law: DuplicatesAreReported, name: name, requires: []requirement{untilDone}, run: run}
	}
	window := func(name string, run func(w *env)) testCase {
		return testCase{law: DuplicatesAreReported, name: name, requires: []requirement{uniqueness}, run: run}
	}
	return []testCase{
		done("a duplicate is reported with the ID of the first task", uniqueTold),
		done("a key is taken only on its own queue", uniqueQueues),
		done("duplicates within a batch are reported", uniqueBatch),
		done("a task that is enqueued again is reported as a duplicate of itself", uniqueAgain),
		done("a key without a window is free after Complete", uniqueComplete),
		done("a key without a window is free after DeadLetter", uniqueDead),
		{law: DuplicatesAreReported, name: "a key is held while its task is delayed, leased, released and leased again", requires: []requirement{untilDone, delaying}, run: uniqueHeld},
		done("of concurrent enqueues with the same key, one succeeds and the others are reported as duplicates", uniqueCrowd),
		window("a key with a window is held for the window, whatever becomes of the task", uniqueWindow),
		window("a key is free when its window is over, even if its task still waits", uniqueOver),
		{law: DuplicatesAreReported, name: "a cancelled task frees its key", requires: []requirement{untilDone, cancelling}, run: uniqueCancel},
		{law: DuplicatesAreReported, name: "a purged task frees its key", requires: []requirement{untilDone, purging}, run: uniquePurge},
		{law: DuplicatesAreReported, name: "a redriven task does not take its key again", requires: []requirement{untilDone, redriving}, run: uniqueRedrive},
	}
}

func key(k string, within time.Duration) func(*runtime.Task) {
	return func(t *runtime.Task) { t.UniqueKey, t.UniqueFor = k, within }
}

// claim enqueues a task with a key and returns the holder of the key.
func (w *env) claim(q driver.Queue, k string, within time.Duration) (holder string, first bool) {
	w.Helper()
	t := w.task(q, key(k, within))
	a := w.enqueue(q, t)[0]
	w.check(a.Duplicate != (a.ID == t.ID), "the answer to task %s is %+v", t.ID, a)
	return a.ID, !a.Duplicate
}

// taken checks that a task holds a key.
func (w *env) taken(q driver.Queue, k string, by, when string) {
	w.Helper()
	id, first := w.claim(q, k, 0)
	w.check(!first, "%s: the key %q was free", when, k)
	w.check(id == by, "%s: the key %q is said to be held by %s, not %s", when, k, id, by)
}

func (w *env) free(q driver.Queue, k, when string) string {
	w.Helper()
	id, first := w.claim(q, k, 0)
	w.check(first, "%s: the key %q is held by %s", when, k, id)
	return id
}

func uniqueTold(w *env) {
	q, other := w.open(runtime.QueueConfig{}), w.openOther(runtime.QueueConfig{})
	id := w.free(q, "k", "at first")
	w.taken(q, "k", id, "the second time")
	w.taken(other, "k", id, "from another process")
	w.free(q, "K", "another key")
	w.free(q, "κλειδί with spaces:and{braces}", "an unusual key")
	w.counts(q, "after duplicates", 3, 0, 0, 0)
}

func uniqueQueues(w *env) {
	q, elsewhere := w.open(runtime.QueueConfig{}), w.open(runtime.QueueConfig{Name: "elsewhere"})
	w.free(q, "k", "at first")
	w.free(elsewhere, "k", "on another queue")
}

func uniqueBatch(w *env) {
	q := w.open(runtime.QueueConfig{})
	ts := w.tasks(q, 4, key("k", 0))
	ts[2].UniqueKey = "other"
	as := w.enqueue(q, ts...)
	want := []runtime.Enqueued{{ID: ts[0].ID}, {ID: ts[0].ID, Duplicate: true}, {ID: ts[2].ID}, {ID: ts[0].ID, Duplicate: true}}
	for i, a := range as {
		w.check(a.ID == want[i].ID && a.Duplicate == want[i].Duplicate, "answer %d is %+v, want ID %s and Duplicate %t", i, a, want[i].ID, want[i].Duplicate)
	}
	w.counts(q, "after a batch with duplicates", 2, 0, 0, 0)
}

// uniqueAgain repeats an enqueue, like a caller who got no answer: with a key that is
// no error.
func uniqueAgain(w *env) {
	q := w.open(runtime.QueueConfig{})
	t := w.task(q, key("k", 0))
	w.enqueue(q, t)
	a := w.enqueue(q, t)[0]
	w.check(a.Duplicate && a.ID == t.ID, "the answer to the same task again is %+v", a)
	w.counts(q, "sent twice", 1, 0, 0, 0)
}

func uniqueComplete(w *env) {
	q := w.open(runtime.QueueConfig{})
	for range 3 {
		id := w.free(q, "k", "before")
		d := w.takeOne(q, long)
		w.taken(q, "k", id, "while it is leased")
		w.ok(q.Complete(w.ctx, one(d)), "complete")
	}
}

func uniqueDead(w *env) {
	q := w.open(runtime.QueueConfig{})
	w.free(q, "k", "before")
	w.bury(q, w.takeOne(q, long))
	w.free(q, "k", "after DeadLetter")
}

func uniqueHeld(w *env) {
	q := w.open(runtime.QueueConfig{})
	delay := w.lease() / 2
	t := w.task(q, key("k", 0), func(t *runtime.Task) { t.ScheduledFor = w.now().Add(delay) })
	w.enqueue(q, t)
	w.taken(q, "k", t.ID, "while it is delayed")
	w.advance(delay)
	w.takeOne(q, w.lease())
	w.taken(q, "k", t.ID, "while it is leased")
	w.expire()
	w.taken(q, "k", t.ID, "after its lease ended")
	d := w.takeOne(q, long)
	d.Delay = delay
	w.ok(q.Release(w.ctx, one(d)), "release")
	w.taken(q, "k", t.ID, "while it waits for its retry")
}

func uniqueCrowd(w *env) {
	const callers, keys = 12, 20
	handles := []driver.Queue{w.open(runtime.QueueConfig{}), w.openOther(runtime.QueueConfig{})}
	var (
		wg      sync.WaitGroup
		mu      sync.Mutex
		firsts  = make(map[string][]string)
		holders = make(map[string]map[string]bool)
	)
	for i := range callers {
		wg.Go(func() {
			for k := range keys {
				name := at("key-%d", k)
				t := w.task(handles[i%2], key(name, 0))
				as, err := handles[i%2].Enqueue(w.ctx, []*runtime.Task{t})
				if err != nil {
					w.Errorf("enqueue beside others: %v", err)
					return
				}
				mu.Lock()
				if !as[0].Duplicate {
					firsts[name] = append(firsts[name], t.ID)
				}
				if holders[name] == nil {
					holders[name] = make(map[string]bool)
				}
				holders[name][as[0].ID] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for name, who := range firsts {
		w.check(len(who) == 1, "%q was taken by %v", name, who)
		w.check(len(holders[name]) == 1 && holders[name][who[0]], "%q is %s's, and callers were told %v", name, who[0], holders[name])
	}
	w.counts(handles[0], "one task for each key", keys, 0, 0, 0)
}

func uniqueWindow(w *env) {
	q := w.open(runtime.QueueConfig{})
	within := 4 * w.lease()
	done := w.task(q, key("done", within))
	dead := w.task(q, key("dead", within))
	w.enqueue(q, done, dead)
	ds := w.take(q, 2, long)
	for _, d := range ds {
		if d.Task.ID == done.ID {
			w.ok(q.Complete(w.ctx, one(d)), "complete")
		} else {
			w.bury(q, d)
		}
	}
	w.taken(q, "done", done.ID, "completed within the window")
	w.taken(q, "dead", dead.ID, "dead within the window")
	if w.clock != nil {
		w.advance(within - 10*time.Millisecond)
		w.taken(q, "done", done.ID, "shortly before the window is over")
		w.taken(q, "dead", dead.ID, "shortly before the window is over")
		w.advance(20 * time.Millisecond)
	} else {
		w.advance(within + 100*time.Millisecond)
	}
	w.free(q, "done", "after the window")
	w.free(q, "dead", "after the window")
}

func uniqueOver(w *env) {
	q := w.open(runtime.QueueConfig{})
	w.enqueue(q, w.task(q, key("k", w.lease())))
	w.expire()
	w.advance(100 * time.Millisecond)
	w.free(q, "k", "after the window")
	w.counts(q, "two tasks of one key, the first one's window being over", 2, 0, 0, 0)
}

func uniqueCancel(w *env) {
	q := w.open(runtime.QueueConfig{})
	id := w.free(q, "k", "before")
	_, err := q.(driver.Canceller).Cancel(w.ctx, []string{id})
	w.ok(err, "cancel")
	w.free(q, "k", "after Cancel")
}

func uniquePurge(w *env) {
	q := w.open(runtime.QueueConfig{})
	w.free(q, "k", "before")
	_, err := q.(driver.Purger).Purge(w.ctx)
	w.ok(err, "purge")
	w.free(q, "k", "after Purge")
}

func uniqueRedrive(w *env) {
	q := w.open(runtime.QueueConfig{})
	w.free(q, "k", "before")
	w.bury(q, w.takeOne(q, long))
	id := w.free(q, "k", "after DeadLetter")
	moved, err := q.(driver.Redriver).Redrive(w.ctx, nil)
	w.ok(err, "redrive")
	w.check(len(moved) == 1, "one dead task and %d redriven", len(moved))
	w.taken(q, "k", id, "after the redrive")
	w.counts(q, "after the redrive", 2, 0, 0, 0)
	w.check(len(w.drain(q)) == 2, "two tasks did not come out")
	w.free(q, "k", "after both are done")
}
