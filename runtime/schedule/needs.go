package schedule

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/taskgen/taskgen/internal/crontab"
	"github.com/taskgen/taskgen/runtime/schedule/jobstore"
)

// canFire reports whether this scheduler has what a job needs. Another scheduler may have
// what this one lacks.
func (s *Service) canFire(n jobstore.Needs) bool {
	if n.Queue != "" {
		if _, err := s.m.Queue(n.Queue); err != nil {
			return false
		}
	}
	return s.hasZone(n.Zone)
}

// zoneRetryInterval is how long a missing time zone is not looked up again.
const zoneRetryInterval = time.Minute

// hasZone reports whether this machine has a time zone. It logs a missing zone once.
func (s *Service) hasZone(name string) bool {
	if name == "" {
		return true
	}
	s.zones.mu.Lock()
	defer s.zones.mu.Unlock()
	retryAt, known := s.zones.retryAt[name]
	if known && (retryAt.IsZero() || time.Now().Before(retryAt)) {
		return retryAt.IsZero()
	}
	_, err := crontab.Zone(name)
	if err == nil {
		s.zones.retryAt[name] = time.Time{}
		return true
	}
	s.zones.retryAt[name] = time.Now().Add(zoneRetryInterval)
	if !known {
		s.log().Error("jobs are left to other schedulers", slog.String("zone", name), slog.Any("error", err))
	}
	return false
}

// missingNeeds says, for Status, what this scheduler lacks to fire a job that is overdue; nil if
// it lacks nothing.
func (s *Service) missingNeeds(e *Entry) error {
	if e.Wake.IsZero() || s.m.Now().Add(-s.Skew()).Sub(e.Wake) <= s.cfg.MissedAfter {
		return nil
	}
	n := e.Needs()
	if _, err := s.m.Queue(n.Queue); err != nil {
		return fmt.Errorf("it is left to schedulers that have its queue, and none has fired it: %w", err)
	}
	if !s.hasZone(n.Zone) {
		_, err := crontab.Zone(n.Zone)
		return fmt.Errorf("it is left to schedulers that have its time zone, and none has fired it: %w", err)
	}
	return nil
}
