package drivertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// lossCases: law 1, as far as it can be tested without killing anything.
func lossCases() []testCase {
	return []testCase{
		{law: NothingIsLost, name: "every task of every batch is handed out once", run: lossBatches},
		{law: NothingIsLost, name: "another process sees the tasks that this one enqueued", run: lossOther},
		{law: NothingIsLost, name: "whatever workers do, each task ends completed or dead", run: lossWalk},
		{law: NothingIsLost, name: "tasks that are enqueued concurrently are all there", run: lossConcurrent},
		{law: NothingIsLost, name: "closing and reopening the provider keeps everything", requires: []requirement{reopening}, run: lossReopen},
		{law: NothingIsLost, name: "closing and reopening the provider keeps leases", requires: []requirement{reopening, freeLeases}, run: lossReopenLeased},
		{law: NothingIsLost, name: "closing and reopening the provider keeps delays", requires: []requirement{reopening, delaying}, run: lossReopenDelayed},
		{law: NothingIsLost, name: "closing and reopening the provider keeps unique keys", requires: []requirement{reopening, untilDone}, run: lossReopenKeys},
		{law: NothingIsLost, name: "tasks that are enqueued while the backend is cut off are there if they were acknowledged", requires: []requirement{cutting}, real: true, run: lossCut},
		{law: NothingIsLost, name: "a restart of the broker keeps everything", requires: []requirement{restarting}, real: true, alone: true, run: lossRestart},
	}
}

func lossBatches(w *env) {
	q := w.open(runtime.QueueConfig{})
	var want []string
	for _, n := range []int{1, 2, 10, 11, 255, 256, 257, 700} {
		ts := w.tasks(q, n)
		for i, a := range w.enqueue(q, ts...) {
			w.check(a.ID == ts[i].ID && a.Queue == "q" && !a.Duplicate, "answer %d to a batch of %d is %+v, for task %s", i, n, a, ts[i].ID)
		}
		want = append(want, ids(ts)...)
	}
	w.same(deliveredIDs(w.drain(q)), want, "tasks handed out")
	w.nothing(q, "after all was completed")
}

func lossOther(w *env) {
	here, there := w.open(runtime.QueueConfig{}), w.openOther(runtime.QueueConfig{})
	want := ids(w.put(here, 20))
	ds := w.take(there, 20, long)
	w.same(deliveredIDs(ds), want, "tasks seen by the other handle")
	w.ok(there.Complete(w.ctx, ds), "complete on the other handle")
	w.counts(here, "after the other handle completed all", 0, 0, 0, 0)
}

// lossWalk lets a worker treat each delivery in one of several ways until the queue is
// empty, and keeps a ledger of where each task should be.
func lossWalk(w *env) {
	q := w.open(runtime.QueueConfig{})
	want := ids(w.put(q, 150))
	var ended []string
	for round := 0; len(ended) < len(want); round++ {
		w.check(round < 400, "after %d rounds only %d of %d tasks have ended", round, len(ended), len(want))
		s, err := q.Stats(w.ctx)
		w.ok(err, "stats")
		if s.Ready == 0 {
			w.advance(w.lease())
			w.expire() // the abandoned ones come back
			continue
		}
		ds := w.some(q, 1+rand.IntN(40), w.ample())
		parts := make([][]*driver.Delivery, 4)
		for _, d := range ds {
			k := rand.IntN(len(parts))
			parts[k] = append(parts[k], d)
		}
		ended = append(ended, w.finished(q, parts[0], q.Complete(w.ctx, parts[0]), "complete")...)
		w.finished(q, parts[1], q.Release(w.ctx, parts[1]), "release")
		ended = append(ended, w.finished(q, parts[2], w.deadLetter(q, parts[2]), "dead letter")...)
	}
	w.same(ended, want, "tasks that ended")
	w.nothing(q, "after all tasks ended")
}

// finished returns the IDs of the tasks that a call settled. If the backend does not
// fence, a lease is counted from the arrival of its answer, and may have ended earlier:
// such a task comes again.
func (w *env) finished(q driver.Queue, ds []*driver.Delivery, err error, what string) (done []string) {
	w.Helper()
	for i, d := range ds {
		e := runtime.ErrorAt(err, i)
		if errors.Is(e, runtime.ErrLeaseLost) && !q.Capabilities().Fencing {
			continue
		}
		w.ok(e, "%s", what)
		done = append(done, d.Task.ID)
	}
	return done
}

func lossConcurrent(w *env) {
	const producers, batches, size = 8, 12, 9
	here, there := w.open(runtime.QueueConfig{}), w.openOther(runtime.QueueConfig{})
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		want []string
	)
	for i := range producers {
		q := here
		if i%2 == 1 {
			q = there
		}
		wg.Go(func() {
			for range batches {
				ts := w.tasks(q, size)
				if _, err := q.Enqueue(w.ctx, ts); err != nil {
					w.Errorf("enqueue beside others: %v", err)
					return
				}
				mu.Lock()
				want = append(want, ids(ts)...)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	w.same(deliveredIDs(w.drain(here)), want, "tasks handed out")
}

// reopen closes the provider and opens the queue with another, as the next process
// does.
func (w *env) reopen() driver.Queue {
	w.Helper()
	w.ok(w.main.Close(), "close the provider")
	w.main = w.provider()
	return w.open(runtime.QueueConfig{})
}

func lossReopen(w *env) {
	q := w.open(runtime.QueueConfig{})
	dead := w.put(q, 2)
	w.bury(q, w.take(q, 2, long)...)
	ready := w.put(q, 4)
	w.counts(q, "before", 4, 0, 0, 2)
	q = w.reopen()
	w.counts(q, "opened again", 4, 0, 0, 2)
	w.same(deliveredIDs(w.take(q, 4, long)), ids(ready), "ready tasks after opening again")
	w.same(deliveredIDs(w.take(w.dead(q), 2, long)), ids(dead), "dead tasks after opening again")
}

func lossReopenLeased(w *env) {
	q := w.open(runtime.QueueConfig{})
	leased := w.put(q, 3)
	held := w.take(q, 3, w.ample())
	w.counts(q, "before", 0, 0, 3, 0)
	q = w.reopen()
	if w.clock != nil {
		w.counts(q, "opened again", 0, 0, 3, 0)
	}
	w.outlast(w.ample())
	w.same(deliveredIDs(w.take(q, 3, long)), ids(leased), "tasks leased before, when their lease is over")
	w.is(q.Complete(w.ctx, held), runtime.ErrLeaseLost, "complete with a receipt of before that was replaced")
}

func lossReopenDelayed(w *env) {
	q := w.open(runtime.QueueConfig{})
	delay := w.lease()
	due := w.now().Add(delay)
	later := w.put(q, 5, func(t *runtime.Task) { t.ScheduledFor = due })
	q = w.reopen()
	if w.clock != nil {
		w.counts(q, "opened again", 0, 5, 0, 0)
	}
	w.advance(delay + q.Capabilities().Lateness)
	w.same(deliveredIDs(w.take(q, 5, long)), ids(later), "delayed tasks after opening again")
	w.check(!w.now().Before(due), "a delayed task came early after opening again")
}

func lossReopenKeys(w *env) {
	q := w.open(runtime.QueueConfig{})
	ready := w.put(q, 3, func(t *runtime.Task) { t.UniqueKey = "key-" + t.ID })
	q = w.reopen()
	for _, t := range ready {
		w.taken(q, t.UniqueKey, t.ID, "opened again")
	}
}

// lossCut enqueues while the backend goes away and comes back. A task whose enqueue
// failed may be there or not; an acknowledged one must be.
func lossCut(w *env) {
	q := w.open(runtime.QueueConfig{})
	var want []string
	wave := func(n int) {
		for range n {
			t := w.task(q)
			if _, err := q.Enqueue(w.ctx, []*runtime.Task{t}); err == nil {
				want = append(want, t.ID)
			}
		}
	}
	wave(10)
	restore := w.h.cut()(w, w.addr)
	done := make(chan struct{})
	go func() {
		defer close(done)
		wave(10)
	}()
	w.advance(w.lease() / 2)
	restore()
	<-done
	wave(10)
	w.check(len(want) >= 20, "only %d enqueues were acknowledged, and the backend was there for 20", len(want))
	got := make(map[string]bool)
	for _, id := range deliveredIDs(w.drain(q)) {
		w.check(!got[id], "task %s came twice", id)
		got[id] = true
	}
	for _, id := range want {
		w.check(got[id], "task %s was acknowledged around the cut and is lost", id)
	}
}

func lossRestart(w *env) {
	q := w.open(runtime.QueueConfig{})
	want := ids(w.put(q, 50))
	w.h.Restart(w, w.addr)
	got := make(map[string]int)
	w.eventually(func() bool {
		ctx, cancel := context.WithTimeout(w.ctx, 5*w.quietWait())
		defer cancel()
		ds, err := q.Dequeue(ctx, 50, long)
		if err != nil {
			return false // the broker may still be restarting
		}
		for _, d := range ds {
			got[d.Task.ID]++
		}
		return len(got) == len(want)
	}, "all tasks are handed out after the restart")
}

// errBoom is the error of the suite's failing handlers.
var errBoom = errors.New("boom")

// at names one run of a loop in a failure.
func at(format string, args ...any) string { return fmt.Sprintf(format, args...) }
