package drivertest

import (
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// counts checks the numbers of a queue, as far as it has them. If the suite moves the
// time, they must be right at once.
func (w *env) counts(q driver.Queue, when string, ready, scheduled, leased, dead int64) {
	w.Helper()
	if w.clock == nil {
		w.becomes(q, when, ready, scheduled, leased, dead)
		return
	}
	want := driver.Stats{Ready: ready, Scheduled: scheduled, Leased: leased, Dead: dead}
	if s := w.numbers(q); !agree(q.Capabilities(), s, want) {
		w.Fatalf("%s: stats are %+v, want %+v", when, s, want)
	}
}

// becomes waits until the numbers of a queue are right: others still work on it.
func (w *env) becomes(q driver.Queue, when string, ready, scheduled, leased, dead int64) {
	w.Helper()
	want := driver.Stats{Ready: ready, Scheduled: scheduled, Leased: leased, Dead: dead}
	var s driver.Stats
	deadline := time.Now().Add(w.patience)
	for poll := new(poller); ; poll.wait() {
		if s = w.numbers(q); agree(q.Capabilities(), s, want) {
			return
		}
		w.check(time.Now().Before(deadline), "%s: stats are %+v, want %+v", when, s, want)
	}
}

// agree reports whether numbers are right, as far as the queue has them. A queue
// without a count of scheduled tasks may count them as ready or as leased, or not at
// all.
func agree(caps driver.Capabilities, got, want driver.Stats) bool {
	if caps.CountsScheduled && caps.CountsLeased {
		return got == want
	}
	astray := want.Scheduled
	if caps.CountsScheduled {
		astray = 0
		if got.Scheduled != want.Scheduled {
			return false
		}
	}
	within := func(got, least int64) bool { return got >= least && got <= least+astray }
	if !within(got.Ready, want.Ready) || caps.CountsLeased && !within(got.Leased, want.Leased) {
		return false
	}
	sum := got.Ready + got.Scheduled + got.Leased
	return got.Dead == want.Dead && sum <= want.Ready+want.Scheduled+want.Leased
}

func (w *env) numbers(q driver.Queue) driver.Stats {
	w.Helper()
	s, err := q.Stats(w.ctx)
	w.ok(err, "stats")
	s.OldestAge = 0
	return s
}
