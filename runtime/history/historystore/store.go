package historystore

import (
	"context"
	"errors"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// ErrCursor: a cursor was not returned by List.
var ErrCursor = errors.New("taskgen: not a cursor of the history")

// ErrNewer: a later version of this module has written a part of the history, which this
// one cannot read.
var ErrNewer = errors.New("taskgen: a later version has written a part of the history: upgrade taskgen in this program")

// A Store keeps records. It is safe for concurrent use, by many processes if the backend
// allows.
type Store interface {
	// Add keeps records, in their order, behind all that the store has. Then it removes the
	// oldest, by these limits. If it fails, some of the records may be kept: to add them
	// again may keep them twice.
	Add(ctx context.Context, records []Record, keep Limits) error
	// Task returns the records of the task with an ID, in the order in which they began;
	// of more than MaxTimeline those that were added last. It returns no records and no
	// error if there are none. A record that is kept twice is returned once.
	Task(ctx context.Context, id string) ([]Record, error)
	// List returns up to limit records that match a filter, behind the cursor of the page
	// before ("" for the first page), and the cursor of the next page, which is empty
	// behind the last. The record that was added last comes first. A page may be shorter
	// than limit, or empty, although there is a next one: a store looks through a part of
	// a long history for each page. The error wraps ErrCursor if there is no such cursor.
	List(ctx context.Context, f Filter, cursor string, limit int) (page []Record, next string, err error)
	// Stats sums up the records that match a filter, in the order of their types. It reads
	// all of them.
	Stats(ctx context.Context, f Filter) ([]TypeStats, error)
}

// MaxTimeline bounds the records that Task returns.
const MaxTimeline = 1000

// Limits bound what a store keeps.
type Limits struct {
	// Age is how long a record is kept, by the store's clock, from when it was added. A
	// store may keep it for a sixteenth of that longer. It must be positive.
	Age time.Duration
	// Bytes is how much a store keeps, as it counts them: encoded records, and what finds
	// them. The last batch stays in any case. It must be positive.
	Bytes int64
}

// A Filter says which records are meant. The zero value means all.
type Filter struct {
	Type    string         // "": any
	Queue   string         // "": any
	Outcome driver.Outcome // "": any
	// Since and Until bound Record.EndedAt: not before Since, and before Until. Zero: no
	// bound.
	Since, Until time.Time
}

// Match reports whether a filter means a record.
func (f *Filter) Match(r *Record) bool {
	return (f.Type == "" || f.Type == r.Type) && (f.Queue == "" || f.Queue == r.Queue) &&
		(f.Outcome == "" || f.Outcome == r.Outcome) &&
		(f.Since.IsZero() || !r.EndedAt.Before(f.Since)) && (f.Until.IsZero() || r.EndedAt.Before(f.Until))
}

// TypeStats sum up records of one type of tasks.
type TypeStats struct {
	Type string
	// Outcomes counts the records by their outcome.
	Outcomes map[driver.Outcome]int64
	// Runs is how many of the records are of runs: a handler began.
	Runs int64
	// Duration is how long those runs took.
	Duration Percentiles
	// Wait is how long tasks were due before their first run began.
	Wait Percentiles
}

// Percentiles describe durations. The first three may be off by 2 %: half of the durations
// are at most P50, and so on. All are 0 if there are no durations.
type Percentiles struct {
	P50, P95, P99 time.Duration
	Max           time.Duration // exact
}
