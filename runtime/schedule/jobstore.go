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
	AllowOverlap = jobstore.AllowOverlap
	SkipOverlap  = jobstore.SkipOverlap
)

// The ways to deal with missed firings; see package jobstore.
const (
	FireOnce = jobstore.FireOnce
	FireAll  = jobstore.FireAll
	FireNone = jobstore.FireNone
)

// The states of a job; see package jobstore.
const (
	Scheduled  = jobstore.Scheduled
	Enqueued   = jobstore.Enqueued
	Running    = jobstore.Running
	Succeeded  = jobstore.Succeeded
	Failed     = jobstore.Failed
	Dead       = jobstore.Dead
	Missing    = jobstore.Missing
	Cancelled  = jobstore.Cancelled
	Unreadable = jobstore.Unreadable
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
