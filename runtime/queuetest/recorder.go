package queuetest

import (
	"context"
	"fmt"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"sync"
	"testing"
)

// A recorder is a testing.TB that notes failures and fails no test.
type recorder struct {
	testing.TB // the test that is recorded: for its name and its folders
	ctx        context.Context

	mu       sync.Mutex
	failed   bool
	lines    []string
	helpers  map[string]bool // functions whose callers are meant
	cleanups []func()
}

// record runs f as a test function would be run, to its end or its first
// Fatal. The folders that f asks for last as long as tb.
func record(tb testing.TB, f func(tb testing.TB)) *recorder {
	ctx, cancel := context.WithCancel(context.Background())
	r := &recorder{TB: tb, ctx: ctx, helpers: make(map[string]bool)}
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
	for last := r.lastCleanup(); last != nil; last = r.lastCleanup() {
		inGoroutine(last)
	}
	return r
}

// lastCleanup takes the cleanup that was asked for last; nil: there are no more.
func (r *recorder) lastCleanup() (last func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.cleanups); n > 0 {
		last, r.cleanups = r.cleanups[n-1], r.cleanups[:n-1]
	}
	return last
}

func (r *recorder) note(failed bool, line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = r.failed || failed
	r.lines = append(r.lines, r.place()+": "+strings.TrimRight(line, "\n"))
}

// place is the line that a note is of: the first on the way out that is in no helper.
func (r *recorder) place() string {
	var pcs [32]uintptr
	frames := goruntime.CallersFrames(pcs[:goruntime.Callers(3, pcs[:])])
	for {
		f, more := frames.Next()
		if !r.helpers[f.Function] && !strings.Contains(f.Function, ".(*recorder).") || !more {
			return fmt.Sprintf("%s:%d", filepath.Base(f.File), f.Line)
		}
	}
}

func (r *recorder) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.lines, "\n")
}

// Helper marks its caller as package testing does.
func (r *recorder) Helper() {
	var pcs [1]uintptr
	goruntime.Callers(2, pcs[:])
	f, _ := goruntime.CallersFrames(pcs[:]).Next()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.helpers[f.Function] = true
}

func (r *recorder) Cleanup(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cleanups = append(r.cleanups, f)
}

func (r *recorder) Context() context.Context { return r.ctx }
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

func (r *recorder) Fail()    { r.Error("Fail") }
func (r *recorder) FailNow() { r.Fatal("FailNow") }

func (r *recorder) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}
