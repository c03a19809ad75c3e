package schedule

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// A Declaration is a job that is declared in the annotation of its type.
type Declaration struct {
	job    Job
	name   string   // among the jobs of its type
	former []string // former names
	types  []string // the name of the type, and its former names
	err    error
}

// A Recurrence is the declaration of a job in an annotation.
type Recurrence struct {
	When When
	// Name distinguishes the declared jobs of one type. One of them may have no name.
	Name string
	// Aliases are former names: the job continues one that has such a name.
	Aliases []string
	Overlap Overlap       // AllowOverlap by default
	Missed  Missed        // FireOnce by default
	Jitter  time.Duration // see Job.Jitter
	// Payload of the tasks, as JSON; empty: the zero value of their type.
	Payload string
}

// Recurring declares a recurring job that enqueues the zero value of a type. Generated
// code calls it.
func Recurring[T any](when When, overlap Overlap, spec *runtime.Spec[T]) Declaration {
	return RecurringWith(Recurrence{When: when, Overlap: overlap}, spec)
}

// RecurringWith declares a job of a type. Generated code calls it.
func RecurringWith[T any](r Recurrence, spec *runtime.Spec[T]) Declaration {
	d := Declaration{name: r.Name, former: r.Aliases, types: append([]string{spec.Type}, spec.Aliases...)}
	var payload T
	if r.Payload != "" {
		payload, d.err = spec.Decode(&runtime.Task{Type: spec.Type, Payload: []byte(r.Payload)})
	}
	if d.err == nil {
		d.job = Job{When: r.When, Overlap: r.Overlap, Missed: r.Missed, Jitter: r.Jitter}
		d.job.Task, d.err = runtime.NewTask(spec, &payload, driver.SystemClock.Now())
	}
	if d.err != nil {
		d.err = fmt.Errorf("%s: %w", declaredAs(spec.Type, r.Name), d.err)
	}
	return d
}

// declaredAs describes a declared job in messages.
func declaredAs(taskType, name string) string {
	if name == "" {
		return "the schedule of type " + taskType
	}
	return fmt.Sprintf("the schedule %s of type %s", name, taskType)
}

// DeclaredID is the ID of the job that is declared for a task type without a name. It
// depends only on the type: a store has one such job per type.
func DeclaredID(taskType string) JobID { return DeclaredNameID(taskType, "") }

// DeclaredNameID is the ID of the job that is declared for a task type under a name.
func DeclaredNameID(taskType, name string) JobID {
	id := "schedule#" + taskType
	if name != "" {
		id += "#" + name
	}
	return JobID(id)
}

// A declaredJob is a job and its former identities.
type declaredJob struct {
	Job
	types []string // current and former names of its type
	names []string // current and former names among the declared jobs of its type
}

// declaredJobs are the jobs that an owner declares.
func declaredJobs(owner string, declared []Declaration) ([]declaredJob, error) {
	jobs := make([]declaredJob, len(declared))
	owns := make(map[JobID]bool)
	for i, d := range declared {
		if d.err != nil {
			return nil, d.err
		}
		jobs[i] = declaredJob{Job: d.job, types: d.types, names: append([]string{d.name}, d.former...)}
		job := &jobs[i]
		job.ID, job.Owner = DeclaredNameID(job.Task.Type, d.name), owner
		if owns[job.ID] {
			return nil, fmt.Errorf("%w: %s is declared twice by %s", ErrInvalidJob, declaredAs(job.Task.Type, d.name), owner)
		}
		owns[job.ID] = true
	}
	// The first named job of a type continues its job without a name.
	for i := range jobs {
		job := &jobs[i]
		unnamed := func(other declaredJob) bool {
			return other.Task.Type == job.Task.Type && slices.Contains(other.names, "")
		}
		if !slices.ContainsFunc(jobs, unnamed) {
			job.names = append(job.names, "")
		}
	}
	return jobs, nil
}

// formerIDs are the IDs that the job may have had, and its own.
func (j *declaredJob) formerIDs() (ids []JobID) {
	for _, taskType := range j.types {
		for _, name := range j.names {
			ids = append(ids, DeclaredNameID(taskType, name))
		}
	}
	return ids
}

// was reports whether an existing job is an earlier form of this one: with its type and
// its name. IDs of earlier versions and other schemes contain no name.
func (j *declaredJob) was(st *Status) bool {
	if st.Task == nil || !slices.Contains(j.types, st.Task.Type) {
		return false
	}
	name, named := strings.CutPrefix(string(st.ID), string(DeclaredID(st.Task.Type)+"#"))
	if !named {
		name = ""
	}
	return slices.Contains(j.names, name)
}
