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
		op("a pause ends by itself, and workers that wait go on", pauseEnds, pausing),
		op("a later pause replaces an earlier one, and one that is over is none", pauseReplaced, pausing),
		op("settling and enqueueing continue while a queue is paused", pauseSettles, pausing),
		op("a paused queue is still paused when it is reopened", pauseReopens, pausing, reopening),
		op("a pause ends by itself though the process that paused is gone", pauseOutlives, pausing, reopening),
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
	w.paused(q, driver.Pause{})
	w.put(q, 2)
	w.pause(q, time.Time{})
	w.pause(q, time.Time{})
	w.paused(q, driver.Pause{Paused: true})
	w.paused(other, driver.Pause{Paused: true})
	w.nothing(q, "paused")
	w.nothing(other, "paused by another process")
	w.counts(q, "paused", 2, 0, 0, 0)
	got := w.waiter(q)
	w.ok(other.(driver.Pauser).Resume(w.ctx), "resume")
	n := len(got.wantsSome())
	w.paused(q, driver.Pause{})
	w.take(other, 2-n, long)
}

func (w *env) pause(q driver.Queue, until time.Time) {
	w.Helper()
	w.ok(q.(driver.Pauser).Pause(w.ctx, until), "pause until %s", until)
}

// paused checks the answer of Paused.
func (w *env) paused(q driver.Queue, want driver.Pause) {
	w.Helper()
	got, err := q.(driver.Pauser).Paused(w.ctx)
	w.ok(err, "paused")
	later := got.Until.Sub(want.Until)
	w.check(got.Paused == want.Paused && got.Until.IsZero() == want.Until.IsZero() && later >= 0 && later <= w.h.caps.Granularity,
		"Paused says %+v, want %+v", got, want)
}

// pauseLateness is how long after the end of a pause tasks may come: the contract's two
// seconds, and one for a busy machine.
const pauseLateness = 3 * time.Second

// untilPauseEnds waits for the end of a pause, and for a worker to get what the pause has
// held back.
func (w *env) untilPauseEnds(until time.Time, got *waiter) []*driver.Delivery {
	w.Helper()
	if w.clock != nil {
		w.advance(until.Sub(w.now()))
	}
	ds := got.wantsSome()
	came := w.now()
	w.check(!came.Before(until), "tasks came %s before the end of the pause", until.Sub(came))
	w.check(came.Sub(until) <= w.scaled(pauseLateness), "tasks came %s after the end of the pause", came.Sub(until))
	return ds
}

func pauseEnds(w *env) {
	q, other := w.open(runtime.QueueConfig{}), w.openOther(runtime.QueueConfig{})
	early := w.waiter(q)
	until := w.now().Add(w.ample())
	w.pause(other, until)
	w.paused(q, driver.Pause{Paused: true, Until: until})
	w.paused(other, driver.Pause{Paused: true, Until: until})
	w.put(other, 1)
	if w.clock != nil {
		w.advance(until.Sub(w.now()) - time.Millisecond)
	}
	w.nothing(other, "before the end of the pause")
	w.untilPauseEnds(until, early)
	w.paused(q, driver.Pause{})
	w.paused(other, driver.Pause{})

	until = w.now().Add(w.ample())
	w.pause(q, until)
	w.put(q, 2)
	w.nothing(q, "paused again")
	n := len(w.untilPauseEnds(until, w.waiter(other)))
	w.take(q, 2-n, long)
}

func pauseReplaced(w *env) {
	q, other := w.open(runtime.QueueConfig{}), w.openOther(runtime.QueueConfig{})
	w.put(q, 1)
	w.pause(q, w.now().Add(time.Hour))
	got := w.waiter(q)
	until := w.now().Add(w.brief())
	w.pause(other, until)
	w.paused(q, driver.Pause{Paused: true, Until: until})
	w.untilPauseEnds(until, got)

	w.put(q, 1)
	until = w.now().Add(w.ample())
	w.pause(q, until)
	w.pause(other, time.Time{})
	w.advance(until.Sub(w.now()) + 5*time.Millisecond)
	w.paused(q, driver.Pause{Paused: true})
	w.nothing(q, "paused for longer")

	w.pause(q, w.now().Add(-time.Hour))
	w.paused(other, driver.Pause{})
	w.takeOne(other, long)
}

func pauseOutlives(w *env) {
	q := w.open(runtime.QueueConfig{})
	w.put(q, 1)
	until := w.now().Add(w.ample())
	w.pause(q, until)
	w.ok(w.main.Close(), "close the provider")
	w.main = w.provider()
	q = w.open(runtime.QueueConfig{})
	w.paused(q, driver.Pause{Paused: true, Until: until})
	w.untilPauseEnds(until, w.waiter(q))
}

func pauseSettles(w *env) {
	q := w.open(runtime.QueueConfig{})
	p := q.(driver.Pauser)
	w.put(q, 4)
	ds := w.take(q, 4, long)
	w.pause(q, time.Time{})
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
	w.pause(q, time.Time{})
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
