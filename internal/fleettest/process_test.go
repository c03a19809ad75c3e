package fleettest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/taskgen/taskgen/internal/childtest"
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
	return sqlite.Open(ctx, addr)
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
	ctx := childtest.Told()
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

// spawn starts a worker in a process of its own.
func spawn(t *testing.T, addr, name string) *childtest.Process {
	t.Helper()
	return childtest.Spawn(t, addressEnv+"="+addr, nameEnv+"="+name)
}

// said counts the lines of a worker that begin with some words.
func said(c *childtest.Process, words string) (n int) {
	for line := range strings.Lines(c.Out.String()) {
		if strings.HasPrefix(line, words) {
			n++
		}
	}
	return n
}
