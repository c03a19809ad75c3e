package schedule

import (
	"context"
	"fmt"
	"log/slog"
	"time"
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
		s.log().Warn("the clock of this machine is not that of the store of jobs, by which they fire", slog.Duration("ahead", skew.Round(time.Millisecond)))
	case !is && was.Abs() > skewed:
		s.log().Info("the clock of this machine is that of the store of jobs again")
	}
}
