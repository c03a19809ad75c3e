package schedule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/taskgen/taskgen/runtime"
)

// now is the time on the store's clock. All times of jobs are by that one: what one
// machine wrote another reads.
func (s *Service) now(ctx context.Context) (time.Time, error) {
	now, err := s.store.Now(ctx)
	if err != nil {
		return now, fmt.Errorf("ask the store for the time: %w", err)
	}
	s.measure(now)
	return now, nil
}

// skewed is how far a clock may be off before it is told.
const skewed = 5 * time.Second

// Skew is how far the manager's clock was ahead of the store's when they were compared
// last: whenever the service asks the store for due jobs, or changes one. Jobs fire by the
// store's clock; a skew of more than 5 seconds is logged, for it tells of timestamps that
// cannot be compared. 0 before anything was measured.
func (s *Service) Skew() time.Duration { return time.Duration(s.skew.Load()) }

func (s *Service) measure(store time.Time) {
	skew := s.m.Now().Sub(store)
	was := time.Duration(s.skew.Swap(int64(skew)))
	switch is := skew.Abs() > skewed; {
	case is && was.Abs() <= skewed:
		s.log().Warn("the clock of this machine differs from that of the store of jobs, by which they fire", slog.Duration("ahead", skew.Round(time.Millisecond)))
	case !is && was.Abs() > skewed:
		s.log().Info("the clock of this machine agrees with that of the store of jobs again")
	}
}

// The bounds beyond which a clock was wrong, and not just adjusted.
const (
	steppedBack = time.Minute // by how much the store's clock has gone back
	silence     = time.Hour   // how much later than the next of its times a job waits; less does not matter
)

// A reading is the time on the store's clock, and when that was by a clock that nobody
// sets.
type reading struct{ store, here time.Time }

// watch compares the store's clock with the time that has passed since it was read last,
// and puts right what was written while it was ahead: it has gone back since.
func (s *Service) watch(ctx context.Context, now time.Time) {
	last := s.read.Swap(&reading{now, time.Now()})
	if last != nil && now.Sub(last.store)-time.Since(last.here) < -steppedBack {
		s.log().Warn("the clock of the store of jobs was ahead and has gone back", slog.Duration("by", last.store.Sub(now).Round(time.Second)))
		s.wakeSilenced(ctx, now, true)
	}
}

// wakeSilenced has jobs fire at the next of their times that wait for a later one: a clock
// was ahead when that was written. freed: nor does a lease hold that was taken then.
func (s *Service) wakeSilenced(ctx context.Context, now time.Time, freed bool) {
	for after := JobID(""); ; {
		es, err := s.store.List(ctx, "", after, claimed)
		if ctx.Err() != nil || errors.Is(err, runtime.ErrClosed) {
			return
		}
		if err != nil {
			s.log().Error("cannot look for jobs that a wrong clock has delayed", slog.Any("error", err))
			return
		}
		for _, e := range es {
			after = e.ID
			was := e.Wake
			if !rewake(e, now) && (!freed || was.IsZero() || was.After(now)) {
				continue
			}
			e.Leased = time.Time{}
			// Who has changed it in between, or has it gone, has seen to it.
			if s.store.Put(ctx, e) == nil && !e.Wake.Equal(was) {
				s.log().Warn("a job waited for a time that a wrong clock had set", slog.String("job", string(e.ID)), slog.Time("was due", was), slog.Time("is due", e.Wake))
			}
		}
		if len(es) < claimed {
			return
		}
	}
}

// rewake has the job wait for the next of its times, if it waits for one that is much later,
// or for a new try that is. It reports whether it did.
func rewake(e *Entry, now time.Time) bool {
	if e.Unreadable != nil || hasEnded(e) || e.Paused {
		return false
	}
	if e.Failures > 0 && e.Wake.Sub(now) > 2*maxPause && dueOf(e).Before(e.Wake) {
		rearm(e)
		return true
	}
	times, err := timetableOf(e.When)
	if err != nil || !e.When.Recurring() || e.Next.Sub(now) <= silence {
		return false
	}
	next := times.next(now.UTC())
	if every := times.every(); every > 0 {
		next = e.Next.Add(-(e.Next.Sub(now) - 1) / every * every)
	}
	if e.Next.Sub(next) <= silence {
		return false
	}
	e.Next = next
	rearm(e)
	return true
}
