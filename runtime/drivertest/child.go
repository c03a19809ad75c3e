package drivertest

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// childEnv is the environment variable that makes a test binary a child of the suite.
// It holds a childCommand as JSON.
const childEnv = "TASKGEN_QUEUETEST_CHILD"

// A childCommand tells a child process what to do.
type childCommand struct {
	Provider string
	Addr     string
	Role     string
	Queue    runtime.QueueConfig
}

// Child makes this process a worker or producer of the suite if the suite has started
// it as one, and then does not return. Else it does nothing. Test binaries that call
// [Run] for a provider with a Home other than InProcess call Child first in TestMain,
// with the same harnesses: the suite starts the binary again for each law about a
// killed process:
//
//	func TestMain(m *testing.M) {
//		drivertest.Child(harness)
//		os.Exit(m.Run())
//	}
func Child(hs ...Harness) {
	text := os.Getenv(childEnv)
	if text == "" {
		return
	}
	if err := runChild(text, hs); err != nil {
		fmt.Fprintf(os.Stderr, "drivertest: child process: %v\n", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// runChild carries out the command until its parent has ended or kills it.
func runChild(text string, hs []Harness) error {
	var o childCommand
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return err
	}
	role, ok := roles[o.Role]
	if !ok {
		return fmt.Errorf("unknown role %q", o.Role)
	}
	for _, h := range hs {
		if h.Name != o.Provider {
			continue
		}
		p, err := h.Open(o.Addr, driver.SystemClock)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithCancel(context.Background())
		go func() { // the parent holds the other end while it lives
			_, _ = io.Copy(io.Discard, os.Stdin)
			cancel()
		}()
		if err := role(ctx, p, o.Queue); err != nil {
			return err
		}
		return p.Close()
	}
	return fmt.Errorf("no harness is called %q: give Child the ones that Run is given", o.Provider)
}

// printLine writes one line to the parent, in one write, so that a kill cuts none in two.
func printLine(words ...any) { _, _ = os.Stdout.WriteString(fmt.Sprintln(words...)) }

// A child is a process of the suite, as its parent sees it.
type child struct {
	w    *env
	cmd  *exec.Cmd
	in   io.Closer
	errs strings.Builder
	over chan struct{} // closed when the process has ended and all its lines are read

	mu    sync.Mutex
	lines []string
	more  *sync.Cond
	ended bool
}

// spawn starts a child process on the test's data.
func (w *env) spawn(role string, cfg runtime.QueueConfig) *child {
	w.Helper()
	cfg = w.withDefaults(cfg)
	text, err := json.Marshal(childCommand{Provider: w.h.Name, Addr: w.addr, Role: role, Queue: cfg})
	w.ok(err, "orders")
	self, err := os.Executable()
	w.ok(err, "the name of the test binary")
	c := &child{w: w, cmd: exec.Command(self), over: make(chan struct{})}
	c.more = sync.NewCond(&c.mu)
	c.cmd.Env = append(os.Environ(), childEnv+"="+string(text))
	c.cmd.Stderr = &c.errs
	in, err := c.cmd.StdinPipe()
	w.ok(err, "a pipe to the child")
	c.in = in
	out, err := c.cmd.StdoutPipe()
	w.ok(err, "a pipe from the child")
	w.ok(c.cmd.Start(), "start a child process")
	go c.readLines(out)
	w.Cleanup(func() { c.kill() })
	return c
}

func (c *child) readLines(out io.Reader) {
	defer close(c.over)
	r := bufio.NewReader(out)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			break // a line cut by a kill does not count
		}
		c.mu.Lock()
		c.lines = append(c.lines, strings.TrimSuffix(line, "\n"))
		c.more.Broadcast()
		c.mu.Unlock()
	}
	_ = c.cmd.Wait()
	c.mu.Lock()
	c.ended = true
	c.more.Broadcast()
	c.mu.Unlock()
}

// waitForLines waits until the child has written n lines, and fails if it does not.
func (c *child) waitForLines(n int) {
	c.w.Helper()
	if !c.waitForLinesFor(n, c.w.patience) {
		c.w.Fatalf("the child process said %q and no more, want %d lines; its errors: %s", c.lines, n, c.errs.String())
	}
}

// waitForLinesFor waits for n lines in all, for at most the given time, and reports whether
// they came.
func (c *child) waitForLinesFor(n int, most time.Duration) bool {
	late := false
	defer time.AfterFunc(most, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		late = true
		c.more.Broadcast()
	}).Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.lines) < n && !c.ended && !late {
		c.more.Wait()
	}
	return len(c.lines) >= n
}

// said reports whether the child has said n lines by now, or has ended.
func (c *child) said(n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended || len(c.lines) >= n
}

// kill ends the child with SIGKILL and returns all its lines. A child that has already
// ended is left alone.
func (c *child) kill() []string {
	_ = c.cmd.Process.Kill()
	_ = c.in.Close()
	return c.wait()
}

// wait waits for the child's end and returns all its lines.
func (c *child) wait() []string {
	<-c.over
	return c.lines
}

// quit tells the child to end in good order, and fails if it does not.
func (c *child) quit() []string {
	c.w.Helper()
	c.waitForLines(1) // it has begun: a process that is ended before that may rightly fail
	_ = c.in.Close()
	select {
	case <-c.over:
	case <-time.After(c.w.patience):
		c.kill()
		c.w.Fatalf("the child process did not end when it was told to")
	}
	c.w.check(c.cmd.ProcessState.Success(), "the child process ended with %s: %s", c.cmd.ProcessState, c.errs.String())
	return c.lines
}
