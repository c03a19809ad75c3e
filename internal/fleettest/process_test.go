package fleettest

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/fleet"
	"github.com/taskgen/taskgen/runtime/nats"
	"github.com/taskgen/taskgen/runtime/observe"
	"github.com/taskgen/taskgen/runtime/redis"
	"github.com/taskgen/taskgen/runtime/sqlite"
)

// The environment of a copy of the test binary that is a worker in place of the tests.
const (
	addressEnv = "TASKGEN_FLEET_ADDRESS"
	nameEnv    = "TASKGEN_FLEET_NAME"
)

func TestMain(m *testing.M) {
	if addr := os.Getenv(addressEnv); addr != "" {
		if err := work(addr, os.Getenv(nameEnv)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	// The tests wait for heartbeats most of the time: all of them do so at once.
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// A place has a queue and the store of workers.
type place interface {
	runtime.Provider
	Fleet() fleet.Store
}

func openPlace(ctx context.Context, addr string) (place, error) {
	switch {
	case strings.HasPrefix(addr, "redis"):
		return redis.Open(ctx, addr)
	case strings.HasPrefix(addr, "nats"):
		return nats.Open(ctx, addr)
	}
	return sqlite.Open(addr)
}

// A secret is the payload of a task. Its field is declared to be secret.
type secret struct {
	Token string `json:"token"`
}

var spec = runtime.Spec[secret]{
	Type: "secret", Queue: "q", Schema: `{"type":"object","properties":{"token":{"type":"string"}}}`, Secrets: []string{"/token"},
	Timeout: time.Hour, Retry: runtime.RetryPolicy{Max: 5},
}

func openManager(ctx context.Context, p place, listeners ...*observe.Listener) (*runtime.Manager, error) {
	m := runtime.NewManager(runtime.ManagerConfig{Listeners: listeners})
	// A lease that outlasts the test: a task that begins twice was not taken off its queue.
	return m, m.Open(ctx, p, runtime.QueueConfig{Name: "q", Visibility: time.Hour})
}

// work runs a pool until the parent has closed the standard input. It prints each task
// that begins, and the cause of the end of its context.
func work(addr, name string) error {
	ctx, cancel := context.WithCancel(context.Background())
	go func() { // the parent holds the other end while it lives
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	p, err := openPlace(ctx, addr)
	if err != nil {
		return err
	}
	m, err := openManager(ctx, p, fleet.New(p.Fleet(), fleet.Config{Logger: slog.New(slog.DiscardHandler)}).Listener())
	if err != nil {
		return err
	}
	r := runtime.NewRouter()
	runtime.Register(r, &spec, func(ctx context.Context, _ secret) error {
		info, _ := runtime.TaskFromContext(ctx)
		say("begins", info.Task.ID)
		<-ctx.Done()
		say("ends", info.Task.ID, context.Cause(ctx))
		return ctx.Err()
	})
	pool, err := runtime.NewPool(m, r, runtime.PoolConfig{Name: name, Workers: 2, Grace: time.Second, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	return errors.Join(pool.Run(ctx), m.Close(), p.Close())
}

// say writes one line to the parent, in one write, so that a kill cuts none in two.
func say(words ...any) { _, _ = os.Stdout.WriteString(fmt.Sprintln(words...)) }

// A process is a worker, as its parent sees it.
type process struct {
	cmd  *exec.Cmd
	in   io.Closer
	errs strings.Builder
	over chan struct{}

	mu    sync.Mutex
	lines []string
}

func spawn(t *testing.T, addr, name string) *process {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	c := &process{cmd: exec.Command(self), over: make(chan struct{})}
	c.cmd.Env = append(os.Environ(), addressEnv+"="+addr, nameEnv+"="+name)
	c.cmd.Stderr = &c.errs
	c.in, err = c.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := c.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.cmd.Start())
	go func() {
		defer close(c.over)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			c.mu.Lock()
			c.lines = append(c.lines, lines.Text())
			c.mu.Unlock()
		}
		_ = c.cmd.Wait()
	}()
	t.Cleanup(c.kill)
	return c
}

// kill ends the process with SIGKILL.
func (c *process) kill() {
	_ = c.cmd.Process.Kill()
	_ = c.in.Close()
	<-c.over
}

// quit has the process stop in good order.
func (c *process) quit(t *testing.T) {
	t.Helper()
	require.NoError(t, c.in.Close())
	<-c.over
	require.True(t, c.cmd.ProcessState.Success(), "%s: %s", c.cmd.ProcessState, &c.errs)
}

// said reports whether the process has printed a line that begins with some words.
func (c *process) said(words string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, line := range c.lines {
		if strings.HasPrefix(line, words) {
			return true
		}
	}
	return false
}
