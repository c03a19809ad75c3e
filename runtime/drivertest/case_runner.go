package drivertest

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/taskgen/taskgen/runtime/internal/recorder"
)

// retryFactor is the factor of a test's times when it is run again: those of leases and
// delays on the machine's clock, and all waits.
const retryFactor = 4

// A caseRunner runs tests on a provider. A test can fail because the machine was overloaded:
// then it is run once more, with longer times. On an idle machine a failure counts. The
// idea is that of Go's own tests of net/http, which run time-sensitive tests with
// longer and longer times until they pass.
type caseRunner struct {
	h       *Harness
	wakeups *wakeups
}

// run runs one test of the suite as a test of package testing.
func (tr *caseRunner) run(tb testing.TB, c testCase) {
	tb.Helper()
	before := tr.wakeups.read()
	r := recorder.Run(tb, func(tb testing.TB) { c.run(newEnv(tb, tr.h, c, defaultPatience)) })
	if late := tr.wakeups.read() - before; r.Failed() && late > overloaded {
		tb.Logf("it failed while this process was woken late by %s in all: run again, with times that are %d times as long\n%s", late, retryFactor, r.Text())
		c.timeFactor = retryFactor
		r = recorder.Run(tb, func(tb testing.TB) { c.run(newEnv(tb, tr.h, c, retryFactor*defaultPatience)) })
	}
	if r.Failed() {
		tb.Error(r.Text())
	} else if text := r.Text(); text != "" {
		tb.Log(text)
	}
}

// A process whose wake-ups within one test are this late in all ran on an overloaded
// machine. Delays below lateWakeup occur on an idle machine as well.
const (
	overloaded = 200 * time.Millisecond
	lateWakeup = 10 * time.Millisecond
)

// wakeups measures how late this process is woken.
type wakeups struct{ late atomic.Int64 }

// watch measures until ctx ends, and passes the lateness of each wake-up to tell.
func (w *wakeups) watch(ctx context.Context, tell func(late time.Duration)) {
	const pause = 20 * time.Millisecond
	for ctx.Err() == nil {
		before := time.Now()
		<-time.After(pause)
		late := time.Since(before) - pause
		if late > lateWakeup {
			w.late.Add(int64(late))
		}
		tell(late)
	}
}

// read is the total lateness of all wake-ups so far.
func (w *wakeups) read() time.Duration { return time.Duration(w.late.Load()) }
