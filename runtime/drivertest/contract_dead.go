package drivertest

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// deadCases: the dead letter queue is a queue, and the way there and back keeps the
// task.
func deadCases() []testCase {
	return []testCase{
		{law: Contract, name: "a dead task records why, when and where it died", run: deadTells},
		{law: Contract, name: "a dead task records every attempt", requires: []requirement{keeping}, run: deadAttempts},
		{law: Contract, name: "a dead letter queue can be opened and consumed as a queue", run: deadConsumed},
		{law: Contract, name: testWorks, run: deadWorks},
		{law: Contract, name: "a task can die on a fifo queue", requires: []requirement{ordering}, run: func(w *env) {
			w.deadKind(runtime.QueueConfig{Name: "f", Type: runtime.FIFO}, func(*runtime.Task) {})
		}},
		{law: Contract, name: "a task can die on a priority queue", requires: []requirement{levels}, run: func(w *env) {
			w.deadKind(runtime.QueueConfig{Name: "p", Type: runtime.Priority, Levels: 3}, priority(2))
		}},
		{law: Contract, name: "Redrive restores the task except for the documented fields", requires: []requirement{redriving}, run: deadRestored},
		{law: Contract, name: "Redrive counts how often a task was redriven", requires: []requirement{redriving}, run: deadTwice},
		{law: Contract, name: "Redrive of unknown tasks, or of none, moves nothing", requires: []requirement{redriving}, run: deadUnknown},
		{law: Contract, name: "a dead task whose ID is on the queue again stays dead when it is redriven, and neither is lost", requires: []requirement{redriving, refusing}, run: deadAgain},
		{law: Contract, name: "RedriveDeaths moves the deaths that were read, edited or not, and no later ones", requires: []requirement{redriving}, run: deadAsRead},
		{law: Contract, name: "DiscardDeaths removes the deaths that were read, and no later ones", requires: []requirement{redriving, discarding}, run: deadDiscardedAsRead},
		{law: Contract, name: "Redrive wakes a waiting worker", requires: []requirement{redriving}, run: deadWakes},
	}
}

const testWorks = "a queue for tasks cannot be another queue's dead letter queue, whichever is opened first, by any process"

// fail treats a delivery as a pool does after its last failure.
func (w *env) fail(q driver.Queue, d *driver.Delivery) {
	w.Helper()
	driver.RecordAttempt(d.Task, d.Attempt(), "worker-1", w.now(), 1234*time.Microsecond, errBoom)
	driver.RecordDeath(d.Task, q.Config().Name, w.now(), errBoom)
	w.ok(q.DeadLetter(w.ctx, one(d)), "dead letter")
}

func deadTells(w *env) {
	q := w.open(runtime.QueueConfig{})
	w.put(q, 1, func(t *runtime.Task) { t.Metadata = map[string]string{"tenant": "t1"} })
	w.fail(q, w.takeOne(q, long))
	w.told(w.takeOne(w.dead(q), long).Task, 1)
}

// told checks a dead task's record of its end.
func (w *env) told(t *runtime.Task, attempts int) {
	w.Helper()
	want := map[string]string{
		"tenant": "t1", driver.MetaFailureReason: "boom", driver.MetaOriginalQueue: "q", driver.MetaAttempts: strconv.Itoa(attempts),
		driver.MetaFailedAt: t.Metadata[driver.MetaFailedAt],
	}
	for i := 1; i <= attempts; i++ {
		k := driver.MetaAttemptPrefix + strconv.Itoa(i)
		want[k] = t.Metadata[k]
		w.check(strings.Contains(want[k], "boom"), "%s is %q", k, want[k])
	}
	w.check(len(t.Metadata) == len(want), "the metadata of a dead task are %v", t.Metadata)
	for k, v := range want {
		w.check(t.Metadata[k] == v, "%s is %q, want %q", k, t.Metadata[k], v)
	}
	_, err := time.Parse(time.RFC3339Nano, t.Metadata[driver.MetaFailedAt])
	w.ok(err, "failed_at")
	w.check(t.RetryCount == attempts-1, "a task that failed %d times has RetryCount %d", attempts, t.RetryCount)
}

func deadAttempts(w *env) {
	q := w.open(runtime.QueueConfig{})
	w.put(q, 1, func(t *runtime.Task) { t.Metadata = map[string]string{"tenant": "t1"} })
	for range 2 {
		d := w.takeOne(q, long)
		driver.RecordAttempt(d.Task, d.Attempt(), "worker-1", w.now(), time.Millisecond, errBoom)
		d.Task.RetryCount++
		w.ok(q.Release(w.ctx, one(d)), "release")
	}
	w.fail(q, w.takeOne(q, long))
	w.told(w.takeOne(w.dead(q), long).Task, 3)
}

func deadConsumed(w *env) {
	q := w.open(runtime.QueueConfig{})
	ts := w.put(q, 6)
	w.bury(q, w.take(q, 6, long)...)
	dead := w.openOther(dlq(q))
	w.counts(dead, "the dead letter queue", 6, 0, 0, 0)
	lease := w.ample()
	ds := w.take(dead, 3, lease)
	w.ok(dead.Complete(w.ctx, ds[:1]), "complete a dead task")
	w.ok(dead.Release(w.ctx, ds[1:2]), "release a dead task")
	w.is(dead.DeadLetter(w.ctx, ds[2:]), runtime.ErrUnsupported, "dead letter a dead task")
	w.outlast(lease)
	w.counts(dead, "the lease of a dead task is over", 5, 0, 0, 0)
	w.same(append(deliveredIDs(w.drain(dead)), ds[0].Task.ID), ids(ts), "dead tasks")
	w.counts(q, "all dead tasks are done", 0, 0, 0, 0)
}

func (w *env) deadKind(cfg runtime.QueueConfig, change func(*runtime.Task)) {
	q := w.open(cfg)
	t := w.put(q, 1, change)[0]
	w.bury(q, w.takeOne(q, long))
	w.counts(q, "dead on "+cfg.Name, 0, 0, 0, 1)
	got := w.takeOne(w.dead(q), long).Task
	w.check(got.ID == t.ID && got.GroupKey == t.GroupKey && got.Priority == t.Priority, "the dead task is %+v", got)
}

// deadRestored compares a redriven task with the enqueued one.
func deadRestored(w *env) {
	q := w.open(runtime.QueueConfig{})
	want := w.fullTask(q)
	w.unkeyed(q, want)
	w.enqueue(q, want)
	d := w.takeOne(q, long)
	w.fail(q, d)
	w.advance(w.lease())
	_, err := q.(driver.Redriver).Redrive(w.ctx, []string{want.ID})
	w.ok(err, "redrive")
	got := w.takeOne(q, long)
	w.check(got.Task.RetryCount == 0, "a redriven task has RetryCount %d", got.Task.RetryCount)
	w.check(got.Task.ScheduledFor.IsZero() || !got.Task.ScheduledFor.After(w.now()), "a redriven task is scheduled for %s", got.Task.ScheduledFor)
	meta := got.Task.Metadata
	w.check(meta[driver.MetaRedriveCount] == "1" && meta[driver.MetaRedrivenFrom] == q.Config().DLQ, "the metadata of a redriven task are %v", meta)
	w.check(meta[driver.MetaFailureReason] == "boom", "a redriven task has forgotten why it died: %v", meta)
	for k, v := range want.Metadata {
		w.check(meta[k] == v, "metadata %q was %q and came back as %q", k, v, meta[k])
	}
	got.Task.RetryCount, got.Task.ScheduledFor, got.Task.Metadata = want.RetryCount, want.ScheduledFor, want.Metadata
	w.sameTask(got.Task, want, "redriven")
}

func deadTwice(w *env) {
	q := w.open(runtime.QueueConfig{})
	w.put(q, 1)
	for n := 1; n <= 3; n++ {
		w.fail(q, w.takeOne(q, long))
		_, err := q.(driver.Redriver).Redrive(w.ctx, nil)
		w.ok(err, "redrive")
		s, err := q.Stats(w.ctx)
		w.ok(err, "stats")
		w.check(s.Ready == 1, "after redrive %d the stats are %+v", n, s)
		d := w.takeOne(q, long)
		w.check(d.Task.Metadata[driver.MetaRedriveCount] == strconv.Itoa(n), "after redrive %d redrive_count is %q", n, d.Task.Metadata[driver.MetaRedriveCount])
		w.ok(q.Release(w.ctx, one(d)), "release")
	}
}

func deadUnknown(w *env) {
	q := w.open(runtime.QueueConfig{})
	r := q.(driver.Redriver)
	for _, asked := range [][]string{nil, {}, {"unknown"}} {
		got, err := r.Redrive(w.ctx, asked)
		w.ok(err, "redrive %v", asked)
		w.check(len(got) == 0, "redriving %v moved %v", asked, got)
	}
	w.put(q, 2)
	w.bury(q, w.takeOne(q, long))
	got, err := r.Redrive(w.ctx, []string{})
	w.ok(err, "redrive none")
	w.check(len(got) == 0, "redriving an empty list moved %v: only nil means all", got)
	w.counts(q, "after redriving none", 1, 0, 0, 1)
}

// deadAgain enqueues an ID that is dead already, and lets it die again.
func deadAgain(w *env) {
	q := w.open(runtime.QueueConfig{})
	t := w.put(q, 1)[0]
	w.fail(q, w.takeOne(q, long))
	w.put(q, 1, func(again *runtime.Task) { again.ID = t.ID })
	moved, err := q.(driver.Redriver).Redrive(w.ctx, []string{t.ID})
	w.is(err, runtime.ErrDuplicate, "redrive a task whose ID is on the queue")
	w.check(len(moved) == 0, "redriven: %v", moved)
	w.counts(q, "after the redrive", 1, 0, 0, 1)
	w.fail(q, w.takeOne(q, long))
	w.counts(q, "after the second death", 0, 0, 0, 2)
	w.equal(deliveredIDs(w.take(w.dead(q), 2, long)), []string{t.ID, t.ID}, "two dead tasks of one ID")
}

// deaths reads the n dead tasks of a queue, and returns their deaths by ID.
func (w *env) deaths(q driver.Queue, n int) map[string]driver.Death {
	w.Helper()
	dead := w.dead(q)
	ds := w.take(dead, n, long)
	w.ok(dead.Release(w.ctx, ds), "release what is dead")
	all := make(map[string]driver.Death, n)
	for _, d := range ds {
		all[d.Task.ID] = driver.DeathOf(d.Task)
	}
	return all
}

func (w *env) died(got, want []driver.Death, what string) {
	w.Helper()
	w.check(slices.Equal(got, want), "%s: the deaths %v, want %v", what, got, want)
}

// dieAgain has two tasks die, and then the first of them once more.
func (w *env) dieAgain(q driver.Queue) (again, other string, read []driver.Death) {
	w.Helper()
	ts := w.put(q, 2)
	for _, d := range w.take(q, 2, long) {
		w.fail(q, d)
	}
	first := w.deaths(q, 2)
	_, err := q.(driver.Redriver).Redrive(w.ctx, []string{ts[0].ID})
	w.ok(err, "redrive")
	w.fail(q, w.takeOne(q, long))
	return ts[0].ID, ts[1].ID, []driver.Death{first[ts[0].ID], first[ts[1].ID]}
}

func deadAsRead(w *env) {
	q := w.open(runtime.QueueConfig{})
	r := q.(driver.Redriver)
	again, other, read := w.dieAgain(q)
	moved, err := r.RedriveDeaths(w.ctx, read, nil)
	w.ok(err, "redrive what was read")
	w.died(moved, read[1:], "what was moved")
	w.counts(q, "after what was read was redriven", 1, 0, 0, 1)
	got := w.takeOne(q, long)
	w.check(got.Task.ID == other && got.Task.Metadata[driver.MetaRedriveCount] == "1", "the redriven task is %s, with the metadata %v", got.Task.ID, got.Task.Metadata)
	w.ok(q.Complete(w.ctx, one(got)), "complete")

	read = []driver.Death{w.deaths(q, 1)[again]}
	moved, err = r.RedriveDeaths(w.ctx, read, []*driver.Edit{{Payload: []byte("no JSON")}})
	w.is(err, runtime.ErrInvalidTask, "redrive with a payload that is none")
	w.check(len(moved) == 0, "redriven with a payload that is none: %v", moved)
	w.counts(q, "after the payload was refused", 0, 0, 0, 1)
	edit := &driver.Edit{Payload: []byte(`{"edited":true}`), Shape: "00fe5a9d0b1c"}
	moved, err = r.RedriveDeaths(w.ctx, read, []*driver.Edit{edit})
	w.ok(err, "redrive with another payload")
	w.died(moved, read, "what was moved with another payload")
	got = w.takeOne(q, long)
	w.check(got.Task.ID == again && string(got.Task.Payload) == string(edit.Payload), "the edited task is %s, with the payload %s", got.Task.ID, got.Task.Payload)
	w.check(got.Task.Shape == edit.Shape, "the edited task has the shape %q, want %q", got.Task.Shape, edit.Shape)
	w.check(got.Task.RetryCount == 0 && got.Task.Metadata[driver.MetaRedriveCount] == "2", "the edited task has RetryCount %d and the metadata %v", got.Task.RetryCount, got.Task.Metadata)
	w.ok(q.Complete(w.ctx, one(got)), "complete")
	for _, asked := range [][]driver.Death{nil, {}, read} {
		moved, err = r.RedriveDeaths(w.ctx, asked, nil)
		w.ok(err, "redrive %v", asked)
		w.check(len(moved) == 0, "redriving %v moved %v", asked, moved)
	}
	w.counts(q, "in the end", 0, 0, 0, 0)
}

func deadDiscardedAsRead(w *env) {
	q := w.open(runtime.QueueConfig{})
	d := q.(driver.Discarder)
	again, _, read := w.dieAgain(q)
	gone, err := d.DiscardDeaths(w.ctx, read)
	w.ok(err, "discard what was read")
	w.died(gone, read[1:], "what was discarded")
	w.counts(q, "after what was read was discarded", 0, 0, 0, 1)
	left := w.deaths(q, 1)
	for _, want := range [][]driver.Death{{left[again]}, nil} {
		gone, err = d.DiscardDeaths(w.ctx, []driver.Death{left[again]})
		w.ok(err, "discard the later death")
		w.died(gone, want, "what was discarded")
		w.counts(q, "in the end", 0, 0, 0, 0)
	}
}

func deadWakes(w *env) {
	q := w.open(runtime.QueueConfig{})
	w.put(q, 1)
	w.bury(q, w.takeOne(q, long))
	got := w.waiter(q)
	_, err := q.(driver.Redriver).Redrive(w.ctx, nil)
	w.ok(err, "redrive")
	got.wants(1)
}

// deadWorks names queues for tasks as dead letter queues, and opens dead letter queues
// for tasks.
func deadWorks(w *env) {
	plain := runtime.QueueConfig{Name: "orders"}
	mail, named, orders := w.open(runtime.QueueConfig{Name: "mail"}), w.open(runtime.QueueConfig{Name: "named", DLQ: "graves"}), w.open(plain)
	w.put(mail, 1)
	w.ok(mail.Complete(w.ctx, one(w.takeOne(mail, long))), "complete")
	for _, p := range []runtime.Provider{w.main, w.otherProvider()} {
		for _, cfg := range []runtime.QueueConfig{
			{Name: "reports", DLQ: "mail"},
			{Name: "reports", DLQ: "named"},
			{Name: "orders-dlq", DLQ: "graves"},
			{Name: "orders-dlq", Type: driver.Standard, DLQ: "graves"},
			{Name: "orders-dlq", Type: driver.Standard, Types: []string{"work"}},
		} {
			q, err := p.Open(w.ctx, w.withDefaults(cfg))
			if err == nil {
				_ = q.Close()
			}
			w.is(err, driver.ErrQueueMismatch, "open %q with the types %q and the dead letter queue %q", cfg.Name, cfg.Types, cfg.DLQ)
		}
	}
	// The queues are unchanged: tasks die on them, and are found there.
	for _, q := range []driver.Queue{mail, named, orders, w.openOther(runtime.QueueConfig{Name: "mail"})} {
		w.put(q, 1)
		w.fail(q, w.takeOne(q, long))
		dead := w.dead(q)
		w.ok(dead.Complete(w.ctx, one(w.takeOne(dead, long))), "complete what is dead")
	}
	w.open(runtime.QueueConfig{Name: "reports"})
	w.open(plain)
}
