package runtime

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// An EnqueueMiddleware wraps the enqueueing of every task, from any caller. A
// middleware that changes a task passes on a changed copy.
type EnqueueMiddleware func(next Enqueuer) Enqueuer

// An EnqueueOption changes how one task is enqueued. It overrides the spec.
type EnqueueOption func(t *Task)

// WithDelay makes the task due d after it is enqueued, by the clock of the manager that
// it reaches. For NewTask, d counts from the time given there.
func WithDelay(d time.Duration) EnqueueOption {
	return func(t *Task) { driver.SetDelay(t, d) }
}

// WithTime makes the task due at the given time. A time that has passed: now.
func WithTime(at time.Time) EnqueueOption {
	return func(t *Task) { driver.SetDue(t, at) }
}

// WithID sets the task's ID instead of a new UUIDv7. Enqueueing an ID that is already
// on the queue fails with ErrDuplicate.
func WithID(id string) EnqueueOption { return func(t *Task) { t.ID = id } }

// WithQueue sends the task to a queue other than its spec's.
func WithQueue(name string) EnqueueOption { return func(t *Task) { t.Queue = name } }

// WithPriority sets the level on a priority queue; see Task.Priority.
func WithPriority(level int) EnqueueOption { return func(t *Task) { t.Priority = level } }

// WithMaxRetries sets how often the task is retried; 0: never.
func WithMaxRetries(n int) EnqueueOption { return func(t *Task) { t.MaxRetries = n } }

// WithTimeout bounds each run of the handler.
func WithTimeout(d time.Duration) EnqueueOption { return func(t *Task) { t.Timeout = d } }

// WithMetadata adds one entry to the metadata.
func WithMetadata(key, value string) EnqueueOption {
	return func(t *Task) {
		t.Metadata = maps.Clone(t.Metadata)
		if t.Metadata == nil {
			t.Metadata = make(map[string]string, 1)
		}
		t.Metadata[key] = value
	}
}

// WithUnique sets the unique key and how long it stays taken; see the fields of
// Task.
func WithUnique(key string, within time.Duration) EnqueueOption {
	return func(t *Task) { t.UniqueKey, t.UniqueFor = key, within }
}

// NewTask returns the task that Enqueue sends, for programs that send it another way or
// later. It has no ID unless an option sets one. The error wraps ErrInvalidTask.
func NewTask[T any](spec *Spec[T], payload *T, now time.Time, opts ...EnqueueOption) (*Task, error) {
	t := new(Task)
	if err := spec.fill(t, payload, now); err != nil {
		return nil, err
	}
	for _, opt := range opts {
		opt(t)
	}
	driver.SetDue(t, t.ScheduledFor) // which counts from now
	return t, nil
}

// Enqueue enqueues one payload as its spec says. Errors wrap ErrInvalidTask,
// ErrPayloadTooLarge, ErrUnknownQueue, ErrQueueFull, ErrDuplicate or what the
// provider returns.
func Enqueue[T any](ctx context.Context, to Enqueuer, spec *Spec[T], payload *T, opts ...EnqueueOption) (Enqueued, error) {
	t := new(Task)
	if err := spec.fill(t, payload, driver.SystemClock.Now()); err != nil {
		return Enqueued{}, err
	}
	driver.Unstamp(t)
	for _, opt := range opts {
		opt(t)
	}
	answers, err := to.Enqueue(ctx, []*Task{t})
	if e := ErrorAt(err, 0); e != nil {
		return Enqueued{}, e
	}
	if len(answers) != 1 {
		return Enqueued{}, fmt.Errorf("taskgen: %d answers to one enqueued task (%s), which may be on queue %q: %w", len(answers), t.ID, t.Queue, err)
	}
	return answers[0], nil
}

// EnqueueBatch enqueues many payloads in as few round trips as the provider needs. The
// answers are in the order of the payloads. If some fail, the error is a *BatchError,
// their answers are zero and the others are enqueued. A payload that cannot be encoded
// does not delay the others.
func EnqueueBatch[T any](ctx context.Context, to Enqueuer, spec *Spec[T], payloads []T, opts ...EnqueueOption) ([]Enqueued, error) {
	var (
		failed  BatchError
		now     = driver.SystemClock.Now()
		room    = make([]Task, len(payloads))
		tasks   = make([]*Task, 0, len(payloads))
		indexes = make([]int, 0, len(payloads))
	)
	for i := range payloads {
		t := &room[i]
		if err := spec.fill(t, &payloads[i], now); err != nil {
			failed.Add(i, "", err)
			continue
		}
		driver.Unstamp(t)
		for _, opt := range opts {
			opt(t)
		}
		tasks, indexes = append(tasks, t), append(indexes, i)
	}
	if len(tasks) == 0 {
		return make([]Enqueued, len(payloads)), failed.OrNil()
	}
	answers, err := to.Enqueue(ctx, tasks)
	if len(failed.Items) == 0 {
		return answers, err
	}
	return spread(answers, err, tasks, indexes, len(payloads), &failed)
}
