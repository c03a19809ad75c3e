package drivertest

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// taskCases: every task comes out as it went in, and an invalid one is refused.
func taskCases() []testCase {
	return []testCase{
		{law: Contract, name: "every payload comes back byte for byte", run: taskPayloads},
		{law: Contract, name: "every field comes back", run: taskFields},
		{law: Contract, name: "tasks are copied when they are enqueued and handed out", run: taskCopies},
		{law: Contract, name: "an invalid task is refused, and the rest of its batch is enqueued", run: taskInvalid},
		{law: Contract, name: "an ID that is on the queue is refused with ErrDuplicate", requires: []requirement{refusing, delaying}, run: taskDuplicate},
		{law: Contract, name: "of concurrent enqueues with the same ID, one succeeds", requires: []requirement{refusing}, run: taskRace},
		{law: Contract, name: "a payload larger than Capabilities.MaxPayload is refused, and one of that size is not", requires: []requirement{measuring}, run: taskLarge},
		{law: Contract, name: "a queue at its capacity returns ErrQueueFull for further tasks", requires: []requirement{bounding, delaying}, run: taskCapacity},
		{law: Contract, name: "empty batches do nothing", run: taskEmpty},
		{law: Contract, name: "Release stores the task as it is in the delivery", requires: []requirement{keeping}, run: taskReleased},
	}
}

// payloads are JSON values that codecs, escapes and databases get wrong.
var payloads = []string{
	`null`, `true`, `0`, `-0`, `""`, `{}`, `[]`, `" "`, `{"":""}`,
	`"\"\\\/\b\f\n\r\t\u0000\u001f\u007f\u2028\u2029\ud83d\ude00"`,
	`"<script>&amp;'` + "`" + `</script>"`,
	`"žluťoučký кот 猫 😀 ` + "\u2028\u2029\ufeff\u200b\u202e" + `"`,
	`"\ud800 a lone surrogate"`,
	`18446744073709551616`, `-9223372036854775808`, `1e308`, `3.141592653589793238462643383279502884197`, `1E-7`,
	`{"a":1,"a":2,"z":0,"A":3}`,
	"{\n\t\"spaced\" :  [ 1 , 2 ]\r\n}", // white space around a value is the only thing that the envelope drops
	`{"sql":"'); DROP TABLE tasks; --","format":"%s%d%n","key":"{q}:1"}`,
}

func taskPayloads(w *env) {
	q := w.open(runtime.QueueConfig{})
	deep := strings.Repeat("[", 500) + strings.Repeat("]", 500)
	large := `"` + strings.Repeat("0123456789abcdef", 12_000) + `"`
	all := append([]string{deep, large}, payloads...)
	want := make(map[string]string)
	var ts []*runtime.Task
	for _, p := range all {
		if most := q.Capabilities().MaxPayload; most != driver.Unlimited && len(p) > most {
			continue
		}
		t := w.task(q, func(t *runtime.Task) { t.Payload = []byte(p) })
		want[t.ID] = p
		ts = append(ts, t)
	}
	w.enqueue(q, ts...)
	ds := w.take(q, len(ts), long)
	w.ok(q.Release(w.ctx, ds), "release")
	for _, d := range w.take(q, len(ts), long) {
		w.check(string(d.Task.Payload) == want[d.Task.ID], "the payload %.200q came back as %.200q", want[d.Task.ID], d.Task.Payload)
	}
}

// fullTask has a value in every field.
func (w *env) fullTask(q driver.Queue) *runtime.Task {
	return w.task(q, func(t *runtime.Task) {
		t.Type, t.Encoding, t.Payload = "a.type/with-Signs_1", "zstd,aes-gcm", []byte{0, 1, 2, 0xff, 0xfe, '"', '\\', '\n'}
		t.UniqueKey, t.UniqueFor = "unique ключ", 90*time.Minute
		t.Metadata = map[string]string{"": "empty key", "k": "", "traceparent": "00-x-y-01", "nasty\n\"\\\x00": "\u2028\x00😀", "taskgen.own": "1"}
		t.CreatedAt = w.now().Add(-123456789 * time.Nanosecond)
		t.ScheduledFor = t.CreatedAt.Add(1001 * time.Nanosecond)
		t.MaxRetries, t.RetryCount, t.Timeout, t.SchemaVersion = 7, 2, 1500*time.Millisecond, 12 // envelopes hold whole milliseconds
		t.Shape = "0123456789ab"
		if !q.Capabilities().KeepsReleased {
			t.RetryCount = 0 // the provider counts it
		}
	})
}

// unkeyed removes a unique key that the queue cannot hold.
func (w *env) unkeyed(q driver.Queue, t *runtime.Task) {
	if most := q.Capabilities().DedupWindow; most != driver.Unlimited && t.UniqueFor > most {
		t.UniqueKey, t.UniqueFor = "", 0
	}
}

func taskFields(w *env) {
	for _, cfg := range []runtime.QueueConfig{{}, {Name: "f", Type: runtime.FIFO}, {Name: "p", Type: runtime.Priority, Levels: 3}} {
		if cfg.Name == "" {
			cfg.Name = "q"
		}
		q, err := w.main.Open(w.ctx, cfg)
		if errors.Is(err, runtime.ErrUnsupported) {
			continue
		}
		w.ok(err, "open queue %q", cfg.Name)
		t := w.fullTask(q)
		if cfg.Type == runtime.FIFO {
			t.GroupKey = "a group / группа"
		}
		if cfg.Type == runtime.Priority {
			t.Priority = 2
		}
		w.unkeyed(q, t)
		w.enqueue(q, t)
		d := w.takeOne(q, long)
		w.sameTask(d.Task, t, "delivered")
	}
}

// sameTask compares all fields of two tasks.
func (w *env) sameTask(got, want *runtime.Task, when string) {
	w.Helper()
	if diff := taskDiff(got, want); diff != "" {
		w.Fatalf("%s: the task differs: %s", when, diff)
	}
}

func taskDiff(got, want *runtime.Task) string {
	var b strings.Builder
	diff := func(field string, same bool, got, want any) {
		if !same {
			fmt.Fprintf(&b, "%s is %#v, want %#v; ", field, got, want)
		}
	}
	for _, f := range []struct{ name, got, want string }{
		{"ID", got.ID, want.ID},
		{"Type", got.Type, want.Type},
		{"Queue", got.Queue, want.Queue},
		{"Encoding", got.Encoding, want.Encoding},
		{"GroupKey", got.GroupKey, want.GroupKey},
		{"UniqueKey", got.UniqueKey, want.UniqueKey},
		{"Shape", got.Shape, want.Shape},
	} {
		diff(f.name, f.got == f.want, f.got, f.want)
	}
	for _, f := range []struct {
		name      string
		got, want int64
	}{
		{"Priority", int64(got.Priority), int64(want.Priority)},
		{"MaxRetries", int64(got.MaxRetries), int64(want.MaxRetries)},
		{"RetryCount", int64(got.RetryCount), int64(want.RetryCount)},
		{"SchemaVersion", int64(got.SchemaVersion), int64(want.SchemaVersion)},
		{"Timeout", int64(got.Timeout), int64(want.Timeout)},
		{"UniqueFor", int64(got.UniqueFor), int64(want.UniqueFor)},
	} {
		diff(f.name, f.got == f.want, f.got, f.want)
	}
	diff("Payload", bytes.Equal(got.Payload, want.Payload), string(got.Payload), string(want.Payload))
	diff("Metadata", maps.Equal(got.Metadata, want.Metadata), got.Metadata, want.Metadata)
	diff("CreatedAt", got.CreatedAt.Equal(want.CreatedAt), got.CreatedAt, want.CreatedAt)
	diff("ScheduledFor", got.ScheduledFor.Equal(want.ScheduledFor), got.ScheduledFor, want.ScheduledFor)
	return b.String()
}

func taskCopies(w *env) {
	q := w.open(runtime.QueueConfig{})
	t := w.task(q, func(t *runtime.Task) { t.Metadata = map[string]string{"k": "v"} })
	want := t.Clone()
	w.enqueue(q, t)
	spoil := func(t *runtime.Task) { t.Metadata["k"], t.Type, t.RetryCount, t.Payload = "spoilt", "spoilt", 9, nil }
	t.Payload[0] = 'X'
	spoil(t)
	d := w.takeOne(q, w.lease())
	w.sameTask(d.Task, want, "after the caller changed the task it had enqueued")
	spoil(d.Task)
	w.expire()
	if !q.Capabilities().ForgivesCrashes {
		want.RetryCount = 1
	}
	w.sameTask(w.takeOne(q, long).Task, want, "after a worker changed the task it was given, and died")
}

// taskInvalid tests the manager, as for every task, and then the queue itself, which
// must give the same answers.
func taskInvalid(w *env) {
	m := w.manager(runtime.QueueConfig{Name: "q"})
	q, err := m.Queue("q")
	w.ok(err, "the manager's queue")
	bad := map[string]func(*runtime.Task){
		"no type":             func(t *runtime.Task) { t.Type = "" },
		"broken JSON":         func(t *runtime.Task) { t.Payload = []byte(`{"a":`) },
		"no payload":          func(t *runtime.Task) { t.Payload = nil },
		"negative timeout":    func(t *runtime.Task) { t.Timeout = -1 },
		"type not UTF-8":      func(t *runtime.Task) { t.Type = "\xff" },
		"metadata not UTF-8":  func(t *runtime.Task) { t.Metadata = map[string]string{"k": "\xff"} },
		"window without key":  func(t *runtime.Task) { t.UniqueFor = time.Second },
		"negative priority":   func(t *runtime.Task) { t.Priority = -1 },
		"priority too high":   func(t *runtime.Task) { t.Priority = 99 },
		"group without order": func(t *runtime.Task) { t.GroupKey = "g" },
	}
	if q.Config().Type == runtime.FIFO {
		delete(bad, "group without order")
		bad["order without group"] = group("")
	}
	var want []string
	for way, to := range map[string]runtime.Enqueuer{"through a manager": m, "on the queue itself": q} {
		for name, spoil := range bad {
			ts := w.tasks(q, 3)
			spoil(ts[1])
			answers, err := to.Enqueue(w.ctx, ts)
			w.is(err, runtime.ErrInvalidTask, "%s, %s", name, way)
			var be *runtime.BatchError
			w.check(errors.As(err, &be) && len(be.Items) == 1 && be.Items[0].Index == 1, "%s, %s: the error is %v, want a *BatchError for item 1 alone", name, way, err)
			w.check(len(answers) == 3 && answers[0].ID == ts[0].ID && answers[2].ID == ts[2].ID, "%s, %s: the answers are %+v", name, way, answers)
			want = append(want, ts[0].ID, ts[2].ID)
		}
	}
	w.same(deliveredIDs(w.drain(q)), want, "the valid tasks")
}

func taskDuplicate(w *env) {
	q := w.open(runtime.QueueConfig{})
	refused := func(id, when string) {
		w.Helper()
		ts := w.tasks(q, 2)
		ts[0].ID = id
		_, err := q.Enqueue(w.ctx, ts)
		w.is(err, runtime.ErrDuplicate, "%s", when)
		w.check(runtime.ErrorAt(err, 1) == nil, "%s: the other task of the batch failed too: %v", when, err)
		w.ok(q.Complete(w.ctx, w.take(q, 1, long)), "complete the other task")
	}
	later := w.put(q, 1, func(t *runtime.Task) { t.ScheduledFor = w.now().Add(time.Hour) })
	refused(later[0].ID, "a scheduled task's ID")
	leased := w.put(q, 1)
	d := w.takeOne(q, long)
	refused(leased[0].ID, "a leased task's ID")
	w.ok(q.Complete(w.ctx, one(d)), "complete")
	w.enqueue(q, w.task(q, func(t *runtime.Task) { t.ID = leased[0].ID }))
	_, err := q.Enqueue(w.ctx, []*runtime.Task{w.task(q, func(t *runtime.Task) { t.ID = leased[0].ID })})
	w.is(err, runtime.ErrDuplicate, "a ready task's ID")
	twins := w.tasks(q, 2)
	twins[1].ID = twins[0].ID
	_, err = q.Enqueue(w.ctx, twins)
	w.is(err, runtime.ErrDuplicate, "an ID twice in a batch")
	w.check(runtime.ErrorAt(err, 0) == nil && runtime.ErrorAt(err, 1) != nil, "an ID twice in a batch: the first is to be enqueued, the second refused: %v", err)
	w.counts(q, "at the end", 2, 1, 0, 0)
}

func taskRace(w *env) {
	const callers = 8
	handles := []driver.Queue{w.open(runtime.QueueConfig{}), w.openOther(runtime.QueueConfig{})}
	var (
		wg   sync.WaitGroup
		done atomic.Int64
	)
	for i := range callers {
		wg.Go(func() {
			t := w.task(handles[i%2], func(t *runtime.Task) { t.ID = "the same" })
			switch _, err := handles[i%2].Enqueue(w.ctx, []*runtime.Task{t}); {
			case err == nil:
				done.Add(1)
			case !errors.Is(err, runtime.ErrDuplicate):
				w.Errorf("enqueue an ID beside others: %v", err)
			}
		})
	}
	wg.Wait()
	w.check(done.Load() == 1, "%d enqueues of one ID succeeded", done.Load())
	w.counts(handles[0], "one ID", 1, 0, 0, 0)
}

func taskLarge(w *env) {
	m := w.manager(runtime.QueueConfig{Name: "q"})
	q, err := m.Queue("q")
	w.ok(err, "queue")
	most := q.Capabilities().MaxPayload
	sized := func(n int) *runtime.Task {
		return w.task(q, func(t *runtime.Task) { t.Payload = []byte(`"` + strings.Repeat("x", n-2) + `"`) })
	}
	ts := []*runtime.Task{sized(most + 1), sized(most)}
	_, err = m.Enqueue(w.ctx, ts)
	w.is(err, runtime.ErrPayloadTooLarge, "a payload of %d bytes", most+1)
	w.ok(runtime.ErrorAt(err, 1), "a payload of %d bytes", most)
	got := w.takeOne(q, long).Task
	w.check(got.ID == ts[1].ID && len(got.Payload) == most, "a payload of %d bytes came back with %d", most, len(got.Payload))
}

func taskCapacity(w *env) {
	q := w.open(runtime.QueueConfig{Capacity: 10})
	w.put(q, 4)
	w.put(q, 2, func(t *runtime.Task) { t.ScheduledFor = w.now().Add(time.Hour) })
	held := w.take(q, 2, long)
	ts := w.tasks(q, 7)
	answers, err := q.Enqueue(w.ctx, ts)
	w.is(err, runtime.ErrQueueFull, "seven tasks where there is room for four")
	for i := range ts {
		e := runtime.ErrorAt(err, i)
		w.check((e == nil) == (i < 4), "item %d of seven, with room for four: %v", i, e)
		w.check(e != nil || answers[i].ID == ts[i].ID, "the answer to item %d is %+v", i, answers[i])
	}
	w.counts(q, "full", 6, 2, 2, 0)
	w.ok(q.Complete(w.ctx, held[:1]), "complete")
	w.bury(q, held[1])
	w.put(q, 2)
	_, err = q.Enqueue(w.ctx, w.tasks(q, 1))
	w.is(err, runtime.ErrQueueFull, "full again")
}

func taskEmpty(w *env) {
	q := w.open(runtime.QueueConfig{})
	answers, err := q.Enqueue(w.ctx, nil)
	w.ok(err, "enqueue nothing")
	w.check(len(answers) == 0, "%d answers to no task", len(answers))
	for _, s := range settles {
		w.ok(s.do(w, q, nil), "%s of nothing", s.name)
	}
}

func taskReleased(w *env) {
	q := w.open(runtime.QueueConfig{})
	t := w.task(q, func(t *runtime.Task) { t.Metadata = map[string]string{"k": "v", "gone": "soon"} })
	want := t.Clone()
	w.enqueue(q, t)
	d := w.takeOne(q, long)
	d.Task.RetryCount = 2
	delete(d.Task.Metadata, "gone")
	driver.RecordAttempt(d.Task, 1, "worker-1", w.now(), time.Second, errBoom)
	want.RetryCount, want.Metadata = 2, maps.Clone(d.Task.Metadata)
	w.ok(q.Release(w.ctx, one(d)), "release")
	got := w.takeOne(q, long).Task
	got.ScheduledFor = want.ScheduledFor // the queue may or may not keep here when a task is due again
	w.sameTask(got, want, "after a release")
}
