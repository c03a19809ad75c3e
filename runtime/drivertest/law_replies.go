package drivertest

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// replyCases: operations that were done and whose reply is lost.
func replyCases() []testCase {
	lost := func(law Law, name string, run func(w *env), more ...requirement) testCase {
		return testCase{law: law, name: name, requires: append([]requirement{meddling}, more...), real: true, run: run}
	}
	return []testCase{
		lost(NothingIsLost, "an enqueue whose reply is lost reports no success, and can be repeated", muteEnqueue),
		lost(DuplicatesAreReported, "an enqueue with a unique key whose reply is lost can be repeated, and its task is there once", muteKey, untilDone),
		lost(AcksSurviveTrouble, "tasks that are completed while replies are lost end up completed", muteDone),
		lost(AcksSurviveTrouble, "a task whose ack arrived without an answer does not run again, and its lease is not reported as lost", muteOnce, freeLeases),
		lost(PublishBeforeAck, "tasks that are retried and buried while replies are lost are each in one place", mutePlaces, oneplace),
	}
}

// muted enqueues tasks while every reply is lost.
func (w *env) muted(q driver.Queue, net Network, ts []*runtime.Task) {
	w.Helper()
	net.Mute()
	err := w.try(func(ctx context.Context) error {
		_, err := q.Enqueue(ctx, ts)
		return err
	})
	net.Heal()
	for i, t := range ts {
		w.check(runtime.ErrorAt(err, i) != nil, "nothing came back from the backend, and task %s is said to be enqueued", t.ID)
	}
}

func muteEnqueue(w *env) {
	q, net := w.open(runtime.QueueConfig{}), w.network()
	w.enqueue(q, w.task(q)) // the connection is there
	var want []string
	for range 2 {
		ts := w.tasks(q, cutBatch)
		w.muted(q, net, ts)
		w.enqueueRepeatedly(q, ts)
		want = append(want, ids(ts)...)
	}
	came := w.drainExpected(q, want...)
	w.once(came, func(string) bool { return !q.Capabilities().RefusesIDs }, "enqueued again after the reply was lost")
}

func muteKey(w *env) {
	q, net := w.open(runtime.QueueConfig{}), w.network()
	w.enqueue(q, w.task(q))
	t := w.task(q, key("k", 0))
	w.muted(q, net, []*runtime.Task{t})
	var answers []runtime.Enqueued
	w.eventually(func() bool {
		return w.try(func(ctx context.Context) (err error) {
			answers, err = q.Enqueue(ctx, []*runtime.Task{t})
			return err
		}) == nil
	}, "the task is enqueued again")
	w.check(answers[0].ID == t.ID, "the key is said to be held by %s, not by the task that was sent twice", answers[0].ID)
	came := w.drainExpected(q, t.ID)
	w.check(came[t.ID] == 1, "a task with a key that was sent twice came %d times", came[t.ID])
}

// warnings keeps the warnings of a pool.
type warnings struct {
	mu    sync.Mutex
	lines []string
}

func (l *warnings) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }
func (l *warnings) WithAttrs([]slog.Attr) slog.Handler               { return l }
func (l *warnings) WithGroup(string) slog.Handler                    { return l }
func (l *warnings) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", r.Level, r.Message)
	r.Attrs(func(a slog.Attr) bool {
		fmt.Fprintf(&b, " %s", a)
		return true
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, b.String())
	return nil
}

// with returns the first line that contains the text, or "".
func (l *warnings) with(text string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if strings.Contains(line, text) {
			return line
		}
	}
	return ""
}

// settleMuted has a pool settle six tasks while replies are lost, and waits until the
// given numbers are retried and buried. It returns the number of runs, with the pool
// stopped: the backend has settled the tasks long before the pool has the answers about
// which it may complain.
func (w *env) settleMuted(complaints *warnings, outcome func(l letter) error, retried, buried int64) int64 {
	w.Helper()
	net := w.network()
	const tasks = 6
	var runs atomic.Int64
	begun := make(chan struct{}, 100)
	finish, let := w.latch()
	m, pool := w.beginWith(w.main, runtime.QueueConfig{Name: "q", Visibility: long}, runtime.PoolConfig{
		Workers: tasks, Grace: time.Second, Logger: slog.New(complaints),
	}, func(_ context.Context, l letter) error {
		runs.Add(1)
		begun <- struct{}{}
		<-finish
		return outcome(l)
	})
	q, err := m.Queue("q")
	w.ok(err, "queue")
	w.post(m, tasks)
	for range tasks {
		<-begun
	}
	net.Mute()
	let()
	w.advance(2 * time.Second)
	net.Heal()
	w.reaches(q, "when replies come through again", 0, retried, 0, buried)
	w.stop(pool)
	return runs.Load()
}

// reaches is becomes for a queue whose backend may not be there yet.
func (w *env) reaches(q driver.Queue, when string, ready, scheduled, leased, dead int64) {
	w.Helper()
	want := driver.Stats{Ready: ready, Scheduled: scheduled, Leased: leased, Dead: dead}
	var (
		s   driver.Stats
		err error
	)
	deadline := time.Now().Add(w.patience)
	for poll := new(poller); ; poll.wait() {
		err = w.try(func(ctx context.Context) (err error) {
			s, err = q.Stats(ctx)
			return err
		})
		if s.OldestAge = 0; err == nil && agree(q.Capabilities(), s, want) {
			return
		}
		w.check(time.Now().Before(deadline), "%s: stats are %+v (%v), want %+v", when, s, err, want)
	}
}

func completes(letter) error { return nil }

func muteDone(w *env) { w.settleMuted(new(warnings), completes, 0, 0) }

func muteOnce(w *env) {
	complaints := new(warnings)
	runs := w.settleMuted(complaints, completes, 0, 0)
	w.check(runs == 6, "six tasks were run %d times", runs)
	line := complaints.with("lease lost")
	w.check(line == "", "the leases held, and the pool says: %s", line)
}

func mutePlaces(w *env) {
	complaints := new(warnings)
	runs := w.settleMuted(complaints, func(l letter) error {
		if l.N%3 == 1 {
			return runtime.Skip(errBoom)
		}
		return runtime.RetryAfter(time.Hour, errBoom)
	}, 4, 2)
	w.check(runs == 6, "six tasks were run %d times", runs)
	line := complaints.with("lease lost")
	w.check(line == "", "the leases held, and the pool says: %s", line)
}
