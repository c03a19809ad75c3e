package jobstore

import (
	"errors"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A JobID identifies a job for as long as it is known.
type JobID string

// The errors of stores, besides those of package runtime.
var (
	// ErrInvalidJob: the job contradicts itself, never fires, or its task is invalid.
	ErrInvalidJob = errors.New("taskgen: invalid job")
	// ErrJobExists: a job with this ID exists and has not ended.
	ErrJobExists = errors.New("taskgen: the job exists")
	// ErrJobNotFound: there is no job with this ID, or no longer.
	ErrJobNotFound = errors.New("taskgen: job not found")
	// ErrConflict: the job was changed since it was read.
	ErrConflict = errors.New("taskgen: the job was changed concurrently")
	// ErrUnreadable: this build cannot read the job in the store, because a later version
	// has written it or it is damaged. It can be cancelled.
	ErrUnreadable = errors.New("taskgen: the job cannot be read")
)

// Overlap says what to do with a firing while the task of the last one is not done.
type Overlap string

// The values of Overlap.
const (
	AllowOverlap Overlap = "allow"
	// SkipOverlap skips the firing, by means of a unique key. It needs a queue that holds
	// unique keys until a task is done (Capabilities.UniqueUntilDone), and a task without
	// a unique key of its own.
	SkipOverlap Overlap = "skip"
)

// Missed says what to do with firings that are later than Config.MissedAfter.
type Missed string

// The values of Missed.
const (
	FireOnce Missed = "once" // fire only the newest
	FireAll  Missed = "all"  // fire each, up to Job.MaxMissed
	FireNone Missed = "skip" // fire none; a job that was due once ends
)

// State is the state of a job.
type State string

// The states of a job. A recurring job has the state of its last task; Status.Next says
// when it is due next. The states from Running on are known if the workers of its queue
// use Track.
const (
	Scheduled State = "scheduled" // has not fired yet
	Enqueued  State = "enqueued"  // its task is on the queue
	Running   State = "running"   // a worker has it
	Succeeded State = "succeeded"
	Failed    State = "failed" // will be retried
	Dead      State = "dead"   // failed for good
	Missing   State = "missed" // was due once while no service ran, and is not made up for
	Cancelled State = "cancelled"
	// Unreadable is a job that this build cannot read, because a later version has
	// written it or it is damaged. Only its ID, Owner and Next are known, and Error
	// says why. It can be cancelled; see ErrUnreadable.
	Unreadable State = "unreadable"
)

// A Run is the outcome of one firing. What only a worker knows is set if workers use
// Track.
type Run struct {
	TaskID   string                `json:"task_id,omitempty"`
	Due      time.Time             `json:"due,omitzero"` // the time it was due for
	State    State                 `json:"state,omitempty"`
	Attempts int                   `json:"attempts,omitempty"` // charged runs so far, and the current one
	Error    string                `json:"error,omitempty"`    // of the last attempt
	Worker   string                `json:"worker,omitempty"`
	Started  time.Time             `json:"started,omitzero"` // of the last attempt
	Ended    time.Time             `json:"ended,omitzero"`
	Progress driver.ProgressReport `json:"progress,omitzero"`
}

// Over reports whether the outcome is final.
func (r Run) Over() bool { return r.State == Succeeded || r.State == Dead }
