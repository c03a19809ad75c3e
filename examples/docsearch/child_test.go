//go:build unix

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/taskgen/taskgen/internal/output"
	"github.com/taskgen/taskgen/runtime"

	"github.com/taskgen/taskgen/examples/docsearch/internal/app"
)

// What a child process is told by its environment.
const (
	envChild  = "DOCSEARCH_TEST_CHILD"  // be the demo
	envLedger = "DOCSEARCH_TEST_LEDGER" // the file to write the ledger to
	envHold   = "DOCSEARCH_TEST_HOLD"   // hold the tasks up: until SIGINT, or "for good"
)

// TestMain turns a copy of the test binary into the demo itself, for the tests
// that need a process to interrupt or kill: built once, and with the race
// detector where the tests are.
func TestMain(m *testing.M) {
	if os.Getenv(envChild) != "" {
		os.Exit(run(os.Args[1:], childConfig()))
	}
	goleak.VerifyTestMain(m)
}

// childConfig is the demo as main runs it, but for what the environment asks.
func childConfig() app.Config {
	cfg := app.Config{Out: os.Stdout, Err: os.Stderr}
	if path := os.Getenv(envLedger); path != "" {
		l := openLedger(path)
		cfg.EnqueueMiddleware = append(cfg.EnqueueMiddleware, l.enqueue)
		cfg.Middleware = append(cfg.Middleware, l.handle)
	}
	if how := os.Getenv(envHold); how != "" {
		cfg.Middleware = append(cfg.Middleware, hold(how))
	}
	return cfg
}

// hold lets 10 tasks pass and holds all others up.
func hold(how string) runtime.Middleware {
	interrupted := make(chan struct{})
	var (
		passed atomic.Int32
		once   sync.Once
	)
	begin := func() {
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, os.Interrupt)
		go func() {
			<-signals
			signal.Stop(signals) // or a second SIGINT would end up here
			if how != "for good" {
				close(interrupted)
			}
		}()
		fmt.Println("holding")
	}
	return func(next runtime.Handler) runtime.Handler {
		return runtime.HandlerFunc(func(ctx context.Context, t *runtime.Task) error {
			if passed.Add(1) > 10 {
				once.Do(begin)
				<-interrupted
			}
			return next.Handle(ctx, t)
		})
	}
}

// A child is the demo in a process of its own.
type child struct {
	*exec.Cmd
	out  *output.Buffer
	done chan struct{} // closed when it has ended
}

func start(t *testing.T, env []string, args ...string) *child {
	t.Helper()
	out := new(output.Buffer)
	c := &child{exec.CommandContext(t.Context(), os.Args[0], args...), out, make(chan struct{})}
	c.Env = append(append(os.Environ(), envChild+"=1"), env...)
	c.Stdout, c.Stderr = out, out
	require.NoError(t, c.Start())
	go func() {
		defer close(c.done)
		_ = c.Wait() // ProcessState says how it ended
	}()
	return c
}

// patience bounds how long a child may take for what it must do. It is far more
// than any machine needs.
const patience = 2 * time.Minute

// says waits until the child has written the text.
func (c *child) says(t *testing.T, text string) {
	t.Helper()
	limit := time.After(patience)
	for {
		said, more := c.out.Read()
		if strings.Contains(said, text) {
			return
		}
		select {
		case <-more:
		case <-c.done:
			require.Contains(t, c.out.String(), text, "the child has ended: %s", c.ProcessState)
			return
		case <-limit:
			require.Contains(t, c.out.String(), text, "the child does not say it")
		}
	}
}

// ends waits for the child's end and returns all that it wrote.
func (c *child) ends(t *testing.T) string {
	t.Helper()
	select {
	case <-c.done:
	case <-time.After(patience):
		require.Fail(t, "the child does not end", "%s", c.out)
	}
	return c.out.String()
}

func (c *child) status() syscall.WaitStatus { return c.ProcessState.Sys().(syscall.WaitStatus) }
