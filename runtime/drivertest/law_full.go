package drivertest

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// fullCases: law 15, on a full backend.
func fullCases() []testCase {
	full := func(name string, run func(w *env)) testCase {
		return testCase{law: DrainsInTrouble, name: name, requires: []requirement{filling}, real: true, alone: true, run: run}
	}
	return []testCase{
		full("a full backend can be drained, and accepts tasks again when it is no longer full", fullDrains),
		full("a full backend refuses producers at once, and its tasks are handed out", fullProducers),
		full("a pool keeps its leases and retries on a full backend", fullPool),
	}
}

// atOnce bounds an answer without any wait.
const atOnce = 10 * time.Second

// fill fills the backend until empty is called, or the test ends.
func (w *env) fill() (empty func()) {
	w.Helper()
	empty = sync.OnceFunc(w.h.Fill(w, w.addr))
	w.Cleanup(empty)
	return empty
}

// bulk gives a task a payload of the given size.
func bulk(size int) func(*runtime.Task) {
	return func(t *runtime.Task) {
		t.Payload = append(append([]byte{'"'}, bytes.Repeat([]byte{'x'}, size-2)...), '"')
	}
}

// refused enqueues tasks for which there is no room.
func (w *env) refused(q driver.Queue, ts ...*runtime.Task) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, w.scaled(atOnce))
	defer cancel()
	_, err := q.Enqueue(ctx, ts)
	for i, t := range ts {
		w.is(runtime.ErrorAt(err, i), runtime.ErrQueueFull, "enqueue task %s of %d on a full backend, within %s", t.ID, len(ts), w.scaled(atOnce))
	}
}

// waitForRoom waits until the backend accepts a task again, and completes it.
func (w *env) waitForRoom(q driver.Queue) {
	w.Helper()
	t := w.task(q, bulk(64<<10))
	w.eventually(func() bool {
		_, err := q.Enqueue(w.ctx, []*runtime.Task{t})
		if err != nil && !errors.Is(err, runtime.ErrQueueFull) {
			w.ok(err, "enqueue on a backend that was full")
		}
		return err == nil
	}, "a backend that was full takes tasks")
	d := w.takeOne(q, long)
	w.check(d.Task.ID == t.ID && bytes.Equal(d.Task.Payload, t.Payload), "after %s was enqueued %s came", t.ID, d.Task.ID)
	w.ok(q.Complete(w.ctx, []*driver.Delivery{d}), "complete")
}

func fullDrains(w *env) {
	q := w.open(runtime.QueueConfig{})
	w.put(q, 30)
	held := w.take(q, 4, long)
	empty := w.fill()
	w.ok(q.Extend(w.ctx, held, long), "extend on a full backend")
	w.ok(q.Complete(w.ctx, held[:1]), "complete on a full backend")
	w.ok(q.Release(w.ctx, held[1:2]), "release on a full backend")
	late := w.deadLetter(q, held[2:3])
	if w.h.Jams && late != nil {
		w.is(late, runtime.ErrQueueFull, "dead letter on a full backend")
	} else {
		w.ok(late, "dead letter on a full backend")
	}
	w.refused(q, w.task(q, bulk(64<<10)))
	// A worker that starts now must make the room.
	other := w.openOther(runtime.QueueConfig{})
	w.ok(other.Complete(w.ctx, w.take(other, 26, long)), "complete on a full backend")
	w.ok(q.Complete(w.ctx, held[3:]), "complete on a full backend")
	w.eventually(func() bool {
		ds := w.leaseReady(other, 1)
		if w.h.Jams && len(ds) == 0 {
			ds = w.leaseReady(q, 1)
			w.ok(q.Complete(w.ctx, ds), "complete on a full backend")
		} else {
			w.ok(other.Complete(w.ctx, ds), "complete on a full backend")
		}
		return len(ds) == 1
	}, "what was released on a full backend is handed out")
	if late == nil {
		w.counts(q, "when a full backend is worked off", 0, 0, 0, 1)
	}
	empty()
	if late != nil {
		w.ok(q.DeadLetter(w.ctx, held[2:3]), "dead letter when the backend is not full any more")
	}
	w.waitForRoom(other)
	w.counts(q, "when the backend is not full any more", 0, 0, 0, 1)
}

func fullProducers(w *env) {
	q := w.open(runtime.QueueConfig{})
	w.put(q, 3)
	empty := w.fill()
	w.refused(q, w.task(q, bulk(64<<10)))
	w.refused(q, w.tasks(q, 20, bulk(64<<10))...)
	if q.Capabilities().UniqueUntilDone {
		keyed := w.task(q, bulk(64<<10), func(t *runtime.Task) { t.UniqueKey = "k" })
		w.refused(q, keyed)
		w.refused(q, keyed) // it does not hold its key
	}
	w.refused(q, w.task(q, bulk(64<<10), func(t *runtime.Task) { t.ScheduledFor = w.now().Add(time.Second) }))
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			ctx, cancel := context.WithTimeout(w.ctx, w.scaled(atOnce))
			defer cancel()
			if _, err := q.Enqueue(ctx, []*runtime.Task{w.task(q, bulk(64<<10))}); !errors.Is(err, runtime.ErrQueueFull) {
				w.Errorf("enqueue among others on a full backend: %v", err)
			}
		})
	}
	callers.Wait()
	w.ok(q.Complete(w.ctx, w.take(q, 3, long)), "complete")
	w.nothing(q, "when all that was taken in is done")
	w.counts(q, "when all that was taken in is done", 0, 0, 0, 0)
	empty()
	w.waitForRoom(q)
}

func fullPool(w *env) {
	const tasks = 6
	lease := 2 * w.lease() // extensions come in time on a busy machine, too
	m := w.manager(runtime.QueueConfig{Name: "q", Visibility: lease})
	w.post(m, tasks)
	empty := w.fill()
	var (
		mu   sync.Mutex
		runs = make(map[int]int)
		lost atomic.Int64
		done = make(chan struct{})
		most = make(chan struct{}) // every task that has not failed is done
		left = tasks
	)
	pool := w.pool(m, runtime.PoolConfig{Workers: tasks, Grace: time.Second}, func(ctx context.Context, l letter) error {
		mu.Lock()
		runs[l.N]++
		first := runs[l.N] == 1
		mu.Unlock()
		// Longer than a lease, which must be extended.
		select {
		case <-time.After(5 * lease / 2):
		case <-ctx.Done():
			lost.Add(1)
			return context.Cause(ctx)
		}
		if first && l.N%2 == 0 {
			return errors.New("the first run fails")
		}
		mu.Lock()
		defer mu.Unlock()
		switch left--; left {
		case tasks / 2:
			close(most)
		case 0:
			close(done)
		}
		return nil
	})
	w.ok(pool.Start(w.ctx), "start a pool on a full backend")
	over := time.After(w.patience)
	if w.h.Jams {
		select {
		case <-most:
			empty()
		case <-over:
			w.Errorf("what can be done on a full backend was not done in %s", w.patience)
		}
	}
	select {
	case <-done:
	case <-over:
		w.Errorf("a full backend was not worked off in %s", w.patience)
	}
	w.stop(pool)
	w.check(lost.Load() == 0, "%d handlers on a full backend have lost their lease", lost.Load())
	for n, times := range runs {
		w.check(times == 2-n%2, "task %d was run %d times", n, times)
	}
	q, err := m.Queue("q")
	w.ok(err, "queue")
	w.counts(q, "when a pool has worked off a full backend", 0, 0, 0, 0)
}
