package drivertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// refusalCases: a backend's refusal affects one message only, and every message that
// it has accepted leaves the queue, whatever it is.
func refusalCases() []testCase {
	return []testCase{
		{law: Contract, name: testRefusal, requires: []requirement{measuring}, run: refusalAlone},
		{law: PoisonDoesNotLoop, name: testFullSize, requires: []requirement{measuring, keeping}, run: poisonFullSize},
		{law: PoisonDoesNotLoop, name: testBytes, requires: []requirement{foreign}, run: poisonBytes},
	}
}

const (
	testRefusal  = "a task that is too large is refused alone: the rest of its batch is enqueued, and leases hold"
	testFullSize = "a task of the largest size that the queue accepts is retried, buried and completed"
	testBytes    = "messages that are not envelopes leave the queue, and do not hold up tasks"
)

// payload is JSON of n bytes.
func payload(n int) []byte { return []byte(`"` + strings.Repeat("x", n-2) + `"`) }

func refusalAlone(w *env) {
	q := w.open(runtime.QueueConfig{})
	w.put(q, 2)
	held := w.take(q, 2, long)
	most := q.Capabilities().MaxPayload
	ts := w.tasks(q, 7, func(t *runtime.Task) { t.Payload = payload(16) })
	large := map[int]bool{0: true, 3: true, 6: true}
	for i := range large {
		ts[i].Payload = payload(most + 1 + i*most)
	}
	_, err := q.Enqueue(w.ctx, ts)
	var want []string
	for i, t := range ts {
		e := runtime.ErrorAt(err, i)
		if large[i] {
			w.is(e, runtime.ErrPayloadTooLarge, "item %d, of %d bytes where %d are the most", i, len(t.Payload), most)
			continue
		}
		w.ok(e, "item %d, beside one that is too large", i)
		want = append(want, t.ID)
	}
	w.ok(q.Complete(w.ctx, held), "complete what was leased before")
	var got []string
	for _, d := range w.take(q, len(want), long) {
		got = append(got, d.Task.ID)
		w.ok(q.Complete(w.ctx, one(d)), "complete")
	}
	w.same(got, want, "the batch without those that were refused")
	w.nothing(q, "after the batch")
}

func poisonFullSize(w *env) {
	q := w.open(runtime.QueueConfig{})
	most := q.Capabilities().MaxPayload
	full := payload(most)
	w.put(q, 1, func(t *runtime.Task) { t.Payload, t.MaxRetries = full, 5 })
	whole := func(d *driver.Delivery, when string) {
		w.check(bytes.Equal(d.Task.Payload, full), "%s the payload has %d bytes and is another, want %d", when, len(d.Task.Payload), len(full))
	}
	cause := errors.New(strings.Repeat("no answer ", 1000))
	for attempt := 1; attempt <= 3; attempt++ {
		d := w.takeOne(q, long)
		whole(d, fmt.Sprintf("in attempt %d", attempt))
		w.check(d.Task.RetryCount == attempt-1, "attempt %d has the retry count %d", attempt, d.Task.RetryCount)
		driver.RecordAttempt(d.Task, attempt, "worker", w.now(), time.Second, cause)
		d.Task.RetryCount++
		w.ok(q.Release(w.ctx, one(d)), "retry a task of the full size")
	}
	d := w.takeOne(q, long)
	driver.RecordAttempt(d.Task, 4, "worker", w.now(), time.Second, cause)
	driver.RecordDeath(d.Task, "q", w.now(), cause)
	w.ok(q.DeadLetter(w.ctx, one(d)), "bury a task of the full size")
	d = w.takeOne(w.dead(q), long)
	whole(d, "dead")
	w.reason(d.Task, "no answer")
	w.ok(w.dead(q).Complete(w.ctx, one(d)), "complete the dead task")
	w.put(q, 1, func(t *runtime.Task) { t.Payload = full })
	w.ok(q.Complete(w.ctx, one(w.takeOne(q, long))), "complete a task of the full size")
	w.nothing(q, "after the task was completed")
}

// fullRaw is the size of a message if Harness.MaxRaw is 0.
const fullRaw = 1 << 20

func poisonBytes(w *env) {
	// If a burial fails, the end of a lease brings the message back.
	m := w.manager(runtime.QueueConfig{Name: "q", Visibility: w.ample()})
	q, err := m.Queue("q")
	w.ok(err, "queue")
	most := w.h.MaxRaw
	if most == 0 {
		most = fullRaw
	}
	junk := [][]byte{
		[]byte("no envelope"), []byte("{"), []byte(`{"v":99}`),
		{0xff, 0, 0xfe},
		[]byte("\x1b[2J\n"),
		{},
		bytes.Repeat([]byte{0xff, '"', 0, '\n'}, most/4), []byte(`{"` + strings.Repeat("k", most-8) + `":x}`), bytes.Repeat([]byte("["), most),
	}
	bad := 0
	put := func(junk [][]byte) {
		for _, body := range junk {
			if w.h.Raw(w, w.addr, q, body) {
				bad++
			}
		}
	}
	put(junk[:4])
	w.post(m, 10)
	put(junk[4:])
	w.post(m, 10)
	w.check(bad >= len(junk)/2, "of %d messages the broker takes %d", len(junk), bad)
	ran := make(chan int, 100)
	w.drainUntil(m, q, func(s driver.Stats) bool {
		return s.Ready+s.Leased+s.Scheduled == 0 && s.Dead == int64(bad)
	}, func(_ context.Context, l letter) error {
		ran <- l.N
		return nil
	})
	w.check(len(ran) == 20, "of 20 good tasks %d were run", len(ran))
	dlq := w.dead(q)
	for range bad {
		d := w.takeOne(dlq, long)
		w.reason(d.Task, runtime.ErrInvalidTask.Error())
		w.check(len(d.Task.Metadata[driver.MetaFailureReason]) <= 8<<10, "the reason has %d bytes", len(d.Task.Metadata[driver.MetaFailureReason]))
		w.ok(dlq.Complete(w.ctx, one(d)), "complete what is dead")
	}
	w.nothing(dlq, "when all is completed")
}
