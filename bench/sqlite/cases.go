package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/taskgen/taskgen/bench/memory/tasks"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/sqlite"
)

const (
	batch       = 200
	payloadSize = 300
	lease       = time.Minute
)

// payload is a JSON string of payloadSize bytes.
var payload = []byte(`"` + strings.Repeat("x", payloadSize-2) + `"`)

// A benchCase is one way to use one queue. Slow ways get fewer tasks: the rates
// do not depend on the number, and goqite's least of all.
type benchCase struct {
	name  string
	tasks int
	open  func(ctx context.Context, path string) (queue, error)
}

func (c benchCase) scaled(cfg config) int { return max(c.tasks*cfg.scale/100, 50) }

// A queue is what is measured. drain ends when n tasks are done for good.
type queue interface {
	enqueue(ctx context.Context, n int) error
	drain(ctx context.Context, n int) error
	close(ctx context.Context) error // an error when anything is left
}

// The first case is what the others are compared with, the one before the last
// what the goals are about.
var cases = []benchCase{
	{"goqite, one message a call", 2_000, openGoqite(1)},
	{"goqite, 200 messages a transaction", 10_000, openGoqite(batch)},
	{"taskgen, one task a call, 1 caller", 2_000, openTaskgen(1, 1)},
	{"taskgen, one task a call, 64 callers", 20_000, openTaskgen(64, 1)},
	{"taskgen, batches of 200, 2 callers", 50_000, openTaskgen(2, batch)},
	{"taskgen, generated code and a pool, batches of 200", 50_000, openPool},
}

// direct uses the queue of the provider itself.
type direct struct {
	p       *sqlite.Provider
	q       driver.Queue
	callers int
	batch   int
	ids     atomic.Int64
}

func openTaskgen(callers, batch int) func(ctx context.Context, path string) (queue, error) {
	return func(ctx context.Context, path string) (queue, error) {
		p, err := sqlite.Open(ctx, path)
		if err != nil {
			return nil, err
		}
		q, err := p.Open(ctx, runtime.QueueConfig{Name: "q"})
		return &direct{p: p, q: q, callers: callers, batch: batch}, err
	}
}

// share has each caller do its share of n tasks, batch by batch.
func (d *direct) share(n int, do func(n int) (int, error)) error {
	var all errgroup.Group
	var left atomic.Int64
	left.Store(int64(n))
	for range d.callers {
		all.Go(func() error {
			for {
				before := left.Add(-int64(d.batch)) + int64(d.batch)
				if before <= 0 {
					return nil
				}
				want := int(min(before, int64(d.batch)))
				for want > 0 {
					did, err := do(want)
					if err != nil {
						return err
					}
					want -= did
				}
			}
		})
	}
	return all.Wait()
}

func (d *direct) enqueue(ctx context.Context, n int) error {
	now := time.Now()
	return d.share(n, func(n int) (int, error) {
		ts := make([]*runtime.Task, n)
		for i := range ts {
			ts[i] = &runtime.Task{ID: fmt.Sprintf("0193a6b1-0000-7000-8000-%012d", d.ids.Add(1)), Type: "noop", Queue: "q", Payload: payload, CreatedAt: now}
		}
		_, err := d.q.Enqueue(ctx, ts)
		return n, err
	})
}

func (d *direct) drain(ctx context.Context, n int) error {
	return d.share(n, func(n int) (int, error) {
		ds, err := d.q.Dequeue(ctx, n, lease)
		if err != nil {
			return 0, err
		}
		return len(ds), d.q.Complete(ctx, ds)
	})
}

func (d *direct) close(ctx context.Context) error { return errors.Join(empty(ctx, d.q), d.p.Close()) }

// empty returns an error when a queue holds anything.
func empty(ctx context.Context, q driver.Queue) error {
	stats, err := q.Stats(ctx)
	if err == nil && stats != (driver.Stats{}) {
		err = fmt.Errorf("not all tasks were completed: %+v", stats)
	}
	return err
}

// pooled goes the whole way: structs through the generated code and the manager
// to handlers that a pool runs.
type pooled struct {
	p       *sqlite.Provider
	manager *runtime.Manager
	router  *runtime.Router
	handled chan struct{}
}

func openPool(ctx context.Context, path string) (queue, error) {
	p, err := sqlite.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, p, tasks.Queues()...); err != nil {
		return nil, err
	}
	q := &pooled{p: p, manager: m, router: runtime.NewRouter(), handled: make(chan struct{}, batch)}
	tasks.RegisterEmbedding(q.router, q)
	return q, nil
}

// HandleEmbedding does nothing.
func (q *pooled) HandleEmbedding(context.Context, tasks.EmbeddingTask) error {
	q.handled <- struct{}{}
	return nil
}

func (q *pooled) enqueue(ctx context.Context, n int) error {
	all := make([]tasks.EmbeddingTask, batch)
	for i := range all {
		all[i] = tasks.EmbeddingTask{Text: strings.Repeat("x", 200), Model: "text-embedding-small", AgentID: "agent-0193a6b1", APIKey: strings.Repeat("k", 17)}
	}
	for ; n > 0; n -= batch {
		if _, err := tasks.EnqueueEmbeddingBatch(ctx, q.manager, all[:min(n, batch)]); err != nil {
			return err
		}
	}
	return nil
}

func (q *pooled) drain(ctx context.Context, n int) error {
	pool, err := runtime.NewPool(q.manager, q.router, runtime.PoolConfig{Workers: 2, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	if err := pool.Start(ctx); err != nil {
		return err
	}
	for range n {
		<-q.handled
	}
	return pool.Stop(ctx)
}

func (q *pooled) close(ctx context.Context) error {
	one, err := q.manager.Queue(tasks.EmbeddingSpec.Queue)
	if err == nil {
		err = empty(ctx, one)
	}
	return errors.Join(err, q.manager.Close(), q.p.Close())
}
