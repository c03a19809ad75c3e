package schedule

import (
	"errors"

	"github.com/taskgen/taskgen/runtime/schedule/jobstore"
)

// The parts of jobs are declared in package jobstore, which knows no cron expressions: a
// program that uses a store for other things does not link their parser.
type (
	// A JobID identifies a job for as long as it is known.
	JobID = jobstore.JobID
	// A When says when a job is due: made by [At], [In], [Every] or [Cron].
	When = jobstore.When
	// Overlap says what to do with a firing while the task of the last one is not done.
	Overlap = jobstore.Overlap
	// Missed says what to do with firings that are later than Config.MissedAfter.
	Missed = jobstore.Missed
	// State is the state of a job.
	State = jobstore.State
	// A Run is the outcome of one firing.
	Run = jobstore.Run
	// A Store keeps jobs for schedulers: Provider.Jobs of packages sqlite and redis, and
	// memory.NewJobs.
	Store = jobstore.Store
	// An Entry is a job in a Store.
	Entry = jobstore.Entry
)

// The values of Overlap; see package jobstore.
const (
	AllowOverlap Overlap = jobstore.AllowOverlap
	SkipOverlap  Overlap = jobstore.SkipOverlap
)

// The values of Missed; see package jobstore.
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

// The errors of this package. Package jobstore has those of stores, package runtime the
// others.
var (
	// ErrJobEnded: the job has fired for the last time or was cancelled, and can no
	// longer be changed.
	ErrJobEnded = errors.New("taskgen: the job has ended")

	ErrInvalidJob  = jobstore.ErrInvalidJob
	ErrJobExists   = jobstore.ErrJobExists
	ErrJobNotFound = jobstore.ErrJobNotFound
	ErrConflict    = jobstore.ErrConflict
	ErrUnreadable  = jobstore.ErrUnreadable
)
