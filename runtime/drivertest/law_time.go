package drivertest

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// timeCases: law 4.
func timeCases() []testCase {
	return []testCase{
		{law: NeverEarly, name: "a delayed task is not handed out before its time, to the fraction of a millisecond", requires: []requirement{delaying}, run: timeDelays},
		{law: NeverEarly, name: "on the machine's clock a task is neither early nor late", requires: []requirement{delaying}, real: true, run: timeReal},
		{law: NeverEarly, name: "a released task waits for its delay", run: timeRelease},
		{law: NeverEarly, name: "delayed tasks are handed out in the order of their times", requires: []requirement{delaying}, run: timeOrder},
		{law: NeverEarly, name: "a task that becomes due wakes a waiting worker", requires: []requirement{delaying}, run: timeWakes},
		{law: NeverEarly, name: "a sooner task wakes a worker that waits for a later one", requires: []requirement{delaying}, run: timeSooner},
		{law: NeverEarly, name: "a time that has passed means now", run: timePast},
		{law: NeverEarly, name: "a task that is due far in the future waits", requires: []requirement{delaying}, run: timeFar},
	}
}

// slack is how late a task may come in a test.
func (w *env) slack(q driver.Queue) time.Duration {
	if w.clock != nil {
		return q.Capabilities().Lateness
	}
	return q.Capabilities().Lateness + w.patience/2
}

// delays are the tested delays that the queue supports.
func delays(q driver.Queue, all ...time.Duration) []time.Duration {
	most := q.Capabilities().MaxDelay
	return slices.DeleteFunc(all, func(d time.Duration) bool { return most != driver.Unlimited && d > most })
}

func timeDelays(w *env) {
	if w.clock == nil {
		timeReal(w)
		return
	}
	q := w.open(runtime.QueueConfig{})
	for _, d := range delays(q, 1, 999, time.Microsecond, 100*time.Microsecond, time.Millisecond-1, time.Millisecond, 1500*time.Microsecond,
		9999*time.Microsecond, time.Second-1, time.Second, 90*time.Second, 15*time.Minute+1, 12*time.Hour) {
		due := w.now().Add(d)
		a := w.enqueue(q, w.task(q, func(t *runtime.Task) { t.ScheduledFor = due }))[0]
		w.check(!a.DueAt.Before(due) && !a.DueAt.After(due.Add(w.slack(q))), "with a delay of %s the answer says due at %s, want %s", d, a.DueAt, due)
		w.advance(d - 1)
		take := func() *driver.Delivery { return w.takeOne(q, long) }
		if hop := q.Capabilities().DelayHop; hop != driver.Unlimited && d > hop {
			take = func() *driver.Delivery { return w.takeHopped(q) }
			w.eventually(func() bool {
				w.nothing(q, "one nanosecond before a delay of %s is over", d)
				return w.numbers(q) == driver.Stats{Scheduled: 1}
			}, "it is put off before a delay of %s is over", d)
		} else {
			w.counts(q, at("one nanosecond before a delay of %s is over", d), 0, 1, 0, 0)
			w.nothing(q, "one nanosecond before a delay of %s is over", d)
		}
		w.advance(1 + w.slack(q))
		got := take()
		w.check(got.Task.ScheduledFor.Equal(due), "ScheduledFor was %s and came back as %s", due, got.Task.ScheduledFor)
		w.ok(q.Complete(w.ctx, []*driver.Delivery{got}), "complete")
	}
}

// takeHopped leases a task that the provider may be putting off at this moment. A delay
// computed before the clock moves, and sent to the backend afterwards, ends later by as
// much as the clock moved, and only the test moves the clock again.
func (w *env) takeHopped(q driver.Queue) *driver.Delivery {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, w.patience/4)
	defer cancel()
	ds, err := q.Dequeue(ctx, 1, long)
	if err == nil {
		return ds[0]
	}
	w.is(err, driver.ErrNoTasks, "dequeue")
	w.advance(w.slack(q))
	return w.takeOne(q, long)
}

func timeReal(w *env) {
	q := w.open(runtime.QueueConfig{})
	var ts []*runtime.Task
	for _, d := range []time.Duration{1, 300 * time.Microsecond, time.Millisecond, 1234567, 10 * time.Millisecond, 33333333, 200 * time.Millisecond, 777 * time.Millisecond} {
		ts = append(ts, w.task(q, func(t *runtime.Task) { t.ScheduledFor = time.Now().Add(d) }))
	}
	due := make(map[string]time.Time)
	for _, t := range ts {
		due[t.ID] = t.ScheduledFor
	}
	w.enqueue(q, ts...)
	for range ts {
		d := w.takeOne(q, long)
		late := time.Since(due[d.Task.ID])
		w.check(late >= 0, "task %s came %s early", d.Task.ID, -late)
		w.check(late <= w.slack(q), "task %s came %s late", d.Task.ID, late)
	}
}

func timeRelease(w *env) {
	q := w.open(runtime.QueueConfig{})
	for _, delay := range []time.Duration{0, 700 * time.Microsecond, 20 * time.Millisecond, 400 * time.Millisecond} {
		w.put(q, 1)
		d := w.takeOne(q, long)
		d.Delay = delay
		due := w.now().Add(delay)
		w.ok(q.Release(w.ctx, []*driver.Delivery{d}), "release with a delay of %s", delay)
		if w.clock != nil && delay > 0 {
			w.advance(delay - 1)
			w.nothing(q, "one nanosecond before the release's delay of %s is over", delay)
			w.counts(q, "before the release's delay is over", 0, 1, 0, 0)
			w.advance(1 + w.slack(q))
		}
		again := w.takeOne(q, long)
		w.check(!w.now().Before(due), "released until %s and handed out at %s", due, w.now())
		w.ok(q.Complete(w.ctx, []*driver.Delivery{again}), "complete")
	}
}

func timeOrder(w *env) {
	q := w.open(runtime.QueueConfig{})
	// Steps longer than the allowed lateness: else tasks could change places.
	n, step := 20, w.scaled(max(30*time.Millisecond, 2*q.Capabilities().Lateness))
	if step > 200*time.Millisecond {
		n = 5
	}
	want := make([]string, n)
	var ts []*runtime.Task
	start := w.now()
	for _, i := range rand.Perm(n) {
		t := w.task(q, func(t *runtime.Task) { t.ScheduledFor = start.Add(time.Duration(i+1) * step) })
		want[i] = t.ID
		ts = append(ts, t)
	}
	w.enqueue(q, ts...)
	var got []string
	for i := range want {
		if w.clock != nil {
			w.advance(start.Add(time.Duration(i+1)*step + w.slack(q)).Sub(w.now()))
		}
		got = append(got, w.takeOne(q, long).Task.ID)
	}
	w.equal(got, want, "the order of delayed tasks")
}

func timeWakes(w *env) {
	q := w.open(runtime.QueueConfig{})
	got := w.waiter(q)
	const d = 150 * time.Millisecond
	due := w.now().Add(d)
	w.put(q, 1, func(t *runtime.Task) { t.ScheduledFor = due })
	w.advance(d + q.Capabilities().Lateness)
	got.wants(1)
	w.check(!w.now().Before(due), "the worker was woken early")
}

func timeSooner(w *env) {
	q := w.open(runtime.QueueConfig{})
	got := w.waiter(q)
	far := min(time.Hour, delays(q, 15*time.Minute, time.Minute, time.Second)[0])
	w.put(q, 1, func(t *runtime.Task) { t.ScheduledFor = w.now().Add(far) })
	soon := w.put(q, 1, func(t *runtime.Task) { t.ScheduledFor = w.now().Add(50 * time.Millisecond) })
	w.advance(50*time.Millisecond + q.Capabilities().Lateness)
	w.equal(deliveredIDs(got.wants(1)), ids(soon), "the task that is due first")
}

func timePast(w *env) {
	q := w.open(runtime.QueueConfig{})
	ts := []*runtime.Task{
		w.task(q, func(t *runtime.Task) { t.ScheduledFor = w.now().Add(-time.Hour) }),
		w.task(q, func(t *runtime.Task) { t.ScheduledFor = time.Unix(0, 0).UTC() }),
		w.task(q, func(t *runtime.Task) { t.ScheduledFor = w.now() }),
	}
	w.enqueue(q, ts...)
	w.counts(q, "tasks due in the past", 3, 0, 0, 0)
	w.same(deliveredIDs(w.take(q, 3, long)), ids(ts), "tasks due in the past")
}

func timeFar(w *env) {
	q := w.open(runtime.QueueConfig{})
	far := delays(q, 20*365*24*time.Hour, 12*time.Hour, 10*time.Minute)[0]
	dues := []time.Time{w.now().Add(far)}
	if q.Capabilities().MaxDelay == driver.Unlimited { // the last time that a task may have
		dues = append(dues, time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC))
	}
	for _, due := range dues {
		w.put(q, 1, func(t *runtime.Task) { t.ScheduledFor = due })
	}
	w.put(q, 1)
	w.takeOne(q, long)
	w.nothing(q, "with tasks due at %v", dues)
	w.counts(q, "with tasks of the far future", 0, int64(len(dues)), 1, 0)
}
