package drivertest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// deletesBy deletes a queue by a function, and does nothing when it is called again.
func deletesBy(remove func(q referenceQueue, ctx context.Context) error) fault {
	var gone sync.Map // by queue
	return fault{delete: func(q referenceQueue, ctx context.Context) error {
		if _, again := gone.Load(q); again {
			return nil
		}
		if _, err := q.Stats(ctx); err != nil || !q.Capabilities().Delete {
			return q.Delete(ctx) // which says why not
		}
		gone.Store(q, true)
		return remove(q, ctx)
	}}
}

// deletesShared removes all that is on the dead letter queue of a queue along with it.
func deletesShared() fault {
	var p atomic.Pointer[runtime.Provider]
	return fault{
		declare: func(of runtime.Provider, ctx context.Context, cfg runtime.QueueConfig) (driver.Queue, error) {
			p.Store(&of)
			return of.Open(ctx, cfg)
		},
		delete: func(q referenceQueue, ctx context.Context) error {
			if _, err := q.Stats(ctx); err != nil {
				return q.Delete(ctx)
			}
			dead, err := (*p.Load()).Open(ctx, dlq(q))
			if err == nil {
				_, err = dead.(driver.Purger).Purge(ctx)
			}
			return errors.Join(err, q.Delete(ctx))
		},
	}
}

// deletesSuccessor deletes by name what a handle has deleted before.
func deletesSuccessor() fault {
	var p atomic.Pointer[runtime.Provider]
	var gone sync.Map // by queue
	return fault{
		declare: func(of runtime.Provider, ctx context.Context, cfg runtime.QueueConfig) (driver.Queue, error) {
			p.Store(&of)
			return of.Open(ctx, cfg)
		},
		delete: func(q referenceQueue, ctx context.Context) error {
			if _, again := gone.LoadOrStore(q, true); !again {
				return q.Delete(ctx)
			}
			now, err := (*p.Load()).Open(ctx, q.Config())
			if err != nil {
				return err
			}
			return now.(driver.Deleter).Delete(ctx)
		},
	}
}
