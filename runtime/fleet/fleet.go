package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/taskgen/taskgen/runtime/fleet/fleetstore"
	"github.com/taskgen/taskgen/runtime/observe"
)

// How often a worker sends a heartbeat, and how long it is listed without one.
const (
	// Interval is the time between two heartbeats of a worker.
	Interval = 5 * time.Second
	// TTL is how long after its last heartbeat a worker is gone, by the store's clock.
	TTL = 15 * time.Second
	// OrderTTL is how long an order waits for its worker. One that is not carried out by
	// then expires.
	OrderTTL = time.Minute
	// TypesTTL is how long the description of a type is known after the last worker that
	// has published it was there, or half a day less.
	TypesTTL = 7 * 24 * time.Hour
)

// ErrNotRunning: no worker has said that it runs the task.
var ErrNotRunning = errors.New("taskgen: no worker runs the task")

// Config configures a Fleet. The zero value works.
type Config struct {
	// Logger receives a warning when a worker cannot reach the store, once until it can
	// again, and a record of each order that a worker carries out. Nil: slog.Default, as
	// it is at the time of each record.
	Logger *slog.Logger
}

// A Fleet is the workers that have one store. It is safe for concurrent use.
type Fleet struct {
	store Store
	log   *slog.Logger

	workers atomic.Pointer[[]*worker] // those of this process

	mu sync.Mutex // held to change workers
}

// New returns the fleet of a store.
func New(store Store, cfg Config) *Fleet {
	f := &Fleet{store: store, log: cfg.Logger}
	f.workers.Store(new([]*worker))
	return f
}

func (f *Fleet) logger() *slog.Logger { return cmp.Or(f.log, slog.Default()) }

// Listener returns what makes the pools of a manager workers of the fleet, for
// ManagerConfig.Listeners.
//
// A pool that starts registers, and one that has stopped leaves: its Stop waits for that,
// for a second at most. While the store is away the pool works as usual; it is not in the
// list then, and takes no orders.
func (f *Fleet) Listener() *observe.Listener {
	return &observe.Listener{
		PoolStarted: f.join,
		PoolStopped: f.leave,
		RunStart: func(ctx context.Context, r *observe.Run) context.Context {
			if w := f.workerOf(r); w != nil {
				w.begin(r)
			}
			return ctx
		},
		RunEnd: func(_ context.Context, r *observe.Run) {
			if w := f.workerOf(r); w != nil {
				w.end(r)
			}
		},
	}
}

// List returns the workers whose last heartbeat is no older than TTL, in the order of their names.
func (f *Fleet) List(ctx context.Context) ([]*Worker, error) {
	all, err := f.store.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the workers: %w", err)
	}
	slices.SortFunc(all, func(a, b *Worker) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID))
	})
	return all, nil
}

// Quiet makes a worker begin nothing more until Resume: see Pool.Quiet of package
// runtime. The worker obeys with its next heartbeat, and Worker.Quiet is true from then
// on. Its pool is quiet until it is resumed, also when it is stopped and started again,
// or its process ends. The error wraps ErrWorkerNotFound.
func (f *Fleet) Quiet(ctx context.Context, workerID string) error {
	return f.send(ctx, fleetstore.Order{Worker: workerID, Kind: fleetstore.OrderQuiet})
}

// Resume ends what Quiet began, with the worker's next heartbeat. The error wraps
// ErrWorkerNotFound.
func (f *Fleet) Resume(ctx context.Context, workerID string) error {
	return f.send(ctx, fleetstore.Order{Worker: workerID, Kind: fleetstore.OrderResume})
}

// Cancel cancels the run of a task: see Pool.Cancel of package runtime. It returns the IDs
// of the workers that get the order: those that list the task among what they run, or list
// only a part of that. They obey with their next heartbeat; a task that is over by then
// stays as it is.
//
// The error wraps ErrNotRunning if no worker does. What workers say is up to Interval old:
// a task that has just begun is found a little later. A task that waits on its queue is
// cancelled there: see driver.Canceller.
func (f *Fleet) Cancel(ctx context.Context, taskID string) (workerIDs []string, err error) {
	all, err := f.List(ctx)
	if err != nil {
		return nil, err
	}
	for _, w := range all {
		runs := slices.ContainsFunc(w.Running, func(r Run) bool { return r.TaskID == taskID })
		if !runs && w.Busy <= len(w.Running) {
			continue
		}
		err := f.send(ctx, fleetstore.Order{Worker: w.ID, Kind: fleetstore.OrderCancel, TaskID: taskID})
		switch {
		case err == nil:
			workerIDs = append(workerIDs, w.ID)
		case !errors.Is(err, ErrWorkerNotFound): // else it is gone, and its tasks with it
			return workerIDs, err
		}
	}
	if len(workerIDs) == 0 {
		return nil, fmt.Errorf("%w: %s: if it began within the last %v, try again; if it waits, cancel it on its queue", ErrNotRunning, taskID, Interval)
	}
	return workerIDs, nil
}

func (f *Fleet) send(ctx context.Context, o fleetstore.Order) error {
	if err := f.store.Send(ctx, &o, OrderTTL); err != nil {
		return fmt.Errorf("order %q to worker %s: %w", o.Kind, o.Worker, err)
	}
	return nil
}

// Types returns what workers have published about the types of tasks, also those that
// are gone since, for TypesTTL. Of programs that describe a type differently, the one that
// has published last counts, but what one of them declares as secret is secret.
func (f *Fleet) Types(ctx context.Context) (Types, error) {
	all, err := f.store.Types(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the types of tasks: %w", err)
	}
	return merge(all), nil
}
