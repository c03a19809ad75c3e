// Package recorder runs test functions whose failures are the result of a test.
package recorder

import (
	"context"
	"fmt"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"sync"
	"testing"
)

// A Recorder is a testing.TB that notes failures and fails no test.
type Recorder struct {
	testing.TB // the test that is recorded: for its name and its folders
	ctx        context.Context

	mu       sync.Mutex
	failed   bool
	lines    []string
	helpers  map[string]bool // functions whose callers are meant
	cleanups []func()
}

// Run runs f as a test function would be run, to its end or its first
// Fatal. The folders that f asks for last as long as tb.
func Run(tb testing.TB, f func(tb testing.TB)) *Recorder {
	ctx, cancel := context.WithCancel(context.Background())
	r := &Recorder{TB: tb, ctx: ctx, helpers: make(map[string]bool)}
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

// lastCleanup takes the cleanup that was registered last; nil: there are no more.
func (r *Recorder) lastCleanup() (last func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.cleanups); n > 0 {
		last, r.cleanups = r.cleanups[n-1], r.cleanups[:n-1]
	}
	return last
}

func (r *Recorder) note(failed bool, line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = r.failed || failed
	r.lines = append(r.lines, r.place()+": "+strings.TrimRight(line, "\n"))
}

// place is the line that a note is of: the first on the way out that is in no helper.
func (r *Recorder) place() string {
	var pcs [32]uintptr
	frames := goruntime.CallersFrames(pcs[:goruntime.Callers(3, pcs[:])])
	for {
		f, more := frames.Next()
		if !r.helpers[f.Function] && !strings.Contains(f.Function, ".(*Recorder).") || !more {
			return fmt.Sprintf("%s:%d", filepath.Base(f.File), f.Line)
		}
	}
}

// Text returns what was logged, one note a line.
func (r *Recorder) Text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.lines, "\n")
}

// Helper marks its caller as package testing does.
func (r *Recorder) Helper() {
	var pcs [1]uintptr
	goruntime.Callers(2, pcs[:])
	f, _ := goruntime.CallersFrames(pcs[:]).Next()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.helpers[f.Function] = true
}

func (r *Recorder) Cleanup(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cleanups = append(r.cleanups, f)
}

func (r *Recorder) Context() context.Context { return r.ctx }
func (r *Recorder) Log(args ...any)          { r.note(false, fmt.Sprintln(args...)) }
func (r *Recorder) Logf(format string, args ...any) {
	r.note(false, fmt.Sprintf(format, args...))
}
func (r *Recorder) Error(args ...any) { r.note(true, fmt.Sprintln(args...)) }
func (r *Recorder) Errorf(format string, args ...any) {
	r.note(true, fmt.Sprintf(format, args...))
}

func (r *Recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	goruntime.Goexit()
}

func (r *Recorder) Fatal(args ...any) {
	r.Error(args...)
	goruntime.Goexit()
}

func (r *Recorder) Fail()    { r.Error("Fail") }
func (r *Recorder) FailNow() { r.Fatal("FailNow") }

func (r *Recorder) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}
