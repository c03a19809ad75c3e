package drivertest

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// doneCases: law 14.
func doneCases() []testCase {
	return []testCase{
		{law: DoneStaysDone, name: "a completed task does not come back when its lease ends", run: doneLeases},
		{law: DoneStaysDone, name: "tasks that were completed before kill -9 of the broker do not come back", requires: []requirement{crashing}, real: true, alone: true, run: doneCrashes},
	}
}

// A finisher completes tasks, each at its second run, and watches for those that were
// completed before.
type finisher struct {
	w         *env
	q         driver.Queue
	ran, done map[string]bool // by ID; done: in an earlier round
}

// round enqueues n tasks, each with a key of a task of an earlier round, and completes
// them.
func (f *finisher) round(round, n int, change ...func(*runtime.Task)) {
	w := f.w
	w.Helper()
	caps := f.q.Capabilities()
	ts := w.tasks(f.q, n, change...)
	for i, t := range ts {
		if caps.UniqueUntilDone {
			t.UniqueKey = fmt.Sprint("key-", i)
		}
	}
	for _, batch := range batches(ts, min(max(caps.MaxBatch, 1), 100)) {
		for i, a := range w.enqueue(f.q, batch...) {
			w.check(!a.Duplicate, "round %d: the key of task %s is held by %s, and all tasks of earlier rounds are done", round, batch[i].ID, a.ID)
		}
	}
	for left := n; left > 0; {
		var again, over []*driver.Delivery
		for _, d := range w.some(f.q, 100, long) {
			w.check(!f.done[d.Task.ID], "round %d: task %s was completed in an earlier round, and is handed out again", round, d.Task.ID)
			if !f.ran[d.Task.ID] {
				f.ran[d.Task.ID] = true
				if caps.MaxDelay != 0 {
					d.Delay = max(minPoll, caps.Granularity)
				}
				again = append(again, d)
			} else {
				over = append(over, d)
			}
		}
		if len(again) > 0 {
			w.ok(f.q.Release(w.ctx, again), "release")
			if w.clock != nil {
				w.advance(max(minPoll, caps.Granularity))
			}
		}
		if len(over) > 0 {
			w.ok(f.q.Complete(w.ctx, over), "complete")
			left -= len(over)
		}
	}
	for _, t := range ts {
		f.done[t.ID] = true
	}
}

func batches(ts []*runtime.Task, n int) (all [][]*runtime.Task) {
	for ; len(ts) > n; ts = ts[n:] {
		all = append(all, ts[:n])
	}
	return append(all, ts)
}

func doneLeases(w *env) {
	q := w.open(runtime.QueueConfig{})
	lease := w.ample()
	w.put(q, 6)
	ds := w.take(q, 6, lease)
	for _, d := range ds {
		w.ok(q.Complete(w.ctx, []*driver.Delivery{d}), "complete")
	}
	w.outlast(lease)
	w.nothing(q, "the leases of completed tasks have ended")
	w.counts(q, "all is done", 0, 0, 0, 0)
}

// laxest is the longest time for which a provider may keep a completion in the broker's
// memory only: an fsync each second.
const laxest = time.Second

// doneCrashes kills the broker after each of several rounds. One task waits all the
// time. Because of it, and with payloads of some size, the broker's files always hold
// finished and unfinished tasks.
func doneCrashes(w *env) {
	const rounds, tasks = 5, 300
	q := w.open(runtime.QueueConfig{})
	f := &finisher{w: w, q: q, ran: make(map[string]bool), done: make(map[string]bool)}
	waits := int64(0)
	if q.Capabilities().MaxDelay < 0 || q.Capabilities().MaxDelay >= time.Hour {
		w.put(q, 1, func(t *runtime.Task) { t.ScheduledFor = w.now().Add(time.Hour) })
		waits = 1
	}
	payload := []byte(`"` + strings.Repeat("x", 4<<10) + `"`)
	for round := 1; round <= rounds; round++ {
		f.round(round, tasks, func(t *runtime.Task) { t.Payload = payload })
		w.reaches(q, fmt.Sprintf("round %d is done", round), 0, waits, 0, 0)
		w.advance(laxest)
		w.h.Crash(w, w.addr)
		w.reaches(q, fmt.Sprintf("the broker is back after round %d", round), 0, waits, 0, 0)
	}
	ctx, cancel := context.WithTimeout(w.ctx, 4*w.quietWait())
	defer cancel()
	ds, _ := q.Dequeue(ctx, 100, long)
	w.check(len(ds) == 0, "after the last kill of the broker it handed out %v, and all tasks are done", deliveredIDs(ds))
}
