package contest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/taskgen/taskgen/bench/contest/tasks"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/observe"
)

// Taskgen is the contender that goes the whole way: structs through generated
// code and a manager to a provider, and from there through a pool to handlers.
func Taskgen(settings string, open func(ctx context.Context, url string) (runtime.Provider, error)) Contender {
	none := func(runtime.Provider) ([]*observe.Listener, func(context.Context) error) {
		return nil, func(context.Context) error { return nil }
	}
	return Observed("taskgen", fmt.Sprintf("generated code, a manager with its defaults, a pool of %d workers; %s", Workers, settings), none, open)
}

// Observed is Taskgen with listeners of its manager. listen makes those of one queue, beside
// its provider, and what ends them when the queue is closed.
func Observed(name, settings string, listen func(p runtime.Provider) (listeners []*observe.Listener, end func(context.Context) error), open func(ctx context.Context, url string) (runtime.Provider, error)) Contender {
	return Contender{
		Name:     name,
		Settings: settings,
		Open: func(ctx context.Context, url string) (Queue, error) {
			p, err := open(ctx, url)
			if err != nil {
				return nil, err
			}
			listeners, end := listen(p)
			q := &generated{provider: p, manager: runtime.NewManager(runtime.ManagerConfig{Listeners: listeners}), end: end}
			if err := q.manager.Open(ctx, p, tasks.Queues()...); err != nil {
				return nil, errors.Join(err, end(ctx), p.Close())
			}
			return q, nil
		},
	}
}

type generated struct {
	provider runtime.Provider
	manager  *runtime.Manager
	end      func(context.Context) error // of the listeners
}

func (q *generated) Enqueue(ctx context.Context) error {
	_, err := tasks.EnqueueNoop(ctx, q.manager, task(time.Now()))
	return err
}

func (q *generated) EnqueueBatch(ctx context.Context, n int) error {
	batch := make([]tasks.NoopTask, n)
	now := time.Now()
	for i := range batch {
		batch[i] = task(now)
	}
	_, err := tasks.EnqueueNoopBatch(ctx, q.manager, batch)
	return err
}

func (q *generated) EnqueueAt(ctx context.Context, due time.Time) error {
	_, err := tasks.EnqueueNoop(ctx, q.manager, task(due), runtime.WithTime(due))
	return err
}

func (q *generated) Work(ctx context.Context, handle func(due int64)) (func(context.Context) error, error) {
	router := runtime.NewRouter()
	tasks.RegisterNoop(router, tasks.NoopHandlerFunc(func(_ context.Context, t tasks.NoopTask) error {
		handle(t.Due)
		return nil
	}))
	pool, err := runtime.NewPool(q.manager, router, runtime.PoolConfig{Workers: Workers, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	return pool.Stop, pool.Start(ctx)
}

func (q *generated) Left(ctx context.Context) (int64, error) {
	one, err := q.manager.Queue(tasks.NoopSpec.Queue)
	if err != nil {
		return 0, err
	}
	stats, err := one.Stats(ctx)
	return stats.Ready + stats.Scheduled + stats.Leased + stats.Dead, err
}

func (q *generated) Close(ctx context.Context) error {
	return errors.Join(q.manager.Close(), q.end(ctx), q.provider.Close())
}
