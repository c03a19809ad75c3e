package drivertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

var fifo = runtime.QueueConfig{Type: runtime.FIFO}

// orderCases: law 8, groups.
func orderCases() []testCase {
	ordered := func(name string, run func(w *env), more ...requirement) testCase {
		return testCase{law: OrderWherePromised, name: name, requires: append([]requirement{ordering}, more...), run: run}
	}
	return []testCase{
		ordered("a group is handed out in order, one at a time", orderOne),
		ordered("a batch never holds two tasks of one group", orderBatch),
		ordered("groups do not block one another", orderGroups),
		ordered("a released task keeps its place", orderRelease),
		ordered("a task that waits for its retry blocks only its own group", orderDelay),
		ordered("a task whose lease ended keeps its place", orderExpiry),
		ordered("a dead task makes way for the next", orderDead),
		ordered("a delayed task joins its group when it is due", orderScheduled, groupDelay),
		ordered("a long group does not starve others", orderFair, turns),
		ordered("many workers keep the order of every group, through retries", orderCrowd),
		ordered("completing a task wakes a worker that waits for its group", orderWakes),
		ordered("a task without a group, or with one on another queue, is refused", orderRefuses),
	}
}

func group(key string) func(*runtime.Task) {
	return func(t *runtime.Task) { t.GroupKey = key }
}

func one(d *driver.Delivery) []*driver.Delivery { return []*driver.Delivery{d} }

func orderOne(w *env) {
	q, other := w.open(fifo), w.openOther(fifo)
	w.check(q.Capabilities().Ordered, "the queue is of type fifo and Capabilities.Ordered is false")
	want := ids(w.put(q, 12))
	var got []string
	for range want {
		d := w.takeOne(q, long)
		w.nothing(other, "while task %s of the group is leased", d.Task.ID)
		got = append(got, d.Task.ID)
		w.ok(q.Complete(w.ctx, one(d)), "complete")
	}
	w.equal(got, want, "the order of a group")
}

func orderBatch(w *env) {
	q := w.open(fifo)
	for range 4 {
		for g := range 5 {
			w.put(q, 1, group(fmt.Sprint(g)))
		}
	}
	for range 4 {
		ds := w.take(q, 5, long)
		seen := make(map[string]bool)
		for _, d := range ds {
			w.check(!seen[d.Task.GroupKey], "two tasks of group %s are out at the same time", d.Task.GroupKey)
			seen[d.Task.GroupKey] = true
		}
		w.nothing(q, "with a task of each group leased")
		w.ok(q.Complete(w.ctx, ds), "complete")
	}
}

func orderGroups(w *env) {
	q := w.open(fifo)
	w.put(q, 3, group("slow"))
	want := ids(w.put(q, 3, group("quick")))
	slow := w.takeOne(q, long)
	w.check(slow.Task.GroupKey == "slow", "the group that came first is not handed out first")
	var got []string
	for range want {
		d := w.takeOne(q, long)
		got = append(got, d.Task.ID)
		w.ok(q.Complete(w.ctx, one(d)), "complete")
	}
	w.equal(got, want, "the other group, while the first is held")
}

func orderRelease(w *env) {
	q := w.open(fifo)
	ts := w.put(q, 3)
	for range 3 {
		d := w.takeOne(q, long)
		w.check(d.Task.ID == ts[0].ID, "after a release %s came, want %s", d.Task.ID, ts[0].ID)
		d.Task.RetryCount++
		w.ok(q.Release(w.ctx, one(d)), "release")
	}
	w.equal(w.sequence(q), ids(ts), "the order after three releases")
}

// sequence completes a group's tasks one by one.
func (w *env) sequence(q driver.Queue) []string {
	w.Helper()
	return deliveredIDs(w.drain(q))
}

func orderDelay(w *env) {
	q := w.open(fifo)
	ts := w.put(q, 3)
	d := w.takeOne(q, long)
	d.Delay = w.ample()
	w.ok(q.Release(w.ctx, one(d)), "release with a delay")
	w.nothing(q, "while the first of the group waits for its retry")
	far := w.put(q, 1, group("far"))
	w.equal(deliveredIDs(w.take(q, 1, long)), ids(far), "another group, meanwhile")
	w.advance(d.Delay + q.Capabilities().Lateness)
	for _, t := range ts {
		got := w.takeOne(q, long)
		w.check(got.Task.ID == t.ID, "after the retry's delay %s came, want %s", got.Task.ID, t.ID)
		w.ok(q.Complete(w.ctx, one(got)), "complete")
	}
}

func orderExpiry(w *env) {
	q := w.open(fifo)
	ts := w.put(q, 3)
	w.takeOne(q, w.lease())
	w.expire()
	w.equal(w.sequence(q), ids(ts), "the order after a lease ended")
}

func orderDead(w *env) {
	q := w.open(fifo)
	ts := w.put(q, 3)
	w.bury(q, w.takeOne(q, long))
	w.equal(w.sequence(q), ids(ts[1:]), "the rest of the group")
}

func orderScheduled(w *env) {
	q := w.open(fifo)
	delay := w.ample()
	late := w.put(q, 1, func(t *runtime.Task) { t.ScheduledFor = w.now().Add(delay) })
	first := w.put(q, 2)
	w.equal(deliveredIDs(w.drain(q)), ids(first), "a task that is not due does not block its group")
	w.advance(delay + q.Capabilities().Lateness)
	w.equal(deliveredIDs(w.take(q, 1, long)), ids(late), "the delayed task, when it is due")
}

func orderFair(w *env) {
	q := w.open(fifo)
	w.put(q, 300, group("long"))
	short := w.put(q, 1, group("short"))
	for i := range 10 {
		d := w.takeOne(q, long)
		w.ok(q.Complete(w.ctx, one(d)), "complete")
		if d.Task.ID == short[0].ID {
			return
		}
		w.check(i < 9, "a group of one waits behind a group of 300: not among the first 10 deliveries")
	}
}

// orderCrowd lets many workers fail now and then and checks in a ledger that within a
// group each task comes until it is done, and none before.
func orderCrowd(w *env) {
	const groups, each, workers = 7, 25, 8
	handles := []driver.Queue{w.open(fifo), w.openOther(fifo)}
	line := make(map[string][]string)
	for range each {
		for g := range groups {
			key := fmt.Sprint(g)
			line[key] = append(line[key], w.put(handles[0], 1, group(key))[0].ID)
		}
	}
	var (
		mu   sync.Mutex
		out  = make(map[string]string) // the leased task of a group
		left = groups * each
		wg   sync.WaitGroup
	)
	ctx, stop := context.WithTimeout(w.ctx, w.patience)
	defer stop()
	// work records a delivery and its end, and settles it in between.
	work := func(q driver.Queue, d *driver.Delivery) error {
		key, fails := d.Task.GroupKey, rand.IntN(4) == 0
		mu.Lock()
		if out[key] != "" || line[key][0] != d.Task.ID {
			w.Errorf("group %s handed out %s while %q is out and the next in line is %s", key, d.Task.ID, out[key], line[key][0])
		}
		out[key] = d.Task.ID
		mu.Unlock()
		mu.Lock()
		out[key] = ""
		if !fails {
			line[key] = line[key][1:]
			if left--; left == 0 {
				defer stop()
			}
		}
		mu.Unlock()
		if fails {
			d.Delay = time.Duration(rand.IntN(2)) * time.Millisecond
			if w.clock != nil {
				d.Delay = 0
			}
			return q.Release(w.ctx, one(d))
		}
		return q.Complete(w.ctx, one(d))
	}
	for i := range workers {
		q := handles[i%2]
		wg.Go(func() {
			for {
				ds, err := q.Dequeue(ctx, 1+i%3, long)
				for _, d := range ds {
					err = errors.Join(err, work(q, d))
				}
				if err != nil {
					if !errors.Is(err, driver.ErrNoTasks) {
						w.Errorf("a worker among %d: %v", workers, err)
						stop()
					}
					return
				}
			}
		})
	}
	wg.Wait()
	w.check(left == 0, "%d tasks were never handed out", left)
}

func orderWakes(w *env) {
	q := w.open(fifo)
	w.put(q, 2)
	d := w.takeOne(q, long)
	got := w.waiter(q)
	w.ok(q.Complete(w.ctx, one(d)), "complete")
	got.wants(1)
}

func orderRefuses(w *env) {
	q, plain := w.open(fifo), w.open(runtime.QueueConfig{Name: "plain", Type: driver.Standard})
	_, err := q.Enqueue(w.ctx, w.tasks(q, 1, group("")))
	w.is(err, runtime.ErrInvalidTask, "a task without a group on a fifo queue")
	_, err = plain.Enqueue(w.ctx, w.tasks(plain, 1, group("g")))
	w.is(err, runtime.ErrInvalidTask, "a task with a group on a standard queue")
	w.counts(q, "after a refusal", 0, 0, 0, 0)
	w.counts(plain, "after a refusal", 0, 0, 0, 0)
}
