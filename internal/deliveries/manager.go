package deliveries

import (
	"context"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/observe"
)

// What package server needs of a *runtime.Manager, and nobody else is to call. Package runtime,
// which this package cannot import, sets these functions before any manager is made.
var (
	// Of is an open queue of a manager by its name, as Manager.Queue returns it.
	Of func(manager any, queue string) (*Queue, error)
	// Bury calls the hook for dead tasks of a delivery's type, if a pool was made on the manager
	// whose router has one: see Router.OnDead. The task has its failure already. The error is
	// the hook's, which a panic is, too.
	Bury func(ctx context.Context, manager any, d *driver.Delivery, cause error) error
	// ListenerOf is all listeners of a manager; nil: there are none.
	ListenerOf func(manager any) *observe.Listener
)
