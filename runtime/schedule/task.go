package schedule

import (
	"fmt"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// uniqueFor is how long a capable queue remembers the task of a firing, done or not. If a
// service is killed between enqueueing the task and recording that, another one enqueues
// it again when the lease has ended.
const uniqueFor = time.Hour

// task makes the task of one firing.
func (s *Service) task(e *Entry, id string, at, now time.Time) (*runtime.Task, error) {
	plain, err := s.unsealed(e)
	if err != nil {
		return nil, err
	}
	t := plain.Clone()
	t.ID, t.CreatedAt, t.ScheduledFor = id, now, dueAt(e, at)
	if t.ScheduledFor.Before(now) {
		t.ScheduledFor = now // it has not waited on the queue until now: see QueueConfig.Retention
	}
	if t.Metadata == nil {
		t.Metadata = make(map[string]string, 2)
	}
	t.Metadata[MetaJob], t.Metadata[MetaFiring] = string(e.ID), at.UTC().Format(time.RFC3339Nano)
	if t.UniqueKey != "" {
		return t, nil
	}
	q, err := s.m.Queue(t.Queue)
	if err != nil {
		return nil, err
	}
	switch can := q.Capabilities(); {
	case e.Overlap == SkipOverlap:
		t.UniqueKey = "taskgen.job:" + string(seedOf(e))
	case can.DedupWindow == driver.Unlimited || can.DedupWindow >= uniqueFor:
		t.UniqueKey, t.UniqueFor = "taskgen.firing:"+id, uniqueFor
	case can.DedupWindow > 0:
		t.UniqueKey, t.UniqueFor = "taskgen.firing:"+id, can.DedupWindow
	}
	return t, nil
}

// check says why a job cannot be kept.
func (s *Service) check(e *Entry) error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: "+format, append([]any{ErrInvalidJob}, args...)...)
	}
	switch {
	case e.Task == nil:
		return bad("it has no task")
	case e.Overlap != AllowOverlap && e.Overlap != SkipOverlap:
		return bad("unknown overlap %q (allow or skip)", e.Overlap)
	case e.Missed != FireOnce && e.Missed != FireAll && e.Missed != FireNone:
		return bad("unknown way to deal with missed firings %q (once, all or skip)", e.Missed)
	case e.MaxMissed < 0 || e.MaxMissed > maxChecked:
		return bad("it would make up for %d missed firings (0 to %d)", e.MaxMissed, maxChecked)
	case e.Jitter < 0:
		return bad("a negative jitter")
	}
	if err := e.Task.Validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalidJob, err)
	}
	if e.Task.Encoding != "" {
		if _, err := s.m.Unseal(e.Task); err != nil {
			return fmt.Errorf("%w: its firings could not read it: %w", ErrInvalidJob, err)
		}
	}
	q, err := s.m.Queue(e.Task.Queue)
	if err != nil {
		return err
	}
	if err := q.Config().Accepts(e.Task); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalidJob, err)
	}
	if e.Overlap == SkipOverlap {
		switch {
		case e.Task.UniqueKey != "":
			return bad("overlap=skip works by a unique key, and tasks of type %s have one of their own", e.Task.Type)
		case !q.Capabilities().UniqueUntilDone:
			return fmt.Errorf("%w: overlap=skip needs a queue that holds unique keys until a task is done, and %q does not: put the task on one of memory, sqlite, redis or nats", runtime.ErrUnsupported, e.Task.Queue)
		}
	}
	return nil
}
