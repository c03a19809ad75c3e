package drivertest

import (
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// killCases: laws 1, 5, 6 and 7 for killed processes.
func killCases() []testCase {
	kill := func(law Law, name string, run func(w *env), more ...requirement) testCase {
		return testCase{law: law, name: name, requires: append([]requirement{processes}, more...), real: true, run: run}
	}
	return []testCase{
		kill(NothingIsLost, "kill -9 of producers loses no acknowledged task", killProducers),
		kill(NothingIsLost, "kill -9 of workers at 20 random moments loses nothing", killWorkers),
		kill(PublishBeforeAck, "kill -9 of workers between retry and dead letter loses nothing", killFailing),
		kill(PublishBeforeAck, "kill -9 between release, dead letter and redrive loses nothing", killMovers, redriving),
		kill(PoisonDoesNotLoop, "a handler that kills its process MaxDeliveries times is stopped", killPoison, counting),
	}
}

// anyMoment waits until the child has said some more lines, and then for a moment of
// random length. A child with no more to say may be killed as well.
func (c *child) anyMoment(most int) {
	c.w.Helper()
	c.waitForLines(1) // it has begun
	c.waitForLinesFor(2+rand.IntN(most), 2*time.Second)
	<-time.After(rand.N(40 * time.Millisecond)) // several operations long, so that each may be hit
}

// childQueue is the queue of tests with child processes. Its lease is short because
// each kill costs the test one. Deliveries are not bounded: these tests kill again and
// again.
func (w *env) childQueue() runtime.QueueConfig {
	return w.withDefaults(runtime.QueueConfig{Visibility: w.brief(), MaxDeliveries: 1 << 20})
}

func killProducers(w *env) {
	q := w.open(w.childQueue())
	var acked []string
	for range 8 {
		c := w.spawn("produce", q.Config())
		c.anyMoment(12)
		for _, line := range c.kill() {
			acked = append(acked, strings.Fields(line)...)
		}
	}
	got := make(map[string]bool)
	for _, id := range deliveredIDs(w.drain(q)) {
		w.check(!got[id], "task %s came twice", id)
		got[id] = true
	}
	for _, id := range acked {
		w.check(got[id], "task %s was acknowledged before its producer was killed, and is lost (%d acknowledged, %d came)", id, len(acked), len(got))
	}
}

// killWorkers kills pools while they run handlers, and keeps a ledger of the runs.
func killWorkers(w *env) {
	const kills, tasks = 20, 400
	q := w.open(w.childQueue())
	want := ids(w.put(q, tasks))
	var lines []string
	for range kills {
		c := w.spawn("work", q.Config())
		c.anyMoment(12)
		lines = append(lines, c.kill()...)
	}
	lines = append(lines, w.finish(q, "work")...)
	crashes := make(map[string]int)
	for _, r := range w.runs(lines) {
		w.check(r.Crashes <= kills, "task %s ran with %d crashes, of %d that there were", r.ID, r.Crashes, kills)
		if q.Capabilities().ForgivesCrashes {
			w.check(r.Retries == 0, "task %s was charged %d retries, and no handler ever failed", r.ID, r.Retries)
		}
		crashes[r.ID] = r.Crashes
	}
	for _, id := range want {
		_, ok := crashes[id]
		w.check(ok, "task %s was never run", id)
	}
	w.counts(q, "after all workers", 0, 0, 0, 0)
}

// finish lets one more worker do the rest and end in good order.
func (w *env) finish(q driver.Queue, role string) []string {
	w.Helper()
	c := w.spawn(role, q.Config())
	w.eventually(func() bool { return w.idle(q) }, "the last worker has done what was left")
	return c.quit()
}

// idle reports whether a queue has nothing left to do. If it does not count leased
// tasks, it must have been without a ready task for longer than any lease.
func (w *env) idle(q driver.Queue) bool {
	w.Helper()
	caps := q.Capabilities()
	poll := new(poller)
	for end := w.now().Add(2 * q.Config().Visibility); ; poll.wait() {
		s := w.numbers(q)
		if s.Ready+s.Scheduled+s.Leased > 0 {
			return false
		}
		if caps.CountsLeased && caps.CountsScheduled || !w.now().Before(end) {
			return true
		}
	}
}

// killFailing kills pools whose handlers always fail: each task goes through
// two retries to the dead letter queue.
func killFailing(w *env) {
	const kills, tasks = 8, 400
	q := w.open(w.childQueue())
	want := ids(w.put(q, tasks, func(t *runtime.Task) { t.MaxRetries = 2 }))
	for range kills {
		c := w.spawn("fail", q.Config())
		c.anyMoment(20)
		c.kill()
	}
	w.finish(q, "fail")
	dead := make(map[string]bool)
	for _, d := range w.drain(w.dead(q)) {
		dead[d.Task.ID] = true
		attempts, err := strconv.Atoi(d.Task.Metadata[driver.MetaAttempts])
		w.check(err == nil && (attempts == 3 || !q.Capabilities().ForgivesCrashes), "task %s died after %q attempts, want 3", d.Task.ID, d.Task.Metadata[driver.MetaAttempts])
	}
	for _, id := range want {
		w.check(dead[id], "task %s is neither on the queue nor on the dead letter queue", id)
	}
}

func killMovers(w *env) {
	const kills, tasks = 12, 60
	q := w.open(w.childQueue())
	want := ids(w.put(q, tasks))
	for range kills {
		c := w.spawn("shuffle", q.Config())
		c.anyMoment(15)
		c.kill()
	}
	w.advance(q.Config().Visibility)
	if q.Capabilities().CountsExpired {
		w.eventually(func() bool { return w.numbers(q).Leased == 0 }, "the leases of the killed have ended")
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

// limitOf is how many deliveries may end without an outcome before a pool buries a task:
// half of MaxDeliveries, rounded up, make it a suspect, and MaxDeliveries more bury it.
func limitOf(maxDeliveries int) int { return (maxDeliveries+1)/2 + maxDeliveries }

// killPoison starts a worker again and again, as a supervisor does, until the poison is
// buried.
func killPoison(w *env) {
	const most = 3
	cfg := w.childQueue()
	cfg.MaxDeliveries = most
	q := w.open(cfg)
	poison := w.put(q, 1, func(t *runtime.Task) { t.Type = "poison" })
	good := ids(w.put(q, 10))
	deaths := 0
	var lines []string
	for left := int64(1); left > 0; {
		w.check(deaths <= limitOf(most)+2, "the poison has killed its worker %d times, with MaxDeliveries %d", deaths, most)
		c := w.spawn("poison", cfg)
		w.eventually(func() bool {
			s := w.numbers(q)
			if left = s.Ready + s.Scheduled + s.Leased; s.Dead == 0 {
				left++ // the poison is with a worker, which not every queue counts
			}
			select {
			case <-c.over:
				return true
			default:
				return left == 0
			}
		}, "the worker is dead or has done all")
		if left > 0 {
			deaths++
			lines = append(lines, c.wait()...)
		} else {
			lines = append(lines, c.quit()...)
		}
	}
	n := 0
	ended := make(map[string]bool)
	for _, r := range w.runs(lines) {
		if r.Type == "poison" {
			n++
		}
		ended[r.ID] = true
	}
	fewer := !q.Capabilities().ExactCrashes && n > 0 && n < most
	w.check(n >= most && n <= limitOf(most) || fewer, "the poison was run %d times, with MaxDeliveries %d", n, most)
	found := false
	for _, d := range w.drain(w.dead(q)) {
		ended[d.Task.ID] = true
		if d.Task.ID == poison[0].ID {
			found = true
			reason := d.Task.Metadata[driver.MetaFailureReason]
			w.check(strings.Contains(reason, driver.ErrMaxDeliveries.Error()), "the poison died of %q", reason)
		} else if q.Capabilities().ExactCrashes {
			w.Errorf("task %s died beside the poison, of %q", d.Task.ID, d.Task.Metadata[driver.MetaFailureReason])
		}
	}
	w.check(found, "the poison is not on the dead letter queue")
	for _, id := range good {
		w.check(ended[id], "task %s came beside the poison and is lost", id)
	}
}

var errAway = errors.New("the backend is away")
