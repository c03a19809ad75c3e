package history

import (
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/history/historystore"
)

// What stores keep is declared in package historystore: a program that uses a provider for
// other things links no more than that.
type (
	// A Store keeps records: Provider.History of packages sqlite and redis, and
	// memory.NewHistory.
	Store = historystore.Store
	// A Record is what became of a task in one run, or how it ended without one.
	Record = historystore.Record
	// A Filter says which records are meant.
	Filter = historystore.Filter
	// TypeStats sum up records of one type of tasks.
	TypeStats = historystore.TypeStats
	// Percentiles describe durations.
	Percentiles = historystore.Percentiles
	// Outcome is what became of a run.
	Outcome = driver.Outcome
)

// Errors of stores.
var (
	// ErrCursor: a cursor was not returned by List.
	ErrCursor = historystore.ErrCursor
	// ErrNewer: a later version of this module has written a part of the history.
	ErrNewer = historystore.ErrNewer
)
