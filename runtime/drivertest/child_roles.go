package drivertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// roles are what child processes do.
var roles = map[string]func(ctx context.Context, p runtime.Provider, cfg runtime.QueueConfig) error{
	"produce": produce,
	"work":    working(workDone),
	"fail":    working(workFails),
	"poison":  working(workPoison),
	"shuffle": shuffling,
	"redrive": redrives,
	"delete":  deletes,
}

// produce enqueues batches from several goroutines and reports the acknowledged tasks.
func produce(ctx context.Context, p runtime.Provider, cfg runtime.QueueConfig) error {
	q, err := p.Open(ctx, cfg)
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	for g := range 3 {
		wg.Go(func() {
			for batch := 0; ctx.Err() == nil && batch < 500; batch++ {
				ts := make([]*runtime.Task, 1+(batch*7+g)%40)
				for i := range ts {
					ts[i] = &runtime.Task{
						ID: fmt.Sprintf("%d-%d-%d-%d", os.Getpid(), g, batch, i), Type: "work", Queue: cfg.Name,
						Payload: []byte("{}"), CreatedAt: time.Now(),
					}
					if cfg.Type == runtime.FIFO {
						ts[i].GroupKey = ts[i].ID
					}
				}
				if _, err := q.Enqueue(ctx, ts); err != nil {
					fmt.Fprintf(os.Stderr, "enqueue: %v\n", err)
					return
				}
				printLine(strings.Join(ids(ts), " "))
			}
		})
	}
	wg.Wait()
	<-ctx.Done()
	return nil
}

// working runs a pool with a handler for every type of the suite.
func working(handle runtime.HandlerFunc) func(context.Context, runtime.Provider, runtime.QueueConfig) error {
	return func(ctx context.Context, p runtime.Provider, cfg runtime.QueueConfig) error {
		m := runtime.NewManager(runtime.ManagerConfig{})
		if err := m.Open(ctx, p, cfg); err != nil {
			return err
		}
		r := runtime.NewRouter()
		for _, name := range []string{"work", "poison"} {
			r.Handle(runtime.Policy{Type: name, Retry: runtime.RetryPolicy{Max: 2, Base: time.Millisecond}}, handle)
		}
		pool, err := runtime.NewPool(m, r, runtime.PoolConfig{Workers: 4, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			return err
		}
		printLine("ready")
		return errors.Join(pool.Run(ctx), m.Close())
	}
}

// A ran is one run of a handler, as a child process reports it.
type ran struct {
	ID      string
	Type    string
	Crashes int
	Retries int
}

func reportRun(ctx context.Context, t *runtime.Task) {
	info, _ := runtime.TaskFromContext(ctx)
	line, _ := json.Marshal(ran{ID: t.ID, Type: t.Type, Crashes: info.Crashes, Retries: t.RetryCount})
	printLine(string(line))
}

// runs reads the children's reports of their handlers.
func (w *env) runs(lines []string) []ran {
	w.Helper()
	var all []ran
	for _, line := range lines {
		if !strings.HasPrefix(line, "{") {
			continue
		}
		var r ran
		w.ok(json.Unmarshal([]byte(line), &r), "what a child process said: %q", line)
		all = append(all, r)
	}
	return all
}

// workDone and workFails take a moment, so that a kill finds handlers under way
// and tasks left, however fast the provider is.
func workDone(ctx context.Context, t *runtime.Task) error {
	reportRun(ctx, t)
	<-time.After(2 * time.Millisecond)
	return nil
}

func workFails(ctx context.Context, t *runtime.Task) error {
	reportRun(ctx, t)
	<-time.After(2 * time.Millisecond)
	return errBoom
}

// workPoison kills its own process on one type, as a handler that runs out of
// memory does.
func workPoison(ctx context.Context, t *runtime.Task) error {
	reportRun(ctx, t)
	if t.Type != "poison" {
		return nil
	}
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		return err
	}
	if err := self.Kill(); err != nil {
		return err
	}
	select {} // the signal is on its way
}

// shuffling moves tasks between a queue and its dead letter queue.
func shuffling(ctx context.Context, p runtime.Provider, cfg runtime.QueueConfig) error {
	q, err := p.Open(ctx, cfg)
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		if err := shuffle(ctx, q, cfg.Visibility); err != nil && ctx.Err() == nil && !errors.Is(err, runtime.ErrLeaseLost) {
			return err
		}
		printLine("moved")
	}
	return nil
}

// deletes deletes the queue.
func deletes(ctx context.Context, p runtime.Provider, cfg runtime.QueueConfig) error {
	q, err := p.Open(ctx, cfg)
	if err != nil {
		return err
	}
	printLine("ready")
	if err := q.(driver.Deleter).Delete(ctx); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}
