package schedule

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/taskgen/taskgen/internal/crontab"
)

// A When says when a job is due: made by [At], [In], [Every] or [Cron]. The zero
// When is none.
type When struct {
	at         time.Time
	in         time.Duration
	every      time.Duration
	cron, zone string
}

// At is once, at the given time, of the years 1 to 9999. A time that has passed: now.
func At(t time.Time) When { return When{at: t.Round(0)} }

// In is once, d after the call that schedules the job.
func In(d time.Duration) When { return When{in: max(d, 1)} }

// Every is again and again, d after the time before; the first time d after the
// call that schedules the job. Its times do not drift. d is at least a
// millisecond.
func Every(d time.Duration) When { return When{every: d} }

// Cron is again and again by a cron expression of five fields (minute hour day
// month weekday) or a descriptor (@daily, @every 90m), on the wall clock of the
// IANA time zone ("Europe/Berlin"); UTC where that is empty. Where day and
// weekday are both given, either is enough. L is the last day of the month.
//
// On the day in spring on which a named hour is left out it fires as much later;
// on the day in autumn that has it twice it fires the first time.
func Cron(expr, zone string) When { return When{cron: expr, zone: zone} }

// Recurring reports whether the job is due more than once.
func (w When) Recurring() bool { return w.cron != "" || w.every != 0 }

// IsZero reports whether w says nothing.
func (w When) IsZero() bool { return w == When{} }

// String is w as people read it.
func (w When) String() string {
	switch {
	case w.cron != "" && w.zone != "":
		return fmt.Sprintf("cron %q in %s", w.cron, w.zone)
	case w.cron != "":
		return fmt.Sprintf("cron %q in UTC", w.cron)
	case w.every != 0:
		return "every " + w.every.String()
	case w.in != 0:
		return "in " + w.in.String()
	case !w.at.IsZero():
		return "at " + w.at.Format(time.RFC3339Nano)
	}
	return "never"
}

// Equal reports whether two Whens mean the same.
func (w When) Equal(v When) bool {
	return w.at.Equal(v.at) && w.in == v.in && w.every == v.every && w.cron == v.cron && w.zone == v.zone
}

type whenJSON struct {
	At    *time.Time `json:"at,omitempty"`
	Every string     `json:"every,omitempty"`
	Cron  string     `json:"cron,omitempty"`
	Zone  string     `json:"zone,omitempty"`
}

// MarshalJSON writes w as an object with at, every, or cron and zone. A delay
// (In) has no form: it is a time once the job is scheduled.
func (w When) MarshalJSON() ([]byte, error) {
	j := whenJSON{Cron: w.cron, Zone: w.zone}
	if w.in != 0 {
		return nil, fmt.Errorf("taskgen: %q has no form in JSON: a delay becomes a time when the job is scheduled", w)
	}
	if !w.at.IsZero() {
		at := w.at.UTC()
		j.At = &at
	}
	if w.every != 0 {
		j.Every = w.every.String()
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (w *When) UnmarshalJSON(data []byte) error {
	var j whenJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	*w = When{cron: j.Cron, zone: j.Zone}
	if j.At != nil {
		w.at = *j.At
	}
	if j.Every != "" {
		d, err := time.ParseDuration(j.Every)
		if err != nil {
			return err
		}
		w.every = d
	}
	return nil
}

// minEvery is the shortest period of a job.
const minEvery = time.Millisecond

// fixed returns w with a delay made a time, or an error wrapping ErrInvalidJob.
func (w When) fixed(now time.Time) (When, error) {
	switch {
	case w.IsZero():
		return w, fmt.Errorf("%w: it does not say when: give it At, In, Every or Cron", ErrInvalidJob)
	case w.in != 0:
		w = At(now.Add(w.in))
	}
	if w.Recurring() {
		return w, w.checkRecurring()
	}
	// The times that have a form in RFC 3339: every store and queue takes them.
	if year := w.at.UTC().Year(); year < 1 || year > 9999 || w.at.IsZero() {
		return w, fmt.Errorf("%w: it is due outside of the years 1 to 9999", ErrInvalidJob)
	}
	return w, nil
}

// checkRecurring returns an error wrapping ErrInvalidJob where w has no times.
func (w When) checkRecurring() error {
	switch {
	case w.cron != "":
		if _, err := crontab.Parse(w.cron, w.zone); err != nil {
			return fmt.Errorf("%w: %w", ErrInvalidJob, err)
		}
	case w.every != 0 && w.every < minEvery:
		return fmt.Errorf("%w: it is due every %s, and at least %s must lie between", ErrInvalidJob, w.every, minEvery)
	}
	return nil
}

// timetable tells the times of w.
func (w When) timetable() (timetable, error) {
	if w.cron == "" {
		return timetable{when: w}, nil
	}
	c, err := crontab.Parse(w.cron, w.zone)
	if err != nil {
		return timetable{}, fmt.Errorf("%w: %w", ErrInvalidJob, err)
	}
	return timetable{when: w, cron: c}, nil
}

type timetable struct {
	when When
	cron crontab.Schedule
}

// first is the first time of a job that is scheduled now.
func (t timetable) first(now time.Time) time.Time {
	if t.when.Recurring() {
		return t.next(now.UTC())
	}
	return t.when.at.UTC()
}

// skip goes from one of its times on to the first one that is not before t, and returns
// how many it passed: of a cron expression 1 where there are any, for nobody counts
// those.
func (t timetable) skip(at, to time.Time) (time.Time, int64) {
	every := t.every()
	if !at.Before(to) {
		return at, 0
	}
	if every == 0 {
		return t.next(to.Add(-1)), 1
	}
	var passed int64
	for at.Before(to) {
		n := max(to.Sub(at)/every, 1)
		at, passed = at.Add(n*every), passed+int64(n)
	}
	return at, passed
}

// every is the period of an interval, and 0 for all else.
func (t timetable) every() time.Duration {
	if t.when.cron != "" {
		return t.cron.Every()
	}
	return t.when.every
}

// next is the time after one of its times; zero after the last.
func (t timetable) next(at time.Time) time.Time {
	switch {
	case t.when.every != 0:
		return at.Add(t.when.every)
	case t.when.cron != "":
		return t.cron.Next(at).UTC()
	}
	return time.Time{}
}
