package queuetest

import (
	"context"
	"fmt"
	goruntime "runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
)

// A recorder is a testing.TB that notes failures and fails no test.
type recorder struct {
	testing.TB // for the method that only package testing can have
	ctx        context.Context

	mu       sync.Mutex
	failed   bool
	lines    []string
	cleanups []func()
}

// record runs f as a test function would be run, to its end or its first
// Fatal.
func record(f func(tb testing.TB)) *recorder {
	ctx, cancel := context.WithCancel(context.Background())
	r := &recorder{ctx: ctx}
	inGoroutine := func(f func()) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			f()
		}()
		<-done
	}
	inGoroutine(func() { f(r) })
	cancel()
	for len(r.cleanups) > 0 {
		last := r.cleanups[len(r.cleanups)-1]
		r.cleanups = r.cleanups[:len(r.cleanups)-1]
		inGoroutine(last)
	}
	return r
}

func (r *recorder) note(failed bool, line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = r.failed || failed
	r.lines = append(r.lines, line)
}

func (r *recorder) text() string { return strings.Join(r.lines, "\n") }

func (r *recorder) Helper()                  {}
func (r *recorder) Name() string             { return "recorded" }
func (r *recorder) Context() context.Context { return r.ctx }
func (r *recorder) Cleanup(f func())         { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Log(args ...any)          { r.note(false, fmt.Sprintln(args...)) }
func (r *recorder) Logf(format string, args ...any) {
	r.note(false, fmt.Sprintf(format, args...))
}
func (r *recorder) Error(args ...any) { r.note(true, fmt.Sprintln(args...)) }
func (r *recorder) Errorf(format string, args ...any) {
	r.note(true, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	goruntime.Goexit()
}

func (r *recorder) Fatal(args ...any) {
	r.Error(args...)
	goruntime.Goexit()
}

func (r *recorder) FailNow() { r.Fatal("FailNow") }

func (r *recorder) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

func TestRecorderStopsAtFatalAndCleansUp(t *testing.T) {
	var steps []string
	r := record(func(tb testing.TB) {
		tb.Cleanup(func() { steps = append(steps, "first") })
		tb.Cleanup(func() { steps = append(steps, "last") })
		steps = append(steps, "body")
		tb.Fatalf("no %d", 1)
		steps = append(steps, "beyond")
	})
	assert.True(t, r.Failed())
	assert.Equal(t, "no 1", r.text())
	assert.Equal(t, []string{"body", "last", "first"}, steps)
}
