package historystore

import (
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A Record is what became of a task in one run, or how it ended without one. It holds no
// payload, metadata or result. A store keeps its times in whole microseconds.
type Record struct {
	TaskID string
	Type   string // under which the handler is registered, also if the task names an alias
	Queue  string
	// EnqueuedAt is when the task was first enqueued.
	EnqueuedAt time.Time
	// DueAt is when the task was due. It is zero where that is unknown: for a run after a
	// retry, a crash or a redrive.
	DueAt time.Time
	// StartedAt is when the run began. It is zero if no handler began: the task was
	// cancelled before that, or died without a run (see ErrTaskExpired, ErrMaxDeliveries,
	// ErrUnknownType and ErrUnknownShape of package driver).
	StartedAt time.Time
	// EndedAt is when the run ended, or the task.
	EndedAt time.Time
	// Attempt is the number of the run among those that were charged, from 1. It is 0 if no
	// handler began.
	Attempt int
	// Crashes is how many earlier deliveries ended with their worker. Those left no record.
	Crashes int
	// Outcome is what the queue did with the task. A run whose lease was lost, or whose
	// outcome the queue did not take, is Abandoned: the task is delivered again.
	Outcome driver.Outcome
	// Error is the text of the run's error, at most MaxError bytes of it. It is empty if
	// there is none.
	Error string
	// Worker is the name of the pool, or of the caller of package server that ran the task.
	Worker string
	// TraceID is the ID of the run's trace, as history.Config.TraceID returned it.
	TraceID string
}

// MaxError bounds the text of a record's error, in bytes.
const MaxError = 1 << 10

// Ran reports whether a handler began.
func (r *Record) Ran() bool { return !r.StartedAt.IsZero() }

// Duration is how long the run took: the handler and its middleware. It is 0 if no handler
// began.
func (r *Record) Duration() time.Duration {
	if !r.Ran() {
		return 0
	}
	return r.EndedAt.Sub(r.StartedAt)
}

// Wait is how long the task was due before the run began. It returns false if that is
// unknown, or if no handler began.
func (r *Record) Wait() (time.Duration, bool) {
	if !r.Ran() || r.DueAt.IsZero() {
		return 0, false
	}
	return max(r.StartedAt.Sub(r.DueAt), 0), true
}
