package drivertest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// waitCases: Dequeue waits, and wakes.
func waitCases() []testCase {
	return []testCase{
		{law: Contract, name: "an enqueue wakes a waiting worker", run: waitHere},
		{law: Contract, name: "an enqueue by another process wakes a waiting worker", real: true, run: waitThere},
		{law: Contract, name: "a released task wakes a waiting worker", run: waitRelease},
		{law: Contract, name: "each of many waiting workers is woken", real: true, run: waitMany},
		{law: Contract, name: "no wake-up is lost when producer and worker take turns", real: true, run: waitSteps},
		{law: Contract, name: "a worker that stops waiting loses no task", real: true, run: waitGone},
		{law: Contract, name: "Dequeue returns ErrNoTasks when its context ends", run: waitEnds},
		{law: Contract, name: "Dequeue returns the ready tasks without waiting for more", run: waitLess},
		{law: Contract, name: "Dequeue and Extend refuse a limit or a lease that is not positive", run: waitRefuses},
	}
}

// promptly is how soon an enqueue must wake a worker: at once, with room for a busy
// machine. Polling is slower.
const promptly = 5 * time.Second

func waitHere(w *env) {
	q := w.open(runtime.QueueConfig{})
	w.woken(q, q)
}

// woken lets a worker wait on one handle and enqueues on another.
func (w *env) woken(q, from driver.Queue) {
	w.Helper()
	w.nothing(q, "before") // the worker has asked before, and found nothing
	got := w.waiter(q)
	sent := time.Now()
	want := ids(w.put(from, 1))
	w.equal(deliveredIDs(got.wants(1)), want, "the task that woke the worker")
	w.check(time.Since(sent) < w.scaled(promptly), "a waiting worker had its task only %s after it was enqueued", time.Since(sent))
}

func waitThere(w *env) {
	w.woken(w.open(runtime.QueueConfig{}), w.openOther(runtime.QueueConfig{}))
}

func waitRelease(w *env) {
	q := w.open(runtime.QueueConfig{})
	w.put(q, 1)
	d := w.takeOne(q, long)
	got := w.waiter(q)
	w.ok(q.Release(w.ctx, one(d)), "release")
	got.wants(1)
}

// waitMany lets ten workers wait for one task each, on two handles.
func waitMany(w *env) {
	const workers = 10
	handles := []driver.Queue{w.open(runtime.QueueConfig{}), w.openOther(runtime.QueueConfig{})}
	ctx, cancel := context.WithTimeout(w.ctx, w.patience)
	defer cancel()
	got := make(chan string, workers)
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			for {
				ds, err := handles[i%2].Dequeue(ctx, 1, long)
				if errors.Is(err, driver.ErrNoTasks) && ctx.Err() == nil {
					continue
				}
				if err != nil {
					w.Errorf("worker %d of %d waited for its task in vain: %v", i, workers, err)
					return
				}
				got <- ds[0].Task.ID
				return
			}
		})
	}
	var want []string
	for i := range workers {
		want = append(want, w.put(handles[(i/3)%2], 1)[0].ID)
	}
	wg.Wait()
	close(got)
	var all []string
	for id := range got {
		all = append(all, id)
	}
	w.same(all, want, "one task for each worker")
}

// waitSteps enqueues each task when the one before is done, so that every task finds a
// worker that is about to wait.
func waitSteps(w *env) {
	const steps = 60
	q, other := w.open(runtime.QueueConfig{}), w.openOther(runtime.QueueConfig{})
	for i := range steps {
		q := q
		if i%6 == 5 {
			q = other // between processes a wake-up may take longer
		}
		ts := w.tasks(q, 1)
		done := make(chan error, 1)
		go func() {
			_, err := q.Enqueue(w.ctx, ts)
			done <- err
		}()
		d := w.takeOne(q, long)
		w.ok(<-done, "enqueue in step %d", i)
		w.check(d.Task.ID == ts[0].ID, "step %d got task %s, want %s", i, d.Task.ID, ts[0].ID)
		w.ok(q.Complete(w.ctx, one(d)), "complete in step %d", i)
	}
}

// waitGone cancels workers while tasks come in. Every leased task was returned by a
// Dequeue; all others are still there.
func waitGone(w *env) {
	const rounds = 40
	q := w.open(runtime.QueueConfig{})
	var want, got []string
	for i := range rounds {
		ctx, cancel := context.WithCancel(w.ctx)
		result := make(chan []*driver.Delivery, 1)
		go func() {
			ds, err := q.Dequeue(ctx, 1, long)
			if err != nil && !errors.Is(err, driver.ErrNoTasks) {
				w.Errorf("a cancelled Dequeue: %v", err)
			}
			result <- ds
		}()
		if i%2 == 0 {
			cancel()
		}
		want = append(want, w.put(q, 1)[0].ID)
		cancel()
		ds := <-result
		got = append(got, deliveredIDs(ds)...)
		w.ok(q.Complete(w.ctx, ds), "complete")
	}
	got = append(got, deliveredIDs(w.drain(q))...)
	w.same(got, want, "tasks handed out to workers that go away")
}

func waitEnds(w *env) {
	q := w.open(runtime.QueueConfig{})
	w.nothing(q, "an empty queue")
	ctx, cancel := context.WithCancel(w.ctx)
	cancel()
	ds, err := q.Dequeue(ctx, 1, long)
	w.is(err, driver.ErrNoTasks, "Dequeue with a context that has ended")
	w.check(len(ds) == 0, "an error and %d tasks", len(ds))
}

func waitLess(w *env) {
	q := w.open(runtime.QueueConfig{})
	w.put(q, 3)
	ctx, cancel := context.WithTimeout(w.ctx, w.patience)
	defer cancel()
	got := 0
	for got < 3 {
		ds, err := q.Dequeue(ctx, 100, long)
		w.ok(err, "dequeue with limit 100 and three tasks")
		got += len(ds)
	}
	w.check(got == 3, "three tasks and %d deliveries", got)
}

func waitRefuses(w *env) {
	q := w.open(runtime.QueueConfig{})
	w.put(q, 1)
	for _, c := range []struct {
		limit int
		lease time.Duration
	}{{0, long}, {-1, long}, {1, 0}, {1, -time.Second}} {
		ds, err := q.Dequeue(w.ctx, c.limit, c.lease)
		w.check(err != nil && !errors.Is(err, driver.ErrNoTasks), "Dequeue of %d tasks for %s returned %d tasks and %v", c.limit, c.lease, len(ds), err)
	}
	w.counts(q, "after refusals", 1, 0, 0, 0)
	d := w.takeOne(q, long)
	for _, lease := range []time.Duration{0, -time.Second} {
		w.check(q.Extend(w.ctx, one(d), lease) != nil, "a lease was extended by %s", lease)
	}
	w.ok(q.Complete(w.ctx, one(d)), "complete, after extensions that were refused")
}
