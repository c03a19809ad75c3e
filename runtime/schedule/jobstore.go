package schedule

import (
	"errors"

	"github.com/taskgen/taskgen/runtime/schedule/jobstore"
)

// What jobs are made of is declared in package jobstore, which knows nothing of cron
// expressions: a program that uses a store for other things does not link their parser.
type (
	// A JobID names a job for as long as it is known.
	JobID = jobstore.JobID
	// A When says when a job is due: made by [At], [In], [Every] or [Cron].
	When = jobstore.When
	// Overlap is what to do with a firing while the last one's task is not done.
	Overlap = jobstore.Overlap
	// Missed is what becomes of firings that are later than Config.MissedAfter.
	Missed = jobstore.Missed
	// State is where a job stands.
	State = jobstore.State
	// A Run is what became of one firing.
	Run = jobstore.Run
	// A Store keeps jobs for schedulers: Provider.Jobs of packages sqlite and redis, and
	// memory.NewJobs.
	Store = jobstore.Store
	// An Entry is a job as a Store keeps it.
	Entry = jobstore.Entry
)

// The ways to overlap; see package jobstore.
const (
	AllowOverlap Overlap = jobstore.AllowOverlap
	SkipOverlap  Overlap = jobstore.SkipOverlap
)

// The ways to deal with missed firings; see package jobstore.
const (
	FireOnce Missed = jobstore.FireOnce
	FireAll  Missed = jobstore.FireAll
	FireNone Missed = jobstore.FireNone
)

// The states of a job; see package jobstore.
const (
	Scheduled  State = jobstore.Scheduled
	Enqueued   State = jobstore.Enqueued
	Running    State = jobstore.Running
	Succeeded  State = jobstore.Succeeded
	Failed     State = jobstore.Failed
	Dead       State = jobstore.Dead
	Missing    State = jobstore.Missing
	Cancelled  State = jobstore.Cancelled
	Unreadable State = jobstore.Unreadable
)

// The errors of this package, beside those of package runtime; see package jobstore for
// those of stores.
var (
	// ErrJobEnded: the job has fired for the last time or was cancelled, and
	// cannot be changed any more.
	ErrJobEnded = errors.New("taskgen: the job has ended")

	ErrInvalidJob  = jobstore.ErrInvalidJob
	ErrJobExists   = jobstore.ErrJobExists
	ErrJobNotFound = jobstore.ErrJobNotFound
	ErrConflict    = jobstore.ErrConflict
	ErrUnreadable  = jobstore.ErrUnreadable
)
