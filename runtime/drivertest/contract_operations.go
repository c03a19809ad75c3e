package drivertest

import (
	"slices"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// operationCases: optional operations of queues.
func operationCases() []testCase {
	op := func(name string, run func(w *env), requires ...requirement) testCase {
		return testCase{law: Contract, name: name, requires: requires, run: run}
	}
	return []testCase{
		op("Browse lists every state page by page, and leases nothing", browseStates, browsing, delaying),
		op("Browse lists ready tasks in the order they are handed out", browseOrder, browsing, arriving),
		op("Cancel removes waiting tasks and no others", cancelWaiting, cancelling, delaying),
		op("Reschedule makes a waiting task due at another time", rescheduleWaiting, rescheduling, delaying),
		op("Purge removes waiting tasks and no others", purgeWaiting, purging, delaying),
		op("a paused queue hands out nothing, in any process, until it is resumed", pauseEverywhere, pausing),
		op("settling and enqueueing continue while a queue is paused", pauseSettles, pausing),
		op("a paused queue is still paused when it is reopened", pauseReopens, pausing, reopening),
		op("Discard removes dead tasks for good", discardDead, discarding),
	}
}

// list browses all of one state, in pages of three.
func (w *env) list(q driver.Queue, state driver.State) []*runtime.Task {
	w.Helper()
	var all []*runtime.Task
	cursor := ""
	for {
		page, next, err := q.(driver.Browser).Browse(w.ctx, state, cursor, 3)
		w.ok(err, "browse %s after %q", state, cursor)
		w.check(len(page) <= 3, "a page of %d tasks, with limit 3", len(page))
		all = append(all, page...)
		if next == "" {
			return all
		}
		w.check(next != cursor && len(page) > 0, "browse %s: %d tasks and the next cursor %q", state, len(page), next)
		cursor = next
	}
}

func browseStates(w *env) {
	q := w.open(runtime.QueueConfig{})
	dead := w.put(q, 4)
	w.bury(q, w.take(q, 4, long)...)
	leased := w.put(q, 5)
	w.take(q, 5, long)
	ready := w.put(q, 10, func(t *runtime.Task) { t.Metadata = map[string]string{"k": "v"} })
	later := w.put(q, 7, func(t *runtime.Task) { t.ScheduledFor = w.now().Add(time.Hour) })
	for state, want := range map[driver.State][]*runtime.Task{driver.Ready: ready, driver.Scheduled: later, driver.Leased: leased, driver.Dead: dead} {
		got := w.list(q, state)
		w.same(ids(got), ids(want), "%s tasks", state)
		for _, t := range got {
			i := slices.IndexFunc(want, func(u *runtime.Task) bool { return u.ID == t.ID })
			if state == driver.Dead {
				t.Metadata, t.ScheduledFor = want[i].Metadata, want[i].ScheduledFor
			}
			w.sameTask(t, want[i], at("browsing %s tasks", state))
		}
	}
	w.counts(q, "after browsing", 10, 7, 5, 4)
}

func browseOrder(w *env) {
	q := w.open(runtime.QueueConfig{})
	w.put(q, 8)
	listed := ids(w.list(q, driver.Ready))
	var got []string
	for range 8 {
		got = append(got, w.takeOne(q, long).Task.ID)
	}
	w.equal(got, listed, "the order of a queue and of its listing")
}

func cancelWaiting(w *env) {
	q := w.open(runtime.QueueConfig{})
	leased := w.put(q, 1)
	d := w.takeOne(q, long)
	ready := w.put(q, 3)
	delay := w.ample()
	later := w.put(q, 2, func(t *runtime.Task) { t.ScheduledFor = w.now().Add(delay) })
	asked := []string{ready[1].ID, later[0].ID, leased[0].ID, "unknown"}
	got, err := q.(driver.Canceller).Cancel(w.ctx, asked)
	w.ok(err, "cancel")
	w.same(got, asked[:2], "the answer of Cancel")
	w.counts(q, "after Cancel", 2, 1, 1, 0)
	got, err = q.(driver.Canceller).Cancel(w.ctx, asked)
	w.ok(err, "cancel again")
	w.check(len(got) == 0, "the second Cancel removed %v", got)
	w.ok(q.Complete(w.ctx, one(d)), "complete the leased one")
	w.same(deliveredIDs(w.drain(q)), []string{ready[0].ID, ready[2].ID}, "what is left")
	w.advance(delay + q.Capabilities().Lateness)
	w.same(deliveredIDs(w.take(q, 1, long)), ids(later[1:]), "what is left of the delayed ones")
}

func rescheduleWaiting(w *env) {
	q := w.open(runtime.QueueConfig{})
	r := q.(driver.Rescheduler)
	ready := w.put(q, 1)
	delay := w.ample()
	w.ok(r.Reschedule(w.ctx, ready[0].ID, w.now().Add(delay)), "reschedule a ready task")
	w.counts(q, "a ready task rescheduled", 0, 1, 0, 0)
	w.nothing(q, "a ready task rescheduled")
	far := w.put(q, 1, func(t *runtime.Task) { t.ScheduledFor = w.now().Add(time.Hour) })
	got := w.waiter(q)
	w.ok(r.Reschedule(w.ctx, far[0].ID, w.now()), "reschedule a scheduled task to now")
	w.equal(deliveredIDs(got.wants(1)), ids(far), "a worker that waits is woken by what is due now")
	w.is(r.Reschedule(w.ctx, far[0].ID, w.now()), runtime.ErrTaskNotFound, "reschedule a leased task")
	w.is(r.Reschedule(w.ctx, "unknown", w.now()), runtime.ErrTaskNotFound, "reschedule an unknown task")
	w.advance(delay + q.Capabilities().Lateness)
	w.equal(deliveredIDs(w.take(q, 1, long)), ids(ready), "the task that was put off")
}

func purgeWaiting(w *env) {
	q := w.open(runtime.QueueConfig{})
	w.put(q, 1)
	w.bury(q, w.takeOne(q, long))
	w.put(q, 2)
	ds := w.take(q, 2, long)
	w.put(q, 6)
	w.put(q, 3, func(t *runtime.Task) { t.ScheduledFor = w.now().Add(time.Hour) })
	n, err := q.(driver.Purger).Purge(w.ctx)
	w.ok(err, "purge")
	w.check(n == 9, "Purge says it removed %d tasks, want 9", n)
	w.counts(q, "after Purge", 0, 0, 2, 1)
	w.ok(q.Complete(w.ctx, ds), "complete what was leased")
	w.put(q, 1)
	w.takeOne(q, long)
}

func pauseEverywhere(w *env) {
	q, other := w.open(runtime.QueueConfig{}), w.openOther(runtime.QueueConfig{})
	p := q.(driver.Pauser)
	paused := func(q driver.Queue, want bool) {
		w.Helper()
		got, err := q.(driver.Pauser).Paused(w.ctx)
		w.ok(err, "paused")
		w.check(got == want, "Paused says %t, want %t", got, want)
	}
	paused(q, false)
	w.put(q, 2)
	w.ok(p.Pause(w.ctx), "pause")
	w.ok(p.Pause(w.ctx), "pause again")
	paused(q, true)
	paused(other, true)
	w.nothing(q, "paused")
	w.nothing(other, "paused by another process")
	w.counts(q, "paused", 2, 0, 0, 0)
	got := w.waiter(q)
	w.ok(other.(driver.Pauser).Resume(w.ctx), "resume")
	n := len(got.wantsSome())
	paused(q, false)
	w.take(other, 2-n, long)
}

func pauseSettles(w *env) {
	q := w.open(runtime.QueueConfig{})
	p := q.(driver.Pauser)
	w.put(q, 4)
	ds := w.take(q, 4, long)
	w.ok(p.Pause(w.ctx), "pause")
	w.ok(q.Complete(w.ctx, ds[:1]), "complete")
	w.ok(q.Extend(w.ctx, ds[1:2], long), "extend")
	w.ok(q.Release(w.ctx, ds[2:3]), "release")
	w.bury(q, ds[3])
	w.put(q, 1)
	w.nothing(q, "paused")
	w.counts(q, "settled while paused", 2, 0, 1, 1)
	w.ok(p.Resume(w.ctx), "resume")
	w.take(q, 2, long)
}

func pauseReopens(w *env) {
	q := w.open(runtime.QueueConfig{})
	w.put(q, 1)
	w.ok(q.(driver.Pauser).Pause(w.ctx), "pause")
	w.ok(w.main.Close(), "close the provider")
	w.main = w.provider()
	q = w.open(runtime.QueueConfig{})
	w.nothing(q, "opened again")
	w.ok(q.(driver.Pauser).Resume(w.ctx), "resume")
	w.takeOne(q, long)
}

func discardDead(w *env) {
	q := w.open(runtime.QueueConfig{})
	ready := w.put(q, 1)
	dead := w.put(q, 3)
	ds := w.take(q, 4, long)
	for _, d := range ds {
		if d.Task.ID == ready[0].ID {
			w.ok(q.Release(w.ctx, one(d)), "release")
		} else {
			w.bury(q, d)
		}
	}
	asked := []string{dead[0].ID, dead[2].ID, ready[0].ID, "unknown"}
	got, err := q.(driver.Discarder).Discard(w.ctx, asked)
	w.ok(err, "discard")
	w.same(got, asked[:2], "the answer of Discard")
	w.counts(q, "after Discard", 1, 0, 0, 1)
	w.equal(deliveredIDs(w.take(w.dead(q), 1, long)), []string{dead[1].ID}, "what is left of the dead")
}
