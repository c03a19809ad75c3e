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

// WithID sets the ID of the job, instead of a new UUIDv7.
func WithID(id JobID) Option { return func(o *options) { o.job.ID = id } }

// WithOverlap sets Job.Overlap.
func WithOverlap(v Overlap) Option { return func(o *options) { o.job.Overlap = v } }

// WithMissed sets Job.Missed and Job.MaxMissed (0: the default).
func WithMissed(v Missed, maxMissed int) Option {
	return func(o *options) { o.job.Missed, o.job.MaxMissed = v, maxMissed }
}

// WithWhen makes a generated Modify function change when the job is due, as well as its
// payload.
func WithWhen(w When) Option { return func(o *options) { o.when = w } }

// WithEnqueue applies options to each of the job's tasks. WithID, WithDelay and WithTime
// have no effect: each firing has its own ID and time.
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

// Add schedules a payload by its spec. Generated code calls it.
func Add[T any](ctx context.Context, in Scheduler, when When, spec *runtime.Spec[T], payload *T, opts ...Option) (JobID, error) {
	o, err := build(spec, payload, opts)
	if err != nil {
		return "", err
	}
	o.job.When = when
	return in.Schedule(ctx, o.job)
}

// ModifyPayload changes the payload of a job and, with WithWhen, its time. Everything
// that the options do not name stays: queue, priority, retries, timeout, metadata, and a
// unique or group key that is not made from the payload. A key made from the payload
// changes with it. A job whose type is neither the spec's nor an alias of it is replaced
// by the task of the spec and the options; Schedulers of other packages always get that
// task, as Change.Task. Generated code calls ModifyPayload.
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
