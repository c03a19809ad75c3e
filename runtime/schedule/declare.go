package schedule

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/taskgen/taskgen/runtime"
)

// Changes say how declared jobs differ from the jobs of a scheduler.
type Changes struct {
	Added, Changed, Removed []JobID
	// TakenOver are the jobs that another owner had declared, or that had another ID. A
	// job that also changes is in Changed too.
	TakenOver []Takeover
	// Differences say how the jobs in Changed differ, and Lost what is lost with the jobs
	// in Removed. See Explain.
	Differences []Difference
	Lost        []Loss
}

// A Takeover is a job that changes its owner or its ID.
type Takeover struct {
	ID    JobID  // the new ID
	From  JobID  // the old ID; mostly the same
	Owner string // the previous owner
}

// Empty reports whether there are no changes.
func (c Changes) Empty() bool {
	return len(c.Added)+len(c.Changed)+len(c.Removed)+len(c.TakenOver) == 0
}

// String lists the changes, one per line: "+ id", "~ id", "- id", and
// "> id (was id, owner owner)" for a takeover.
func (c Changes) String() string {
	var lines []string
	for mark, ids := range map[string][]JobID{"+": c.Added, "~": c.Changed, "-": c.Removed} {
		for _, id := range ids {
			lines = append(lines, fmt.Sprintf("%s %s\n", mark, id))
		}
	}
	for _, t := range c.TakenOver {
		lines = append(lines, fmt.Sprintf("> %s (was %s, owner %s)\n", t.ID, t.From, t.Owner))
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// A RegisterOption changes how Declare works.
type RegisterOption func(*declareOptions)

type declareOptions struct {
	dry    bool
	owners []string
}

// DryRun makes Declare change nothing and only report what it would change.
func DryRun() RegisterOption { return func(o *declareOptions) { o.dry = true } }

// OwnerAliases names former owners of the declared jobs. Declare takes over the
// jobs of those owners that are still declared, and cancels the others.
func OwnerAliases(owners ...string) RegisterOption {
	return func(o *declareOptions) {
		for _, owner := range owners {
			if owner != "" {
				o.owners = append(o.owners, owner)
			}
		}
	}
}

// Declare brings the jobs of an owner in line with their declarations: it schedules new
// jobs, changes those that differ, and cancels those that are no longer declared. A job
// that already matches keeps its times and stays paused if it is. IDs are those of
// DeclaredNameID.
//
// Declare takes over a declared job of the same type and name from another owner, or one
// with an ID of an earlier version, an alias of the type or a former name. Such a job
// keeps its times, unless its schedule differs, stays paused if it is, and never exists
// twice. If all jobs declared for a type have names, the first of them continues the job
// that the type had without a name. Jobs without an owner are never touched.
//
// Every process may call Declare at its start, and again after a crash. While two
// versions of a program run, the last call wins. If a declaration is wrong nothing is
// changed. Generated code calls Declare.
func Declare(ctx context.Context, in Scheduler, owner string, declared []Declaration, opts ...RegisterOption) (Changes, error) {
	if owner == "" {
		return Changes{}, fmt.Errorf("%w: declared jobs need an owner", ErrInvalidJob)
	}
	r := reconciler{scheduler: in, owner: owner, existing: make(map[JobID]Status)}
	for _, opt := range opts {
		opt(&r.options)
	}
	var err error
	if r.jobs, err = declaredJobs(owner, declared); err != nil {
		return Changes{}, err
	}
	if err := r.loadExisting(ctx); err != nil {
		return Changes{}, fmt.Errorf("the schedules of %s: %w", owner, err)
	}
	var errs []error
	for i := range r.jobs {
		errs = append(errs, r.declare(ctx, &r.jobs[i]))
	}
	errs = append(errs, r.remove(ctx))
	return r.changes, errors.Join(errs...)
}

// A reconciler brings the jobs of a scheduler in line with declarations.
type reconciler struct {
	scheduler Scheduler
	owner     string
	options   declareOptions
	jobs      []declaredJob
	existing  map[JobID]Status // the jobs that may correspond to declared ones and are not dealt with yet
	changes   Changes
}

// owners returns the owner and the former owners.
func (r *reconciler) owners() []string { return append([]string{r.owner}, r.options.owners...) }

// loadExisting finds the jobs of the owners, and those that declared jobs may take over. If a
// declared job is not found under its ID, or was cancelled, its predecessor may have an
// ID that cannot be derived, and loadExisting reads all jobs.
func (r *reconciler) loadExisting(ctx context.Context) error {
	for _, owner := range r.owners() {
		if err := r.list(ctx, Filter{Owner: owner}, func(*Status) bool { return true }); err != nil {
			return err
		}
	}
	all := true
	for i := range r.jobs {
		job := &r.jobs[i]
		found, err := r.find(ctx, job.ID)
		if err != nil {
			return err
		}
		all = all && found && r.existing[job.ID].State != Cancelled
		for _, id := range append(job.formerIDs(), r.existing[job.ID].seed, r.existing[job.ID].handedTo) {
			if _, err := r.find(ctx, id); err != nil {
				return err
			}
		}
	}
	if all {
		return nil
	}
	return r.list(ctx, Filter{}, func(st *Status) bool {
		return slices.ContainsFunc(r.jobs, func(job declaredJob) bool { return job.was(st) })
	})
}

// list adds declared jobs.
func (r *reconciler) list(ctx context.Context, f Filter, want func(*Status) bool) error {
	for st, err := range All(ctx, r.scheduler, f) {
		if err != nil {
			return err
		}
		if st.Owner != "" && want(&st) {
			r.existing[st.ID] = st
		}
	}
	return nil
}

// find adds the job with an ID, if there is one.
func (r *reconciler) find(ctx context.Context, id JobID) (bool, error) {
	if _, ok := r.existing[id]; ok || id == "" {
		return ok, nil
	}
	st, err := r.scheduler.Status(ctx, id)
	switch {
	case errors.Is(err, ErrJobNotFound):
		return false, nil
	case err == nil:
		r.existing[id] = st
	}
	return err == nil, err
}

// declare brings one job in line with its declaration.
func (r *reconciler) declare(ctx context.Context, job *declaredJob) error {
	have, ok := r.existing[job.ID]
	if ok && have.Owner == "" {
		return fmt.Errorf("%w: %s, the ID for %s, belongs to a job that was not declared: give that job another ID", ErrJobExists, job.ID, declaredAs(job.Task.Type, job.names[0]))
	}
	delete(r.existing, job.ID)
	before := r.predecessors(job, &have)
	for _, st := range before {
		delete(r.existing, st.ID)
		r.changes.TakenOver = append(r.changes.TakenOver, Takeover{job.ID, st.ID, st.Owner})
	}
	switch {
	case ok && have.State != Cancelled:
		return errors.Join(r.retire(ctx, before, job.ID), r.change(ctx, &have, job.Job))
	case len(before) > 0:
		if len(before[0].differences(&job.Job)) > 0 {
			r.changed(&before[0], &job.Job)
		}
		err := r.retire(ctx, before[1:], job.ID)
		return errors.Join(err, r.takeOver(ctx, &before[0], job.Job, ok))
	case ok:
		r.changed(&have, &job.Job)
		return r.do(func() error { return r.revive(ctx, job.Job) })
	}
	r.changes.Added = append(r.changes.Added, job.ID)
	return r.do(func() error { return r.add(ctx, job.Job) })
}

// predecessors returns the other jobs declared for the type, those of the same owners
// first. If this job does not exist, a job that was ended to continue as this one counts
// too: its process may have stopped in between. So does the job for which this one was
// ended, by a version of the program that knows the type under another name.
func (r *reconciler) predecessors(job *declaredJob, have *Status) []Status {
	declared := func(id JobID) bool {
		return slices.ContainsFunc(r.jobs, func(j declaredJob) bool { return j.ID == id })
	}
	var before []Status
	for _, id := range slices.Sorted(maps.Keys(r.existing)) {
		st := r.existing[id]
		switch {
		case st.Owner == "" || declared(id):
		case st.State == Cancelled && (have.ID != "" && have.State != Cancelled || st.handedTo != job.ID || st.UpdatedAt.Before(have.UpdatedAt)):
		case st.State != Cancelled && st.Next.IsZero():
		case job.was(&st) || have.State == Cancelled && have.handedTo == id:
			before = append(before, st)
		}
	}
	slices.SortStableFunc(before, func(a, b Status) int { return r.rank(&a) - r.rank(&b) })
	return before
}

// rank is lower for a job that is more likely the one to continue: a due job comes before
// one that was handed over, a job of the same owners before others.
func (r *reconciler) rank(st *Status) int {
	rank := slices.Index(r.owners(), st.Owner)
	if rank < 0 {
		rank = len(r.owners())
	}
	if st.State == Cancelled {
		rank += 1 << 20
	}
	return rank
}

// change brings an existing job in line with its declaration.
func (r *reconciler) change(ctx context.Context, have *Status, job Job) error {
	differs, moved := len(have.differences(&job)) > 0, have.Owner != r.owner
	if moved {
		r.changes.TakenOver = append(r.changes.TakenOver, Takeover{job.ID, have.ID, have.Owner})
	}
	if differs {
		r.changed(have, &job)
	}
	c := Change{Owner: job.Owner}
	if differs {
		c = job.change()
	}
	if !have.When.Equal(job.When) {
		c.When, c.declared = job.When, true
	}
	if !differs && (!moved || have.Next.IsZero()) {
		return nil
	}
	return r.do(func() error { return r.scheduler.Modify(ctx, job.ID, c) })
}

func (r *reconciler) add(ctx context.Context, job Job) error {
	_, err := r.scheduler.Schedule(ctx, job)
	if errors.Is(err, ErrJobExists) {
		return nil // another process has just declared it
	}
	return err
}

// revive makes a cancelled job due again.
func (r *reconciler) revive(ctx context.Context, job Job) error {
	c := job.change()
	c.When, c.declared = job.When, true
	return r.scheduler.Modify(ctx, job.ID, c)
}

// A handoverScheduler is a Scheduler that can continue a job under another ID, such as a
// Service.
type handoverScheduler interface {
	handOver(ctx context.Context, from JobID, job Job) error
	retire(ctx context.Context, id, to JobID) (*Entry, error)
}

// takeOver continues a job as another one. With a Scheduler that cannot do so it ends the
// one and starts the other.
func (r *reconciler) takeOver(ctx context.Context, from *Status, job Job, there bool) error {
	return r.do(func() error {
		if h, ok := r.scheduler.(handoverScheduler); ok {
			err := h.handOver(ctx, from.ID, job)
			if !errors.Is(err, errHandedOver) {
				return err
			}
		} else if err := r.scheduler.Cancel(ctx, from.ID); err != nil {
			return err
		}
		begin := r.add
		if there {
			begin = r.revive
		}
		if err := begin(ctx, job); err != nil || !from.Paused {
			return err
		}
		return r.scheduler.Pause(ctx, job.ID)
	})
}

// retire ends jobs other than the one that continues.
func (r *reconciler) retire(ctx context.Context, beside []Status, to JobID) error {
	var errs []error
	for _, st := range beside {
		errs = append(errs, r.do(func() error {
			h, ok := r.scheduler.(handoverScheduler)
			if !ok {
				return r.scheduler.Cancel(ctx, st.ID)
			}
			_, err := h.retire(ctx, st.ID, to)
			if errors.Is(err, errHandedOver) {
				return nil
			}
			return err
		}))
	}
	return errors.Join(errs...)
}

// remove cancels the jobs of the owners that are no longer declared.
func (r *reconciler) remove(ctx context.Context) error {
	var errs []error
	for _, id := range slices.Sorted(maps.Keys(r.existing)) {
		st := r.existing[id]
		if st.State == Cancelled || st.Next.IsZero() || !slices.Contains(r.owners(), st.Owner) {
			continue
		}
		r.removed(&st)
		errs = append(errs, r.do(func() error { return r.scheduler.Cancel(ctx, id) }))
	}
	return errors.Join(errs...)
}

// do calls f, except in a dry run.
func (r *reconciler) do(f func() error) error {
	if r.options.dry {
		return nil
	}
	return f()
}

// amend returns the declared task with the metadata of the existing one: an annotation
// declares no metadata.
func (j *Job) amend(have *runtime.Task) (*runtime.Task, error) {
	t := j.Task.Clone()
	t.Metadata = maps.Clone(have.Metadata)
	return t, nil
}

// change returns the Change that turns another job into this one, without When.
func (j *Job) change() Change {
	return Change{Task: j.Task, Overlap: j.overlap(), Missed: j.missed(), Jitter: &j.Jitter, Owner: j.Owner, amend: j.amend}
}

func (j *Job) overlap() Overlap { return cmp.Or(j.Overlap, AllowOverlap) }

func (j *Job) missed() Missed { return cmp.Or(j.Missed, FireOnce) }
