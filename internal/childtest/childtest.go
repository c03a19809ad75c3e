// Package childtest runs copies of a test binary as workers in processes of their own, for
// tests that kill them.
package childtest

import (
	"context"
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/taskgen/taskgen/internal/output"
)

// A Process is a copy of the test binary, as its parent sees it. TestMain of the copy finds in
// its environment that it is one.
type Process struct {
	// Out is what it writes to its standard output.
	Out output.Buffer

	cmd  *exec.Cmd
	in   io.Closer
	over chan struct{}
}

// Spawn starts a copy with variables like NAME=VALUE beside the environment. It is killed at
// the end of the test, if it still runs.
func Spawn(t *testing.T, env ...string) *Process {
	t.Helper()
	p, err := start(env)
	if err != nil {
		t.Fatalf("start a copy of the test binary: %v", err)
	}
	t.Cleanup(p.Kill)
	return p
}

func start(env []string) (*Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &Process{cmd: exec.Command(self), over: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.Out, os.Stderr
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.over)
		_ = p.cmd.Wait()
	}()
	return p, nil
}

// PID is its process ID.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Kill ends the process with SIGKILL, and waits for its end.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	_ = p.in.Close()
	<-p.over
}

// Quit has the process stop in good order.
func (p *Process) Quit(t *testing.T) {
	t.Helper()
	if err := p.in.Close(); err != nil {
		t.Fatal(err)
	}
	<-p.over
	if !p.cmd.ProcessState.Success() {
		t.Fatalf("the process ended with %s", p.cmd.ProcessState)
	}
}

// Told is for the copy: it returns a context that ends when the parent has called Quit, or is
// gone.
func Told() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	go func() { // the parent holds the other end while it lives
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	return ctx
}
