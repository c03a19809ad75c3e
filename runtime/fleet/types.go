package fleet

import (
	"slices"
	"strings"

	"github.com/taskgen/taskgen/internal/typeinfo"
	"github.com/taskgen/taskgen/runtime/fleet/fleetstore"
)

// What stores keep is declared in package fleetstore: a program that uses a provider for
// other things links no more than that.
type (
	// A Store keeps workers and the orders to them: Provider.Fleet of packages sqlite,
	// redis and nats, and memory.NewFleet.
	Store = fleetstore.Store
	// A Worker is a pool that works.
	Worker = fleetstore.Worker
	// A Build says what program a worker is.
	Build = fleetstore.Build
	// A Queue is a queue that a worker takes tasks from.
	Queue = fleetstore.Queue
	// A Run is a task that a worker runs.
	Run = fleetstore.Run
	// A Type describes a type of tasks.
	Type = fleetstore.Type
	// A Template is how a task of a type is made without the payload's type.
	Template = fleetstore.Template
	// Retry is when a failed task is retried.
	Retry = fleetstore.Retry
)

// ErrWorkerNotFound: there is no worker with this ID, or no longer.
var ErrWorkerNotFound = fleetstore.ErrWorkerNotFound

// Types are descriptions of types, each with another name, in the order of their names.
type Types []Type

// Of returns the description of the tasks that have a type: that of the type with this
// name, or else of one that has the name as an alias.
func (ts Types) Of(taskType string) (Type, bool) {
	if i := slices.IndexFunc(ts, func(t Type) bool { return t.Name == taskType }); i >= 0 {
		return ts[i], true
	}
	if i := slices.IndexFunc(ts, func(t Type) bool { return slices.Contains(t.Aliases, taskType) }); i >= 0 {
		return ts[i], true
	}
	return Type{}, false
}

// merge leaves one description of each type: the last, as a whole. While old and new programs
// work on one queue, a payload may be of either, so what is secret in one of them is never
// shown, and what one of them seals is never enqueued in clear.
func merge(all []Type) Types {
	byName := make(map[string]Type)
	for _, t := range all {
		if before, ok := byName[t.Name]; ok {
			t = typeinfo.Guarded(t, &before)
		}
		byName[t.Name] = t
	}
	merged := make(Types, 0, len(byName))
	for _, t := range byName {
		merged = append(merged, t)
	}
	slices.SortFunc(merged, func(a, b Type) int { return strings.Compare(a.Name, b.Name) })
	return merged
}
