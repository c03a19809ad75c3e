package jobstore

import (
	"errors"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A JobID names a job for as long as it is known.
type JobID string

// The errors of stores, beside those of package runtime.
var (
	// ErrInvalidJob: the job contradicts itself, never fires, or its task cannot
	// travel.
	ErrInvalidJob = errors.New("taskgen: invalid job")
	// ErrJobExists: there is a job with this ID, and it has not ended.
	ErrJobExists = errors.New("taskgen: the job exists")
	// ErrJobNotFound: there is no job with this ID, or no more.
	ErrJobNotFound = errors.New("taskgen: job not found")
	// ErrConflict: somebody else has changed the job since it was read.
	ErrConflict = errors.New("taskgen: the job was changed by another")
	// ErrUnreadable: the job is in the store, and this build cannot read it: a later
	// version has written it, or it is damaged. It can be cancelled.
	ErrUnreadable = errors.New("taskgen: the job cannot be read")
)

// Overlap is what to do with a firing while the last one's task is not done.
type Overlap string

// The ways to overlap.
const (
	AllowOverlap Overlap = "allow"
	// SkipOverlap leaves the firing out. The queue tells, by a unique key: it
	// needs one that holds them until a task is done (Capabilities.UniqueUntilDone)
	// and a task without a unique key of its own.
	SkipOverlap Overlap = "skip"
)

// Missed is what becomes of firings that are later than Config.MissedAfter.
type Missed string

// The ways to deal with missed firings.
const (
	FireOnce Missed = "once" // one for all of them, the newest
	FireAll  Missed = "all"  // each, up to Job.MaxMissed
	FireNone Missed = "skip" // none; a job that was due once has ended then
)

// State is where a job stands.
type State string

// The states of a job. One that recurs has the state of its last task; when it
// is due next stands in Status.Next. Those from Running on are known where the
// workers of its queue use Track.
const (
	Scheduled State = "scheduled" // has not fired yet
	Enqueued  State = "enqueued"  // its task is on the queue
	Running   State = "running"   // a worker has it
	Succeeded State = "succeeded"
	Failed    State = "failed" // and will be tried again
	Dead      State = "dead"   // failed for good
	Missing   State = "missed" // was due once, at a time when no service was there, and is not made up for
	Cancelled State = "cancelled"
	// Unreadable is a job that this build cannot read: a later version has written it,
	// or it is damaged. Of the job's own only ID, Owner and Next are known, and Error
	// says why. It can be cancelled; see ErrUnreadable.
	Unreadable State = "unreadable"
)

// A Run is what became of one firing. What a worker knows is there where workers
// use Track.
type Run struct {
	TaskID   string                `json:"task_id,omitempty"`
	Due      time.Time             `json:"due,omitzero"` // the time it was due for
	State    State                 `json:"state,omitempty"`
	Attempts int                   `json:"attempts,omitempty"` // runs so far that were charged, and the one that goes on
	Error    string                `json:"error,omitempty"`    // of the last attempt
	Worker   string                `json:"worker,omitempty"`
	Started  time.Time             `json:"started,omitzero"` // of the last attempt
	Ended    time.Time             `json:"ended,omitzero"`
	Progress driver.ProgressReport `json:"progress,omitzero"`
}

// Over reports whether nothing more will become of the firing.
func (r Run) Over() bool { return r.State == Succeeded || r.State == Dead }
