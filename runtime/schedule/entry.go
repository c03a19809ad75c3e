package schedule

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/schedule/jobstore"
)

// seedOf is the ID from which the IDs of the job's firings are derived.
func seedOf(e *Entry) JobID {
	if e.Seed != "" {
		return e.Seed
	}
	return e.ID
}

// statusOf is the entry as a Status.
func statusOf(e *Entry) Status {
	if e.Unreadable != nil {
		return unreadableStatus(e)
	}
	s := Status{
		Job: Job{
			ID: e.ID, Owner: e.Owner, When: e.When, Task: e.Task, Overlap: e.Overlap, Missed: e.Missed,
			MaxMissed: e.MaxMissed, Jitter: e.Jitter,
		},
		State: e.State, Paused: e.Paused, Next: dueOf(e), Fired: e.Fired, Skipped: e.Skipped, Last: e.Last,
		Error: e.Error, CreatedAt: e.CreatedAt, UpdatedAt: e.UpdatedAt, seed: e.Seed, firing: e.Next,
	}
	if e.Handed != nil {
		s.handedTo = e.Handed.To
	}
	// A worker may note a firing before the service records it.
	if e.Noted.TaskID != "" && !e.Noted.Due.Before(e.Last.Due) && isOwn(e, &e.Noted) {
		s.Last = e.Noted
	}
	if s.Last.State != "" && s.State != Cancelled && s.State != Missing {
		s.State = s.Last.State
	}
	return s
}

// isOwn reports whether a noted run belongs to this job, and not to an earlier one with
// its ID.
func isOwn(e *Entry, r *Run) bool {
	return e.Seed == "" || r.TaskID == e.Last.TaskID || r.TaskID == taskIDOf(e, "firing", r.Due)
}

// hasEnded reports whether the job will not be due again. An unreadable job may also be
// paused.
func hasEnded(e *Entry) bool {
	if e.Unreadable != nil {
		return !e.Forget.IsZero()
	}
	return e.Next.IsZero()
}

// modify changes an entry of the store, and retries while others change it.
func modify(ctx context.Context, s Store, id JobID, change func(*Entry) error) error {
	for {
		e, err := s.Get(ctx, id)
		if err != nil {
			return err
		}
		if err := change(e); err != nil {
			return fmt.Errorf("job %s: %w", id, err)
		}
		if err := s.Put(ctx, e); !errors.Is(err, ErrConflict) {
			return err
		}
	}
}

// resetUnreadable turns an unreadable entry into a job that has no task yet.
func resetUnreadable(e *Entry, now time.Time) {
	e.Unreadable, e.Err = nil, nil
	e.Body = jobstore.Body{Overlap: AllowOverlap, Missed: FireOnce, State: Scheduled, CreatedAt: now}
}

// unreadableStatus is the status of an unreadable entry.
func unreadableStatus(e *Entry) Status {
	s := Status{Job: Job{ID: e.ID, Owner: e.Owner, Task: &runtime.Task{ID: string(e.ID)}}, State: Unreadable, Next: e.Wake, Error: e.Err.Error()}
	if hasEnded(e) {
		s.State = Cancelled
	}
	return s
}
