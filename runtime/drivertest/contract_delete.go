package drivertest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// deleteCases: what Delete leaves behind, which is nothing.
func deleteCases() []testCase {
	del := func(name string, run func(w *env), more ...requirement) testCase {
		return testCase{law: Contract, name: name, requires: append([]requirement{deleting}, more...), run: run}
	}
	return []testCase{
		del("Delete removes a queue with all of its tasks, and closes it", deleteAll),
		del("a queue that was deleted elsewhere may be deleted again", deleteTwice),
		del("a deleted queue is unknown or empty to a worker elsewhere", deleteElsewhere),
		del("Delete leaves other queues as they are, and their dead tasks", deleteAlone),
		del("a Delete that was killed at any moment is completed by the next", deleteKilled, processes),
	}
}

func (w *env) delete(q driver.Queue) {
	w.Helper()
	w.ok(q.(driver.Deleter).Delete(w.ctx), "delete queue %q", q.Config().Name)
}

// openDeleted opens a queue that was deleted. A backend may keep the name for a minute.
func (w *env) openDeleted(cfg runtime.QueueConfig) driver.Queue {
	w.Helper()
	if w.clock != nil {
		w.advance(2 * time.Minute)
	}
	return w.open(cfg)
}

// putEveryState puts tasks in every state on a queue, and returns how long it takes until the
// last of them is due.
func (w *env) putEveryState(q driver.Queue) time.Duration {
	w.Helper()
	w.put(q, 2)
	w.bury(q, w.take(q, 2, long)...)
	w.put(q, 2)
	w.take(q, 2, long)
	w.put(q, 5)
	delay := w.ample()
	if c := q.Capabilities(); c.MaxDelay != driver.Unlimited && c.MaxDelay < delay {
		return 0
	}
	w.put(q, 3, func(t *runtime.Task) { t.ScheduledFor = w.now().Add(delay) })
	return delay
}

func deleteAll(w *env) {
	q, twin := w.open(runtime.QueueConfig{}), w.open(runtime.QueueConfig{})
	delay := w.putEveryState(q)
	if c := q.Capabilities(); c.DedupWindow == driver.Unlimited {
		w.put(q, 1, func(t *runtime.Task) { t.ID, t.UniqueKey, t.UniqueFor = "held", "key", time.Hour })
	}
	w.take(w.dead(q), 2, long)
	w.delete(q)
	w.delete(q)
	for name, closed := range map[string]driver.Queue{"the handle": q, "another handle": twin} {
		_, err := closed.Stats(w.ctx)
		w.is(err, runtime.ErrClosed, "Stats on %s of a deleted queue", name)
	}
	w.is(twin.(driver.Deleter).Delete(w.ctx), runtime.ErrClosed, "Delete on another handle of a deleted queue")

	again := w.openDeleted(runtime.QueueConfig{})
	w.counts(again, "a new queue of the name", 0, 0, 0, 0)
	w.advance(delay + again.Capabilities().Lateness)
	w.nothing(again, "when the delayed tasks of the deleted queue would be due")
	answers := w.enqueue(again, w.task(again, func(t *runtime.Task) {
		t.ID = "task-000001" // as the first of the deleted queue
		if again.Capabilities().DedupWindow == driver.Unlimited {
			t.UniqueKey, t.UniqueFor = "key", time.Hour
		}
	}))
	w.check(!answers[0].Duplicate, "a unique key of the deleted queue is taken on a new one")
	w.bury(again, w.takeOne(again, long))
	w.counts(again, "a new queue that works", 0, 0, 0, 1)
	w.delete(q) // it does nothing, because it is done
	w.counts(again, "a new queue, when the handle of the old one has deleted again", 0, 0, 0, 1)
}

func deleteTwice(w *env) {
	other := w.openOther(runtime.QueueConfig{})
	q := w.open(runtime.QueueConfig{})
	w.put(q, 1)
	w.delete(q)
	if w.h.Home == InProcess {
		w.is(other.(driver.Deleter).Delete(w.ctx), runtime.ErrClosed, "Delete of a queue that is closed")
		return
	}
	w.delete(other)
	w.delete(other)
	w.counts(w.openDeleted(runtime.QueueConfig{}), "a new queue of the name", 0, 0, 0, 0)
}

func deleteElsewhere(w *env) {
	other := w.openOther(runtime.QueueConfig{})
	q := w.open(runtime.QueueConfig{})
	w.put(other, 3)
	ds := w.take(other, 1, long)
	w.delete(q)
	gone := runtime.ErrUnknownQueue
	if w.h.Home == InProcess {
		gone = runtime.ErrClosed
	}
	fine := func(err error) bool { return err == nil || errors.Is(err, gone) }
	ctx, cancel := context.WithTimeout(w.ctx, w.scaled(time.Second))
	defer cancel()
	got, err := other.Dequeue(ctx, 10, long)
	w.check(len(got) == 0 && (errors.Is(err, driver.ErrNoTasks) || errors.Is(err, gone)), "a worker of a deleted queue got %v and the error %v", deliveredIDs(got), err)
	err = driver.ErrorAt(other.Complete(w.ctx, ds), 0) // the broker may have nobody to ask
	w.check(fine(err) || errors.Is(err, runtime.ErrLeaseLost) || errors.Is(err, driver.ErrUnavailable), "complete a task of a deleted queue: %v", err)
	_, err = other.Stats(w.ctx)
	w.check(fine(err), "Stats of a deleted queue: %v", err)
	_, err = other.Enqueue(w.ctx, w.tasks(other, 1))
	w.check(fine(driver.ErrorAt(err, 0)), "enqueue on a deleted queue: %v", err)
}

func deleteAlone(w *env) {
	shared := runtime.QueueConfig{DLQ: "shared"}
	q := w.open(shared)
	shared.Name = "stays"
	stays := w.open(shared)
	apart := w.open(runtime.QueueConfig{Name: "apart"})
	var dead []string
	for _, one := range []driver.Queue{stays, apart} {
		w.put(one, 3)
		d := w.takeOne(one, long)
		dead = append(dead, d.Task.ID)
		w.bury(one, d)
	}
	w.put(q, 2)
	w.bury(q, w.takeOne(q, long))
	w.delete(q)
	for i, one := range []driver.Queue{stays, apart} {
		if one.Capabilities().Redrive {
			back, err := one.(driver.Redriver).Redrive(w.ctx, nil)
			w.ok(err, "redrive")
			w.same(back, dead[i:i+1], "the dead tasks of queue %q, after another was deleted", one.Config().Name)
		}
		w.take(one, 3, long)
		w.nothing(one, "all was taken")
	}
}

// deleteKilled kills processes that delete a queue, each a little later than the one before.
func deleteKilled(w *env) {
	cfg := runtime.QueueConfig{}
	q := w.open(cfg)
	for round := range deleteRounds {
		delay := w.putEveryState(q)
		c := w.spawn("delete", cfg)
		c.waitForLines(1)
		<-time.After(time.Duration(round*round) * time.Millisecond / 2)
		c.kill()
		w.ok(q.Close(), "close")
		w.delete(w.openDeleted(cfg))
		q = w.openDeleted(cfg)
		w.counts(q, fmt.Sprintf("after kill %d of a process that deleted the queue, and a Delete", round+1), 0, 0, 0, 0)
		if round == deleteRounds-1 {
			w.advance(delay + q.Capabilities().Lateness)
			w.nothing(q, "when the delayed tasks of the deleted queue would be due")
		}
	}
}

const deleteRounds = 6
