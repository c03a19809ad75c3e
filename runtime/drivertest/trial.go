package drivertest

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/taskgen/taskgen/runtime/internal/recorder"
)

// longer is how much longer the times of a test are when it is run again: those of
// leases and delays on the machine's clock, and all waits.
const longer = 4

// A trial runs tests on a provider. One can fail because the machine had no time for
// it: then it is run once more, with longer times. On an idle machine a failure is one.
// The idea is that of Go's own tests of net/http, which run what is sensitive to time
// with longer and longer times until it passes.
type trial struct {
	h       *Harness
	wakeups *wakeups
}

// run runs one test of the suite as a test of package testing.
func (tr *trial) run(tb testing.TB, c clause) {
	tb.Helper()
	before := tr.wakeups.read()
	r := recorder.Run(tb, func(tb testing.TB) { c.run(newWorld(tb, tr.h, c, patient)) })
	if late := tr.wakeups.read() - before; r.Failed() && late > busy {
		tb.Logf("it failed while this process was woken late by %s in all: run again, with times that are %d times as long\n%s", late, longer, r.Text())
		c.pace = longer
		r = recorder.Run(tb, func(tb testing.TB) { c.run(newWorld(tb, tr.h, c, longer*patient)) })
	}
	if r.Failed() {
		tb.Error(r.Text())
	} else if text := r.Text(); text != "" {
		tb.Log(text)
	}
}

// A process that is woken this late in all, within one test, ran on a machine with more
// to do than it can. Delays below stumble are there on an idle machine as well.
const (
	busy    = 200 * time.Millisecond
	stumble = 10 * time.Millisecond
)

// wakeups measures how late this process is woken.
type wakeups struct{ late atomic.Int64 }

// watch measures until ctx ends, and tells of each wake-up how late it was.
func (w *wakeups) watch(ctx context.Context, tell func(late time.Duration)) {
	const pause = 20 * time.Millisecond
	for ctx.Err() == nil {
		before := time.Now()
		<-time.After(pause)
		late := time.Since(before) - pause
		if late > stumble {
			w.late.Add(int64(late))
		}
		tell(late)
	}
}

// read is how late all wake-ups were until now.
func (w *wakeups) read() time.Duration { return time.Duration(w.late.Load()) }
