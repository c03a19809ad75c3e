package schedule

import (
	"fmt"
	"time"

	"github.com/taskgen/taskgen/internal/crontab"
)

// At means once, at the given time, in the years 1 to 9999. A time in the past means now.
func At(t time.Time) When { return When{At: t.Round(0)} }

// In means once, d after the call that schedules the job.
func In(d time.Duration) When { return When{In: max(d, 1)} }

// Every means repeatedly, d after the previous time; the first time is d after the call
// that schedules the job. The times do not drift. d is at least a millisecond.
func Every(d time.Duration) When { return When{Every: d} }

// Cron means repeatedly, by a cron expression of five fields (minute hour day month
// weekday) or a descriptor (@daily, @every 90m), on the wall clock of the IANA time zone
// ("Europe/Berlin"); UTC if zone is empty. If day and weekday are both given, either is
// enough. L is the last day of the month.
//
// If a named hour does not exist on a day in spring the job fires later by the skipped
// time; if an hour occurs twice on a day in autumn it fires the first time.
func Cron(expr, zone string) When { return When{Cron: expr, Zone: zone} }

// minEvery is the shortest period of a job.
const minEvery = time.Millisecond

// fixed returns w with a delay turned into a time, or an error wrapping ErrInvalidJob.
func resolveWhen(w When, now time.Time) (When, error) {
	switch {
	case w.IsZero():
		return w, fmt.Errorf("%w: it has no When: give it At, In, Every or Cron", ErrInvalidJob)
	case w.In != 0:
		w = At(now.Add(w.In))
	}
	if w.Recurring() {
		return w, checkRecurring(w)
	}
	// The times that RFC 3339 can express: every store and queue takes them.
	if year := w.At.UTC().Year(); year < 1 || year > 9999 || w.At.IsZero() {
		return w, fmt.Errorf("%w: it is due outside of the years 1 to 9999", ErrInvalidJob)
	}
	return w, nil
}

// checkRecurring returns an error wrapping ErrInvalidJob if w has no times.
func checkRecurring(w When) error {
	switch {
	case w.Cron != "":
		if _, err := crontab.Parse(w.Cron, w.Zone); err != nil {
			return fmt.Errorf("%w: %w", ErrInvalidJob, err)
		}
	case w.Every != 0 && w.Every < minEvery:
		return fmt.Errorf("%w: it is due every %s, and the shortest interval is %s", ErrInvalidJob, w.Every, minEvery)
	}
	return nil
}

// timetableOf returns the times of w.
func timetableOf(w When) (timetable, error) {
	if w.Cron == "" {
		return timetable{when: w}, nil
	}
	c, err := crontab.Parse(w.Cron, w.Zone)
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
	return t.when.At.UTC()
}

// skip advances from one of its times to the first one that is not before to, and returns
// how many it passed. For a cron expression it returns 1 if there are any: they are not
// counted.
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

// every is the period of an interval, otherwise 0.
func (t timetable) every() time.Duration {
	if t.when.Cron != "" {
		return t.cron.Every()
	}
	return t.when.Every
}

// next is the time after one of its times; zero after the last.
func (t timetable) next(at time.Time) time.Time {
	switch {
	case t.when.Every != 0:
		return at.Add(t.when.Every)
	case t.when.Cron != "":
		return t.cron.Next(at).UTC()
	}
	return time.Time{}
}
