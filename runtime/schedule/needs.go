package schedule

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/taskgen/taskgen/internal/crontab"
	"github.com/taskgen/taskgen/runtime"
)

// Needs are what a scheduler must have to fire a job.
type Needs struct {
	Queue string // of the task; empty where the store does not know it: everybody may try
	Zone  string // the IANA time zone of its cron expression; empty for UTC
}

// Key is n as a store keeps it: "queue LF zone", or nothing where it is not known. See
// ParseNeeds.
func (n Needs) Key() string {
	if n.Queue == "" {
		return ""
	}
	return n.Queue + "\n" + n.Zone
}

// ParseNeeds reads what Needs.Key returned.
func ParseNeeds(key string) Needs {
	queue, zone, _ := strings.Cut(key, "\n")
	return Needs{Queue: queue, Zone: zone}
}

// Needs returns what a scheduler must have to fire the entry's job. Those of an entry
// that cannot be read are not known.
func (e *Entry) Needs() Needs {
	if e.Task == nil {
		return Needs{}
	}
	return Needs{Queue: e.Task.Queue, Zone: e.When.zone}
}

// can reports whether this scheduler has what a job needs. What it lacks another one
// may have: nothing is said of the job itself.
func (s *Service) can(n Needs) bool {
	if n.Queue != "" {
		if _, err := s.m.Queue(n.Queue); err != nil {
			return false
		}
	}
	return s.hasZone(n.Zone)
}

// zoneAgain is how long a time zone that this machine does not have is not looked for.
const zoneAgain = time.Minute

// hasZone reports whether this machine has a time zone. It logs once that it has not.
func (s *Service) hasZone(name string) bool {
	if name == "" {
		return true
	}
	s.zones.mu.Lock()
	defer s.zones.mu.Unlock()
	look, known := s.zones.look[name]
	if known && (look.IsZero() || time.Now().Before(look)) {
		return look.IsZero()
	}
	_, err := crontab.Zone(name)
	if err == nil {
		s.zones.look[name] = time.Time{}
		return true
	}
	s.zones.look[name] = time.Now().Add(zoneAgain)
	if !known {
		s.log().Error("jobs are left to other schedulers", slog.String("zone", name), slog.Any("error", err))
	}
	return false
}

// lacks says what this scheduler lacks to fire a job that nobody has fired in time, for
// Status; nil where it has it all.
func (s *Service) lacks(e *Entry) error {
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

// ErrUnreadable: the job is in the store, and this build cannot read it: a later version
// has written it, or it is damaged. It can be cancelled.
var ErrUnreadable = errors.New("taskgen: the job cannot be read")

// BodyData is the body as a store keeps it. See SetBody.
func (e *Entry) BodyData() ([]byte, error) {
	if e.Unreadable != nil {
		return e.Unreadable, nil
	}
	return e.Body.MarshalJSON()
}

// SetBody reads what BodyData returned; ID and Wake must be set. Where this build cannot read
// it, the entry is one that says so: see Entry.Unreadable.
func (e *Entry) SetBody(data []byte) {
	e.Unreadable, e.Err = nil, nil
	if err := e.Body.UnmarshalJSON(data); err != nil {
		e.Body = Body{Next: e.Wake}
		e.Unreadable, e.Err = append([]byte{}, data...), fmt.Errorf("%w: %s: %w", ErrUnreadable, e.ID, err)
	}
}

// renew makes an entry that cannot be read one of a job that has no task yet.
func (e *Entry) renew(now time.Time) {
	e.Unreadable, e.Err = nil, nil
	e.Body = Body{Overlap: AllowOverlap, Missed: FireOnce, State: Scheduled, CreatedAt: now}
}

// unreadable is the status of an entry that cannot be read.
func (e *Entry) unreadable() Status {
	s := Status{Job: Job{ID: e.ID, Owner: e.Owner, Task: &runtime.Task{ID: string(e.ID)}}, State: Unreadable, Next: e.Wake, Error: e.Err.Error()}
	if e.ended() {
		s.State = Cancelled
	}
	return s
}
