package historytest

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/taskgen/taskgen/internal/childtest"
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
	return sqlite.Open(ctx, addr)
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
	ctx := childtest.Told()
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

// runsOf is when a worker that has ended ran each task.
func runsOf(c *childtest.Process) map[string]time.Time {
	runs := make(map[string]time.Time)
	for line := range strings.Lines(c.Out.String()) {
		var id string
		var nanos int64
		if n, _ := fmt.Sscan(line, &id, &nanos); n == 2 {
			runs[id] = time.Unix(0, nanos)
		}
	}
	return runs
}
