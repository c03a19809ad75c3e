package runtime

import (
	"context"
	"slices"
	"sync"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/internal/pool"
)

// deadHooks are those of the routers whose pools work on a manager's queues, for tasks that die
// in the hands of a worker that has them by package server. It is safe for concurrent use.
type deadHooks struct {
	mu  sync.RWMutex
	all []hooksOfRouter // in the order of their pools
}

type hooksOfRouter struct {
	router *pool.Router
	call   pool.Burial
}

// add takes the hooks of a router, in place of those that it had before.
func (h *deadHooks) add(r *pool.Router, call pool.Burial) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range h.all {
		if h.all[i].router == r {
			h.all[i].call = call
			return
		}
	}
	h.all = append(h.all, hooksOfRouter{r, call})
}

// call calls the hook of a task's type: that of the first router that has one.
func (h *deadHooks) call(ctx context.Context, d *driver.Delivery, cause error) error {
	h.mu.RLock()
	all := slices.Clone(h.all)
	h.mu.RUnlock()
	for _, of := range all {
		if found, err := of.call(ctx, d, cause); found {
			return err
		}
	}
	return nil
}
