package drivertest

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// moveCases: law 5, as far as it can be tested without killing anything. law_kills.go
// has the tests that kill between two steps.
func moveCases() []testCase {
	return []testCase{
		{law: PublishBeforeAck, name: "a dead lettered task is on the dead letter queue and nowhere else", run: moveDead},
		{law: PublishBeforeAck, name: "a redriven task is back on its queue and nowhere else", requires: []requirement{redriving}, run: moveRedrive},
		{law: PublishBeforeAck, name: "a released task is on its queue once", run: moveRelease},
		{law: PublishBeforeAck, name: "nothing is lost or duplicated while many workers move tasks back and forth", requires: []requirement{redriving}, run: moveCrowd},
	}
}

func moveDead(w *env) {
	q := w.open(runtime.QueueConfig{})
	ts := w.put(q, 5)
	ds := w.take(q, 5, long)
	w.bury(q, ds...)
	w.counts(q, "after dead lettering", 0, 0, 0, 5)
	w.nothing(q, "after dead lettering")
	got := w.take(w.dead(q), 5, long)
	w.same(deliveredIDs(got), ids(ts), "tasks on the dead letter queue")
	w.nothing(w.dead(q), "all dead ones are leased")
}

func moveRedrive(w *env) {
	q := w.open(runtime.QueueConfig{})
	w.put(q, 5)
	ds := w.take(q, 5, long)
	w.bury(q, ds...)
	moved, err := q.(driver.Redriver).Redrive(w.ctx, deliveredIDs(ds[:2]))
	w.ok(err, "redrive two")
	w.same(moved, deliveredIDs(ds[:2]), "the answer of Redrive")
	w.counts(q, "after redriving two of five", 2, 0, 0, 3)
	moved, err = q.(driver.Redriver).Redrive(w.ctx, nil)
	w.ok(err, "redrive the rest")
	w.same(moved, deliveredIDs(ds[2:]), "the answer of Redrive(nil)")
	w.counts(q, "after redriving all", 5, 0, 0, 0)
	w.nothing(w.dead(q), "after redriving all")
	w.same(deliveredIDs(w.take(q, 5, long)), deliveredIDs(ds), "redriven tasks")
}

func moveRelease(w *env) {
	q := w.open(runtime.QueueConfig{})
	w.put(q, 5)
	for range 4 {
		ds := w.take(q, 5, long)
		w.nothing(q, "with all leased")
		w.ok(q.Release(w.ctx, ds), "release")
		w.counts(q, "after the release", 5, 0, 0, 0)
	}
	w.check(len(w.drain(q)) == 5, "five tasks did not come out as five")
}

// moveCrowd has workers release and bury while others redrive.
func moveCrowd(w *env) {
	const tasks, workers, rounds = 60, 6, 25
	handles := []driver.Queue{w.open(runtime.QueueConfig{}), w.openOther(runtime.QueueConfig{})}
	want := ids(w.put(handles[0], tasks))
	var wg sync.WaitGroup
	for i := range workers {
		q := handles[i%2]
		wg.Go(func() {
			for range rounds {
				if err := shuffle(w.ctx, q, long); err != nil {
					w.Errorf("move tasks among %d workers: %v", workers, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if _, err := handles[0].(driver.Redriver).Redrive(w.ctx, nil); err != nil {
		w.Fatalf("redrive the rest: %v", err)
	}
	// A process that has taken more than its workers wanted still gives it back.
	w.becomes(handles[0], "after all was moved to and fro", tasks, 0, 0, 0)
	w.same(deliveredIDs(w.drain(handles[0])), want, "tasks after moving them to and fro")
}

// shuffle leases a few tasks and releases or buries each, or redrives all dead ones. It
// completes none.
func shuffle(ctx context.Context, q driver.Queue, lease time.Duration) error {
	s, err := q.Stats(ctx)
	if err != nil {
		return err
	}
	if s.Ready == 0 || rand.IntN(6) == 0 {
		_, err := q.(driver.Redriver).Redrive(ctx, nil)
		return err
	}
	brief, cancel := context.WithTimeout(ctx, 5*quietWait) // others may have been quicker
	ds, err := q.Dequeue(brief, 1+rand.IntN(10), lease)
	cancel()
	if errors.Is(err, driver.ErrNoTasks) {
		return nil
	}
	if err != nil {
		return err
	}
	half := rand.IntN(len(ds) + 1)
	for _, d := range ds[half:] {
		driver.RecordDeath(d.Task, q.Config().Name, d.LeaseUntil.Add(-lease), errBoom)
	}
	return errors.Join(q.Release(ctx, ds[:half]), q.DeadLetter(ctx, ds[half:]))
}
