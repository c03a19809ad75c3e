package schedule

import (
	"context"
	"time"

	"github.com/taskgen/taskgen/runtime"
)

// A Scheduler keeps jobs. Service is one, OnQueue makes another. It is safe for
// use by many goroutines.
type Scheduler interface {
	// Schedule keeps a job and returns its ID: the job's own, or a new UUIDv7. It
	// is durable when the error is nil. The ID of a job that has ended is free: the
	// new job takes its place. Errors wrap ErrInvalidJob, ErrJobExists or
	// runtime.ErrUnknownQueue.
	Schedule(ctx context.Context, job Job) (JobID, error)
	// Cancel ends a job: it is not due any more. A task of it that is on its queue
	// is taken off where the queue can (driver.Canceller), one that runs goes on.
	// Cancelling a job that was cancelled changes nothing. Errors wrap
	// ErrJobNotFound, or ErrJobEnded where the job was due once and its task can
	// no longer be had back.
	Cancel(ctx context.Context, id JobID) error
	// Modify changes a job; its ID stays. One that has ended is due again when the
	// change says when. Errors wrap ErrJobNotFound, ErrJobEnded or ErrInvalidJob;
	// nothing is changed then.
	Modify(ctx context.Context, id JobID, change Change) error
	// Status says where a job stands. The error wraps ErrJobNotFound.
	Status(ctx context.Context, id JobID) (Status, error)
	// List returns up to limit jobs after the cursor, in the order of their IDs,
	// and the cursor of the next page, empty after the last. The first page has the
	// cursor "".
	List(ctx context.Context, f Filter, cursor string, limit int) (page []Status, next string, err error)
	// Pause keeps a job from firing until Resume. The firings of that time are
	// missed: see Missed.
	Pause(ctx context.Context, id JobID) error
	Resume(ctx context.Context, id JobID) error
	// RunNow enqueues the job's task once more, now, whatever else it is due for,
	// and returns the task's ID. It works on paused and ended jobs as well.
	RunNow(ctx context.Context, id JobID) (taskID string, err error)
}

// A Job is a task and when it is to be enqueued.
type Job struct {
	// ID of the job. Empty: a new UUIDv7.
	ID JobID
	// Owner groups jobs that are declared together; see Declare. Empty on others.
	Owner string
	When  When
	// Task is what is enqueued. Each firing has a copy of it, with an ID of its
	// own and MetaJob in its metadata.
	Task *runtime.Task
	// Overlap says what happens when the job is due while its last task is still
	// on the queue or running. AllowOverlap by default.
	Overlap Overlap
	// Missed says what becomes of firings for which no service was there. FireOnce
	// by default.
	Missed Missed
	// MaxMissed bounds the firings that FireAll makes up for; the newest ones are.
	// DefaultMaxMissed when 0.
	MaxMissed int
	// Jitter delays each firing of a recurring job by a part of it that is told
	// from the job's ID and the firing's time: jobs of one time are spread over it.
	// It is bounded by the time to the next firing, so that firings keep their order.
	Jitter time.Duration
}

// DefaultMaxMissed is how many missed firings FireAll makes up for.
const DefaultMaxMissed = 1000

// A Change says what Modify changes. What is zero stays.
type Change struct {
	When      When
	Task      *runtime.Task // in place of the one that is there, with all its options; see ModifyPayload
	Overlap   Overlap
	Missed    Missed
	MaxMissed int
	Jitter    *time.Duration
	Owner     string // who declares the job from now on

	declared bool                                            // When is that of a declaration, by which times go on: see redeclare
	amend    func(have *runtime.Task) (*runtime.Task, error) // makes Task of the one that is there; nil: Task it is
}

// Status is a job and where it stands.
type Status struct {
	Job
	State  State
	Paused bool
	// Next is when the job is due next; zero when it is not.
	Next time.Time
	// Fired counts the tasks that were enqueued for it, Skipped the firings that
	// were left out because of Overlap or Missed.
	Fired, Skipped int64
	// Last is the last task that was enqueued for it.
	Last Run
	// Error says why the firing that is due cannot be enqueued, while it is tried
	// again, or what the scheduler that was asked lacks to fire it; empty when it can.
	Error                string
	CreatedAt, UpdatedAt time.Time

	seed, handedTo JobID // see Body
}

// A Filter chooses jobs. What is zero chooses all.
type Filter struct {
	Owner string
	Type  string // of the task
	Queue string // of the task
	State State
}

// Matches reports whether f chooses a job.
func (f Filter) Matches(s *Status) bool {
	return (f.Owner == "" || f.Owner == s.Owner) && (f.Type == "" || f.Type == s.Task.Type) &&
		(f.Queue == "" || f.Queue == s.Task.Queue) && (f.State == "" || f.State == s.State)
}

// MetaJob is the metadata key under which a task carries the ID of its job, and
// MetaFiring the one of the time it was due for, in RFC 3339.
const (
	MetaJob    = "taskgen.job"
	MetaFiring = "taskgen.firing"
)
