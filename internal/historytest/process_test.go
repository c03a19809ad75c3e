package historytest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/history"
	"github.com/taskgen/taskgen/runtime/observe"
	"github.com/taskgen/taskgen/runtime/redis"
	"github.com/taskgen/taskgen/runtime/sqlite"
)

// addressEnv is set for a copy of the test binary that is a worker in place of the tests.
const addressEnv = "TASKGEN_HISTORY_ADDRESS"

func TestMain(m *testing.M) {
	if addr := os.Getenv(addressEnv); addr != "" {
		if err := work(addr); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// A place has a queue and the store of its history.
type place interface {
	runtime.Provider
	History() history.Store
}

func openPlace(ctx context.Context, addr string) (place, error) {
	if strings.HasPrefix(addr, "redis") {
		return redis.Open(ctx, addr)
	}
	return sqlite.Open(addr)
}

// visibility is how long a killed worker's tasks wait for another one.
const visibility = 5 * time.Second

var (
	spec  = runtime.Spec[int]{Type: "count", Queue: "q", Timeout: time.Minute, Retry: runtime.RetryPolicy{Max: 5}}
	queue = runtime.QueueConfig{Name: "q", Visibility: visibility}
	quiet = slog.New(slog.DiscardHandler)
)

// work runs a pool until the parent has closed the standard input. It prints each task that
// it has run, and when.
func work(addr string) error {
	ctx, cancel := context.WithCancel(context.Background())
	go func() { // the parent holds the other end while it lives
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	p, err := openPlace(ctx, addr)
	if err != nil {
		return err
	}
	past := history.New(p.History(), history.Config{Logger: quiet})
	m := runtime.NewManager(runtime.ManagerConfig{Listeners: []*observe.Listener{past.Listener()}})
	if err := m.Open(ctx, p, queue); err != nil {
		return err
	}
	r := runtime.NewRouter()
	runtime.Register(r, &spec, func(ctx context.Context, _ int) error {
		info, _ := runtime.TaskFromContext(ctx)
		// In one write, so that a kill cuts no line in two.
		_, err := os.Stdout.WriteString(fmt.Sprintln(info.Task.ID, time.Now().UnixNano()))
		return err
	})
	pool, err := runtime.NewPool(m, r, runtime.PoolConfig{Name: "worker", Workers: 4, Logger: quiet})
	if err != nil {
		return err
	}
	return pool.Run(ctx)
}

// A process is a worker, as its parent sees it.
type process struct {
	cmd  *exec.Cmd
	in   io.Closer
	over chan struct{}
	runs map[string]time.Time // when it ran each task; to be read when over is closed
}

func spawn(t *testing.T, addr string) *process {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	c := &process{cmd: exec.Command(self), over: make(chan struct{}), runs: make(map[string]time.Time)}
	c.cmd.Env = append(os.Environ(), addressEnv+"="+addr)
	c.cmd.Stderr = os.Stderr
	c.in, err = c.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := c.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.cmd.Start())
	go func() {
		defer close(c.over)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var id string
			var nanos int64
			if n, _ := fmt.Sscan(lines.Text(), &id, &nanos); n == 2 {
				c.runs[id] = time.Unix(0, nanos)
			}
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
	require.True(t, c.cmd.ProcessState.Success(), c.cmd.ProcessState)
}
