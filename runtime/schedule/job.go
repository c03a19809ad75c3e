package schedule

import (
	"context"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// A Scheduler keeps jobs. Service implements it, and so does the result of OnQueue. It is
// safe for concurrent use.
type Scheduler interface {
	// Schedule stores a job and returns its ID: the job's own, or a new UUIDv7. The job
	// is durable when the error is nil. The ID of a job that has ended is free: the new
	// job replaces the old one. Errors wrap ErrInvalidJob, ErrJobExists or
	// runtime.ErrUnknownQueue.
	Schedule(ctx context.Context, job Job) (JobID, error)
	// Cancel ends a job: it is no longer due. A task of the job that is still on its
	// queue is removed if the queue can do so (driver.Canceller); a running task goes
	// on. Cancelling a cancelled job changes nothing. Errors wrap ErrJobNotFound, or
	// ErrJobEnded if the job was due once and its task can no longer be cancelled.
	Cancel(ctx context.Context, id JobID) error
	// Modify changes a job; its ID stays. A job that has ended is due again if the
	// change sets When. Errors wrap ErrJobNotFound, ErrJobEnded or ErrInvalidJob; then
	// nothing is changed.
	Modify(ctx context.Context, id JobID, change Change) error
	// Status returns a job and its state. The error wraps ErrJobNotFound.
	Status(ctx context.Context, id JobID) (Status, error)
	// List returns up to limit jobs after the cursor, in the order of their IDs, and the
	// cursor of the next page, empty after the last. The first page has the cursor "".
	List(ctx context.Context, f Filter, cursor string, limit int) (page []Status, next string, err error)
	// Pause keeps a job from firing until Resume. Firings in between are missed: see
	// Missed.
	Pause(ctx context.Context, id JobID) error
	Resume(ctx context.Context, id JobID) error
	// RunNow enqueues the job's task now, in addition to its schedule, and returns the
	// task's ID. It also works on paused and ended jobs.
	RunNow(ctx context.Context, id JobID) (taskID string, err error)
}

// A Job is a task and when to enqueue it.
type Job struct {
	// ID of the job. Empty: a new UUIDv7.
	ID JobID
	// Owner groups jobs that are declared together; see Declare. Empty for others.
	Owner string
	When  When
	// Task is the task to enqueue. Each firing enqueues a copy, with its own ID and
	// MetaJob in its metadata.
	Task *runtime.Task
	// Overlap says what happens when the job is due while its last task is still on the
	// queue or running. AllowOverlap by default.
	Overlap Overlap
	// Missed says what happens to firings that were due while no service ran. FireOnce by
	// default.
	Missed Missed
	// MaxMissed bounds the missed firings that FireAll makes up for, the newest ones.
	// DefaultMaxMissed when 0.
	MaxMissed int
	// Jitter delays each firing of a recurring job by a fraction of Jitter, derived from
	// the job's ID and the firing's time. It spreads jobs that are due at the same time.
	// The delay is less than the time to the next firing, so that firings keep their
	// order.
	Jitter time.Duration
}

// DefaultMaxMissed is the default of Job.MaxMissed.
const DefaultMaxMissed = 1000

// A Change says what Modify changes. A zero field changes nothing.
type Change struct {
	When      When
	Task      *runtime.Task // replaces the job's task with all its options; see ModifyPayload
	Overlap   Overlap
	Missed    Missed
	MaxMissed int
	Jitter    *time.Duration
	Owner     string // the new owner

	declared bool                                            // When is from a declaration and keeps times: see redeclare
	amend    func(have *runtime.Task) (*runtime.Task, error) // makes Task from the existing one; nil: Task is used
}

// Status is a job and its state.
type Status struct {
	Job
	State  State
	Paused bool
	// Next is when the job is due next; zero if it is not.
	Next time.Time
	// Fired counts the tasks enqueued for the job, Skipped the firings left out because
	// of Overlap or Missed.
	Fired, Skipped int64
	// Last is the last task enqueued for the job.
	Last Run
	// Error says why the due firing cannot be enqueued, while it is retried, or what this
	// scheduler lacks to fire the job; empty if nothing is wrong.
	Error                string
	CreatedAt, UpdatedAt time.Time

	seed, handedTo JobID     // see Body
	firing         time.Time // Next without its jitter
}

// A Filter chooses jobs. A zero field matches all.
type Filter struct {
	Owner string
	Type  string // of the task
	Queue string // of the task
	State State
}

// Matches reports whether f matches a job.
func (f Filter) Matches(s *Status) bool {
	return (f.Owner == "" || f.Owner == s.Owner) && (f.Type == "" || f.Type == s.Task.Type) &&
		(f.Queue == "" || f.Queue == s.Task.Queue) && (f.State == "" || f.State == s.State)
}

// MetaJob is the metadata key for the ID of a task's job, and MetaFiring the key for the
// time of its firing, in RFC 3339.
const (
	MetaJob    = driver.MetaJob
	MetaFiring = driver.MetaFiring
)
