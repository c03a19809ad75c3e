package schedule

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/taskgen/taskgen/runtime/schedule/jobstore"
)

// errHandedOver says that a job can no longer be handed over.
var errHandedOver = errors.New("taskgen: the job has ended or goes on elsewhere")

// handOver ends the job from and continues it as a declared job: due when it was, unless
// the declaration says otherwise, and paused if it was. A task that it has on its queue
// stays there. A firing in progress has the same seed, so that the queue takes it once.
//
// The old job ends before the new one starts: there are never two. The old job stores
// what the new one needs, so that a repeated call after a crash in between finds it. An
// error that wraps errHandedOver says that nothing was changed.
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
	if err := s.continueAs(ctx, old, e, job.When); err != nil {
		return fmt.Errorf("continue job %s as %s: %w", from, job.ID, err)
	}
	// A process that knows only the old job may have made it due again in between.
	if _, err := s.retire(ctx, from, job.ID); !errors.Is(err, errHandedOver) {
		return err
	}
	return nil
}

// retire ends a job that continues as another one.
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
			return nil // another process has ended it, or this one before a crash
		case e.State == Cancelled:
			return errHandedOver
		}
		e.Handed = &jobstore.Handover{To: to, Next: e.Next, State: e.State}
		lease := e.Leased
		e.State, e.UpdatedAt = Cancelled, now
		s.end(e, now)
		e.Leased = lease // for the job that continues: a firing may be in progress
		return nil
	})
	if errors.Is(err, ErrJobNotFound) {
		err = fmt.Errorf("%w: %w", errHandedOver, err)
	}
	return old, err
}

// continueAs writes the job that continues an old one, with the declared task in e.
func (s *Service) continueAs(ctx context.Context, old, e *Entry, when When) error {
	now, err := s.now(ctx)
	if err != nil {
		return err
	}
	declared := e.Body
	e.Body = old.Clone().Body
	e.Task, e.Overlap, e.Missed, e.Jitter, e.UpdatedAt = declared.Task, declared.Overlap, declared.Missed, declared.Jitter, now
	e.Task.Metadata = maps.Clone(old.Task.Metadata) // declarations have none
	if err := sealEntry(e, s.m); err != nil {
		return err
	}
	e.Leased = old.Leased
	e.Seed, e.Handed, e.Last = seedOf(old), nil, statusOf(old).Last
	e.State, e.Next = old.Handed.State, old.Handed.Next
	resetWake(e)
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
