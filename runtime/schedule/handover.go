package schedule

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/taskgen/taskgen/runtime/schedule/jobstore"
)

// errHandedOver says that a job is not there to be handed over any more.
var errHandedOver = errors.New("taskgen: the job has ended or goes on elsewhere")

// handOver ends the job from, and has a declared job go on in its place: due when
// it was, unless the declaration says otherwise, and paused if it was. A task that
// it has on its queue stays there, and a firing that is under way is told by the
// same seed, so that the queue takes it once.
//
// The old job ends before the new one begins: there are never two. What the new one
// needs stands in the old one, so that whoever calls this again after a crash
// between the two finds it there. An error that wraps errHandedOver says that
// nothing was changed.
func (s *Service) handOver(ctx context.Context, from JobID, job Job) error {
	e := &Entry{ID: job.ID, Owner: job.Owner}
	e.Overlap, e.Missed, e.Jitter, e.Task = job.overlap(), job.missed(), job.Jitter, job.Task.Clone()
	e.Task.ID, e.Task.ScheduledFor = string(e.ID), time.Time{}
	if err := s.check(e); err != nil {
		return err
	}
	if err := checkRecurring(job.When); err != nil {
		return err
	}
	old, err := s.retire(ctx, from, job.ID)
	if err != nil {
		return err
	}
	if err := s.carryOn(ctx, old, e, job.When); err != nil {
		return fmt.Errorf("continue job %s as %s: %w", from, job.ID, err)
	}
	// Somebody who knows the old job alone may have had it due again in between.
	if _, err := s.retire(ctx, from, job.ID); !errors.Is(err, errHandedOver) {
		return err
	}
	return nil
}

// retire ends a job that goes on as another one.
func (s *Service) retire(ctx context.Context, id, to JobID) (*Entry, error) {
	now, err := s.now(ctx)
	if err != nil {
		return nil, err
	}
	var old *Entry
	err = modify(ctx, s.store, id, func(e *Entry) error {
		old = e
		switch {
		case e.State == Cancelled && e.Handed != nil && e.Handed.To == to:
			return nil // another process has, or this one before a crash
		case e.State == Cancelled:
			return errHandedOver
		}
		e.Handed = &jobstore.Handover{To: to, Next: e.Next, State: e.State}
		lease := e.Leased
		e.State, e.UpdatedAt = Cancelled, now
		s.end(e, now)
		e.Leased = lease // for the job that goes on: this one may be being fired
		return nil
	})
	if errors.Is(err, ErrJobNotFound) {
		err = fmt.Errorf("%w: %w", errHandedOver, err)
	}
	return old, err
}

// carryOn writes what a job goes on as, with the declared task in e.
func (s *Service) carryOn(ctx context.Context, old, e *Entry, when When) error {
	now, err := s.now(ctx)
	if err != nil {
		return err
	}
	declared := e.Body
	e.Body = old.Clone().Body
	e.Task, e.Overlap, e.Missed, e.Jitter, e.UpdatedAt = declared.Task, declared.Overlap, declared.Missed, declared.Jitter, now
	e.Task.Metadata = maps.Clone(old.Task.Metadata) // no declaration says any
	if err := sealEntry(e, s.m); err != nil {
		return err
	}
	e.Leased = old.Leased
	e.Seed, e.Handed, e.Last = seedOf(old), nil, statusOf(old).Last
	e.State, e.Next = old.Handed.State, old.Handed.Next
	rearm(e)
	if !when.Equal(old.When) || e.Next.IsZero() {
		if err := s.redeclare(e, when, now); err != nil {
			return err
		}
	}
	for {
		err := s.store.Put(ctx, e)
		if !errors.Is(err, ErrJobExists) && !errors.Is(err, ErrConflict) {
			return err
		}
		have, err := s.store.Get(ctx, e.ID)
		switch {
		case errors.Is(err, ErrJobNotFound):
			e.Version = 0
		case err != nil:
			return err
		case have.State != Cancelled:
			return nil // another process has done it
		default:
			e.Version = have.Version
		}
	}
}
