package schedule

import (
	"context"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// An Option changes a job that generated code schedules.
type Option func(*options)

type options struct {
	job     Job
	when    When
	enqueue []runtime.EnqueueOption
}

// WithID names the job, in place of a new UUIDv7.
func WithID(id JobID) Option { return func(o *options) { o.job.ID = id } }

// WithOverlap sets Job.Overlap.
func WithOverlap(v Overlap) Option { return func(o *options) { o.job.Overlap = v } }

// WithMissed sets Job.Missed and Job.MaxMissed (0: as it is by default).
func WithMissed(v Missed, maxMissed int) Option {
	return func(o *options) { o.job.Missed, o.job.MaxMissed = v, maxMissed }
}

// WithWhen has a generated Modify function change when the job is due, beside its
// payload.
func WithWhen(w When) Option { return func(o *options) { o.when = w } }

// WithEnqueue passes options on to each of the job's tasks. WithID, WithDelay and
// WithTime mean nothing here: each firing has an ID and a time of its own.
func WithEnqueue(opts ...runtime.EnqueueOption) Option {
	return func(o *options) { o.enqueue = append(o.enqueue, opts...) }
}

func build[T any](spec *runtime.Spec[T], payload *T, opts []Option) (options, error) {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	task, err := runtime.NewTask(spec, payload, driver.SystemClock.Now(), o.enqueue...)
	o.job.Task = task
	return o, err
}

// Add schedules a payload as its spec says. Generated code calls it.
func Add[T any](ctx context.Context, in Scheduler, when When, spec *runtime.Spec[T], payload *T, opts ...Option) (JobID, error) {
	o, err := build(spec, payload, opts)
	if err != nil {
		return "", err
	}
	o.job.When = when
	return in.Schedule(ctx, o.job)
}

// ModifyPayload gives a job another payload, and, by WithWhen, another time. What the
// options do not name stays as the job has it: queue, priority, retries, timeout,
// metadata, and a unique or group key that is not made from the payload. A key that
// is made from the payload follows it. A job of another type, which is no alias of
// the spec's, is replaced by what the spec and the options say. A Scheduler that is
// not of this package is given that too, as Change.Task. Generated code calls it.
func ModifyPayload[T any](ctx context.Context, in Scheduler, id JobID, spec *runtime.Spec[T], payload *T, opts ...Option) error {
	o, err := build(spec, payload, opts)
	if err != nil {
		return err
	}
	return in.Modify(ctx, id, Change{
		When: o.when, Task: o.job.Task, Overlap: o.job.Overlap, Missed: o.job.Missed, MaxMissed: o.job.MaxMissed,
		amend: func(have *runtime.Task) (*runtime.Task, error) { return amend(have, spec, payload, o.enqueue) },
	})
}
