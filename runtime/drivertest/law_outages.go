package drivertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// outageCases: laws 1 and 10 if the backend is cut off, stopped or killed while a
// pool works, and law 5 if a redrive is killed half way.
func outageCases() []testCase {
	out := func(law Law, name string, run func(w *env), requires ...requirement) testCase {
		return testCase{law: law, name: name, requires: requires, real: true, run: run}
	}
	alone := func(name string, away func(h *Harness) func(testing.TB, string), n requirement) testCase {
		return testCase{law: NothingIsLost, name: name, requires: []requirement{n}, real: true, alone: true, run: func(w *env) { w.outage(away(w.h)) }}
	}
	return []testCase{
		alone("a restart of the broker while a pool works loses nothing", func(h *Harness) func(testing.TB, string) { return h.Restart }, restarting),
		alone("kill -9 of the broker while a pool works loses nothing", func(h *Harness) func(testing.TB, string) { return h.Crash }, crashing),
		out(AcksSurviveTrouble, "a task completes once even if the backend is away for 2 s when it is done", outageBrief, cutting, freeLeases),
		out(AcksSurviveTrouble, "a task runs again if the backend is away for longer than its lease", outageLong, cutting),
		out(PublishBeforeAck, "kill -9 halfway through Redrive loses nothing", killRedrive, processes, redriving),
	}
}

// outage lets a pool work while the broker goes away and comes back.
func (w *env) outage(away func(testing.TB, string)) {
	const tasks = 300
	var (
		mu  sync.Mutex
		ran = make(map[int]int)
	)
	done := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(ran)
	}
	m := w.begin(w.main, runtime.QueueConfig{Name: "q", Visibility: 2 * w.lease()}, func(_ context.Context, l letter) error {
		<-time.After(5 * minPoll) // so that there is work left when the broker goes
		mu.Lock()
		defer mu.Unlock()
		ran[l.N]++
		return nil
	})
	q, err := m.Queue("q")
	w.ok(err, "queue")
	w.post(m, tasks)
	w.eventually(func() bool { return done() >= tasks/6 }, "the pool is at work")
	away(w, w.addr)
	w.eventually(func() bool { return done() == tasks }, "all tasks are run when the broker is back")
	more := w.tasks(q, 10, func(t *runtime.Task) { t.Type, t.Payload = "letter", []byte(`{"n":1000}`) })
	w.enqueueRepeatedly(m, more)
	w.eventually(func() bool { return done() == tasks+1 }, "tasks are enqueued and run when the broker is back")
	w.reaches(q, "all is done", 0, 0, 0, 0)
}

// outageBrief cuts the backend off for less than a lease.
func outageBrief(w *env) {
	runs := w.away(long, 2*time.Second)
	w.check(runs == 3, "three tasks were run %d times", runs)
}

func outageLong(w *env) {
	lease := 2 * w.lease()
	runs := w.away(lease, 2*lease)
	w.check(runs >= 6, "three tasks whose leases ended before their acks got through were run %d times, and others should have had them", runs)
}

// away cuts the backend off for a time, in which a pool finishes three tasks. It
// returns the number of runs at the end.
func (w *env) away(lease, gone time.Duration) int64 {
	w.Helper()
	const tasks = 3
	var runs atomic.Int64
	begun := make(chan struct{}, 100)
	finish, let := w.latch()
	m := w.begin(w.main, runtime.QueueConfig{Name: "q", Visibility: lease}, func(context.Context, letter) error {
		runs.Add(1)
		begun <- struct{}{}
		<-finish
		return nil
	})
	q, err := m.Queue("q")
	w.ok(err, "queue")
	w.post(m, tasks)
	for range tasks {
		<-begun
	}
	restore := w.h.cut()(w, w.addr)
	let()
	w.advance(gone)
	restore()
	w.reaches(q, "when the backend is back", 0, 0, 0, 0)
	if lease < gone { // a queue that does not count leased tasks agrees too soon
		w.eventually(func() bool { return runs.Load() >= 2*tasks }, "the tasks are run again")
		w.reaches(q, "when all was run again", 0, 0, 0, 0)
	}
	return runs.Load()
}

// killRedrive kills processes that redrive a dead letter queue: by turns at a random
// moment, and when some of the tasks are back on their queue and, with a provider that
// moves them one by one, others are not.
func killRedrive(w *env) {
	const kills, tasks = 6, 200
	q := w.open(w.childQueue())
	want := ids(w.put(q, tasks))
	for round := range kills {
		n := w.buryAll(q)
		c := w.spawn("redrive", q.Config())
		c.waitForLines(1)
		if round%2 == 0 {
			some := int64(1 + rand.IntN(max(n/2, 1)))
			w.eventually(func() bool { return c.said(2) || w.numbers(q).Ready >= some }, "%d of %d tasks are back", some, n)
		} else {
			<-time.After(time.Duration(randomCut()) * 4 * time.Microsecond) // up to 30 ms
		}
		c.kill()
	}
	there := make(map[string]bool)
	for _, from := range []driver.Queue{q, w.dead(q)} {
		for _, d := range w.drain(from) {
			there[d.Task.ID] = true
		}
	}
	for _, id := range want {
		w.check(there[id], "task %s is neither on the queue nor on the dead letter queue", id)
	}
}

// buryAll moves all tasks of a queue to its dead letter queue, and returns how many
// they were.
func (w *env) buryAll(q driver.Queue) (n int) {
	w.Helper()
	for ds := w.leaseReady(q, 100); len(ds) > 0; ds = w.leaseReady(q, 100) {
		w.bury(q, ds...)
		n += len(ds)
	}
	return n
}

// redrives is the role of a process that redrives once and reports the begin and the
// end.
func redrives(ctx context.Context, p runtime.Provider, cfg runtime.QueueConfig) error {
	q, err := p.Open(ctx, cfg)
	if err != nil {
		return err
	}
	printLine("redriving")
	if _, err := q.(driver.Redriver).Redrive(ctx, nil); err != nil && ctx.Err() == nil && !errors.Is(err, runtime.ErrDuplicate) {
		fmt.Fprintf(os.Stderr, "redrive: %v\n", err)
	}
	printLine("redriven")
	<-ctx.Done()
	return nil
}
