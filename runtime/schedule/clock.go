package schedule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/taskgen/taskgen/runtime"
)

// now returns the time on the store's clock. All times of jobs are on that clock, because
// one machine reads what another wrote.
func (s *Service) now(ctx context.Context) (time.Time, error) {
	now, err := s.store.Now(ctx)
	if err != nil {
		return now, fmt.Errorf("read the time of the store: %w", err)
	}
	s.measureSkew(now)
	return now, nil
}

// maxSkew is how far a clock may be off before that is logged.
const maxSkew = 5 * time.Second

// Skew is how far the manager's clock was ahead of the store's at the last comparison.
// The service compares them whenever it claims due jobs or changes one. Jobs fire by
// the store's clock; a skew of more than 5 seconds is logged, because timestamps of the
// two clocks cannot be compared. 0 before the first comparison.
func (s *Service) Skew() time.Duration { return time.Duration(s.skew.Load()) }

func (s *Service) measureSkew(store time.Time) {
	skew := s.m.Now().Sub(store)
	was := time.Duration(s.skew.Swap(int64(skew)))
	switch is := skew.Abs() > maxSkew; {
	case is && was.Abs() <= maxSkew:
		s.log().Warn("the clock of this machine differs from the clock of the job store, by which jobs fire", slog.Duration("ahead", skew.Round(time.Millisecond)))
	case !is && was.Abs() > maxSkew:
		s.log().Info("the clock of this machine agrees with the clock of the job store again")
	}
}

// The bounds beyond which a clock was wrong, and not just adjusted.
const (
	minStepBack   = time.Minute // by how much the store's clock has gone back
	wakeTolerance = time.Hour   // how far beyond its next time a job waits; less does not matter
)

// A clockReading is a time on the store's clock, and the time of the reading on a monotonic
// clock.
type clockReading struct{ store, local time.Time }

// detectStepBack compares the store's clock with the time that has passed since the last
// reading. If the clock has gone back, it corrects the entries written while it was
// ahead.
func (s *Service) detectStepBack(ctx context.Context, now time.Time) {
	last := s.lastReading.Swap(&clockReading{now, time.Now()})
	if last != nil && now.Sub(last.store)-time.Since(last.local) < -minStepBack {
		s.log().Warn("the clock of the job store was ahead and has gone back", slog.Duration("by", last.store.Sub(now).Round(time.Second)))
		s.correctWakes(ctx, now, true)
	}
}

// correctWakes makes jobs fire at their next time that wait for a later one, written
// while a clock was ahead. freed also ends the leases of due jobs.
func (s *Service) correctWakes(ctx context.Context, now time.Time, freed bool) {
	for after := JobID(""); ; {
		es, err := s.store.List(ctx, "", after, claimBatch)
		if ctx.Err() != nil || errors.Is(err, runtime.ErrClosed) {
			return
		}
		if err != nil {
			s.log().Error("cannot read the jobs that a wrong clock may have delayed", slog.Any("error", err))
			return
		}
		for _, e := range es {
			after = e.ID
			was := e.Wake
			if !correctWake(e, now) && (!freed || was.IsZero() || was.After(now)) {
				continue
			}
			e.Leased = time.Time{}
			// A concurrent change or removal has corrected it as well.
			if s.store.Put(ctx, e) == nil && !e.Wake.Equal(was) {
				s.log().Warn("corrected a job that waited for a time set by a wrong clock", slog.String("job", string(e.ID)), slog.Time("was due", was), slog.Time("is due", e.Wake))
			}
		}
		if len(es) < claimBatch {
			return
		}
	}
}

// correctWake makes the job wait for its next time if it waits for a much later time or retry.
// It reports whether it did.
func correctWake(e *Entry, now time.Time) bool {
	if e.Unreadable != nil || hasEnded(e) || e.Paused {
		return false
	}
	if e.Failures > 0 && e.Wake.Sub(now) > 2*maxBackoff && dueOf(e).Before(e.Wake) {
		resetWake(e)
		return true
	}
	times, err := timetableOf(e.When)
	if err != nil || !e.When.Recurring() || e.Next.Sub(now) <= wakeTolerance {
		return false
	}
	next := times.next(now.UTC())
	if every := times.every(); every > 0 {
		next = e.Next.Add(-(e.Next.Sub(now) - 1) / every * every)
	}
	if e.Next.Sub(next) <= wakeTolerance {
		return false
	}
	e.Next = next
	resetWake(e)
	return true
}
