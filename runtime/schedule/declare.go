package schedule

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/taskgen/taskgen/runtime"
)

// Changes say how declared jobs differ from those that a scheduler has.
type Changes struct {
	Added, Changed, Removed []JobID
}

// Empty reports whether nothing differs.
func (c Changes) Empty() bool { return len(c.Added)+len(c.Changed)+len(c.Removed) == 0 }

// String lists the changes, one to a line: "+ id", "~ id", "- id".
func (c Changes) String() string {
	var b strings.Builder
	for mark, ids := range map[string][]JobID{"+": c.Added, "~": c.Changed, "-": c.Removed} {
		for _, id := range ids {
			fmt.Fprintf(&b, "%s %s\n", mark, id)
		}
	}
	lines := strings.SplitAfter(b.String(), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// A RegisterOption changes how Declare works.
type RegisterOption func(*declareOptions)

type declareOptions struct{ dry bool }

// DryRun has Declare change nothing and only say what it would.
func DryRun() RegisterOption { return func(o *declareOptions) { o.dry = true } }

// A Declaration is a job that stands in the annotation of its type.
type Declaration struct {
	job Job
	err error
}

// Recurring declares a type's job: its zero payload, again and again. Generated
// code calls it.
func Recurring[T any](when When, overlap Overlap, spec *runtime.Spec[T]) Declaration {
	var zero T
	task, err := runtime.NewTask(spec, &zero, runtime.SystemClock.Now())
	if err != nil {
		err = fmt.Errorf("the schedule of type %s: %w", spec.Type, err)
	}
	return Declaration{Job{When: when, Overlap: overlap, Task: task}, err}
}

// Declare makes the jobs of an owner what they are declared to be: it schedules
// those that are new, changes those that differ, and cancels those that are no
// longer declared. A job that is as declared keeps its times and whether it is
// paused. Their IDs are the owner's name and the type's, "owner#type". It may be
// called by every process at its start; while two versions of a program run, the
// one that called it last has its way. Where a declaration is wrong nothing is
// changed. Generated code calls it.
func Declare(ctx context.Context, in Scheduler, owner string, declared []Declaration, opts ...RegisterOption) (Changes, error) {
	var o declareOptions
	for _, opt := range opts {
		opt(&o)
	}
	jobs := make([]Job, len(declared))
	for i, d := range declared {
		if d.err != nil {
			return Changes{}, d.err
		}
		jobs[i] = d.job
		jobs[i].ID, jobs[i].Owner = JobID(owner+"#"+d.job.Task.Type), owner
	}
	there, err := owned(ctx, in, owner)
	if err != nil {
		return Changes{}, fmt.Errorf("the schedules of %s: %w", owner, err)
	}
	var c Changes
	var errs []error
	for _, job := range jobs {
		have, ok := there[job.ID]
		delete(there, job.ID)
		switch {
		case !ok:
			c.Added = append(c.Added, job.ID)
			errs = append(errs, o.add(ctx, in, job))
		case have.State == Cancelled || have.differs(&job):
			c.Changed = append(c.Changed, job.ID)
			errs = append(errs, o.change(ctx, in, have, job))
		}
	}
	for id, have := range there {
		if have.State != Cancelled {
			c.Removed = append(c.Removed, id)
			errs = append(errs, o.do(func() error { return in.Cancel(ctx, id) }))
		}
	}
	slices.Sort(c.Removed)
	return c, errors.Join(errs...)
}

func (o *declareOptions) do(f func() error) error {
	if o.dry {
		return nil
	}
	return f()
}

func (o *declareOptions) add(ctx context.Context, in Scheduler, job Job) error {
	return o.do(func() error {
		_, err := in.Schedule(ctx, job)
		if errors.Is(err, ErrJobExists) {
			return nil // another process has just declared it
		}
		return err
	})
}

func (o *declareOptions) change(ctx context.Context, in Scheduler, have Status, job Job) error {
	change := Change{Task: job.Task, Overlap: job.overlap()}
	if have.State == Cancelled || !have.When.Equal(job.When) {
		change.When = job.When
	}
	return o.do(func() error { return in.Modify(ctx, job.ID, change) })
}

// owned lists the jobs of an owner.
func owned(ctx context.Context, in Scheduler, owner string) (map[JobID]Status, error) {
	all := make(map[JobID]Status)
	for cursor, more := "", true; more; more = cursor != "" {
		page, next, err := in.List(ctx, Filter{Owner: owner}, cursor, 200)
		if err != nil {
			return nil, err
		}
		for _, st := range page {
			all[st.ID] = st
		}
		cursor = next
	}
	return all, nil
}

func (j *Job) overlap() Overlap {
	if j.Overlap == "" {
		return AllowOverlap
	}
	return j.Overlap
}

// differs reports whether a job is not what is declared, as far as an annotation
// can say.
func (s *Status) differs(job *Job) bool {
	a, b := s.Task, job.Task
	return !s.When.Equal(job.When) || s.Overlap != job.overlap() ||
		a.Type != b.Type || a.Queue != b.Queue || a.Priority != b.Priority || a.Timeout != b.Timeout ||
		a.MaxRetries != b.MaxRetries || a.UniqueKey != b.UniqueKey || a.UniqueFor != b.UniqueFor ||
		a.SchemaVersion != b.SchemaVersion || !bytes.Equal(a.Payload, b.Payload)
}
