package schedule

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// OnQueue returns a Scheduler without a store: it leaves delays (At, In) to the broker of
// the task's queue in m. The job's ID names the queue and the task.
//
// It cancels and modifies jobs where the broker can (driver.Canceller,
// driver.Rescheduler). Recurring jobs, other payloads, Status, List and Pause need a
// Service on a Store: OnQueue refuses them with an error that wraps
// runtime.ErrUnsupported.
func OnQueue(m *runtime.Manager) Scheduler { return onQueue{m} }

type onQueue struct{ m *runtime.Manager }

// errNeedsStore is the error of an operation that needs a store.
func errNeedsStore(what string) error {
	return fmt.Errorf("%w: %s needs a store: use schedule.New with the store of memory, sqlite or redis", runtime.ErrUnsupported, what)
}

const idSeparator = "/" // between queue and task; neither has one at its beginning

func (s onQueue) Schedule(ctx context.Context, job Job) (JobID, error) {
	switch {
	case job.Task == nil:
		return "", fmt.Errorf("%w: it has no task", ErrInvalidJob)
	case job.When.Recurring():
		return "", errNeedsStore("a recurring job")
	case job.ID != "" && job.Task.ID != "" && string(job.ID) != job.Task.ID:
		return "", fmt.Errorf("%w: its ID %s is not the ID of its task %s: without a store they must be equal", ErrInvalidJob, job.ID, job.Task.ID)
	}
	when, err := resolveWhen(job.When, s.m.Now())
	if err != nil {
		return "", err
	}
	t := job.Task.Clone()
	t.ScheduledFor = when.At
	if job.ID != "" {
		t.ID = string(job.ID)
	}
	answers, err := s.m.Enqueue(ctx, []*runtime.Task{t})
	if err := runtime.ErrorAt(err, 0); errors.Is(err, runtime.ErrDuplicate) {
		return "", fmt.Errorf("%w: %w", ErrJobExists, err)
	} else if err != nil {
		return "", fmt.Errorf("schedule on queue %q: %w", t.Queue, err)
	}
	return JobID(answers[0].Queue + idSeparator + answers[0].ID), nil
}

// find opens the queue that an ID names.
func (s onQueue) find(id JobID) (q driver.Queue, taskID string, err error) {
	name, taskID, ok := strings.Cut(string(id), idSeparator)
	if !ok {
		return nil, "", fmt.Errorf("%w: %q does not name a queue and a task, as the ID of a job without a store does", ErrJobNotFound, id)
	}
	q, err = s.m.Queue(name)
	return q, taskID, err
}

func (s onQueue) Cancel(ctx context.Context, id JobID) error {
	q, taskID, err := s.find(id)
	if err != nil {
		return err
	}
	c, ok := q.(driver.Canceller)
	if !ok || !q.Capabilities().Cancel {
		return errNeedsStore(fmt.Sprintf("cancelling a task on queue %q", q.Config().Name))
	}
	gone, err := c.Cancel(ctx, []string{taskID})
	if err != nil {
		return fmt.Errorf("cancel job %s: %w", id, err)
	}
	if len(gone) == 0 {
		return fmt.Errorf("job %s: %w: its task is with a worker, done or unknown", id, ErrJobEnded)
	}
	return nil
}

func (s onQueue) Modify(ctx context.Context, id JobID, change Change) error {
	q, taskID, err := s.find(id)
	if err != nil {
		return err
	}
	r, ok := q.(driver.Rescheduler)
	switch {
	case change.Task != nil || change.Overlap != "" || change.Missed != "" || change.MaxMissed != 0 || change.Jitter != nil:
		return errNeedsStore("changing more than the time of a job")
	case change.When.Recurring():
		return errNeedsStore("a recurring job")
	case !ok || !q.Capabilities().Reschedule:
		return errNeedsStore(fmt.Sprintf("changing when a task on queue %q is due", q.Config().Name))
	}
	when, err := resolveWhen(change.When, s.m.Now())
	if err != nil {
		return err
	}
	if err := r.Reschedule(ctx, taskID, when.At); errors.Is(err, runtime.ErrTaskNotFound) {
		return fmt.Errorf("job %s: %w: %w", id, ErrJobEnded, err)
	} else if err != nil {
		return fmt.Errorf("modify job %s: %w", id, err)
	}
	return nil
}

func (s onQueue) Status(context.Context, JobID) (Status, error) {
	return Status{}, errNeedsStore("the status of a job")
}

func (s onQueue) List(context.Context, Filter, string, int) ([]Status, string, error) {
	return nil, "", errNeedsStore("a list of jobs")
}

func (s onQueue) Pause(context.Context, JobID) error  { return errNeedsStore("pausing a job") }
func (s onQueue) Resume(context.Context, JobID) error { return errNeedsStore("resuming a job") }

// RunNow makes the task due now.
func (s onQueue) RunNow(ctx context.Context, id JobID) (string, error) {
	_, taskID, err := s.find(id)
	if err == nil {
		err = s.Modify(ctx, id, Change{When: At(s.m.Now())})
	}
	return taskID, err
}
