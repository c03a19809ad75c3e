// Package crontab reads cron expressions, for the generator that checks them and
// the scheduler that goes by them: both must mean the same.
package crontab

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/netresearch/go-cron"
)

// parser reads five fields or a descriptor (@daily, @every 1h30m). Where day and
// weekday are both given either is enough, as in Vixie cron. L is the last day of
// the month, fri#L the last Friday in it, mon#2 the second Monday.
var parser = cron.MustNewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow |
	cron.Descriptor | cron.DowOrDom | cron.DomL | cron.DowLast | cron.DowNth)

// The errors of Parse.
var (
	// ErrZone: there is no such time zone.
	ErrZone = errors.New("unknown time zone")
	// ErrNever: the expression is right, and names no day that there is.
	ErrNever = errors.New("never fires")
	// ErrZoneInExpression: the zone stands in the expression.
	ErrZoneInExpression = errors.New("holds a time zone")
)

// A Schedule tells when something is due.
type Schedule struct {
	spec  cron.Schedule
	every time.Duration // of @every; 0 on all others
	hours bool          // the hour is a wildcard: hours are counted as they pass
	zone  *time.Location
}

// searchStart is where the search for a first firing begins: what is an error
// must not depend on today's date. A leap year, so that it sees a 29 February.
var searchStart = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

// Parse reads an expression whose fields are wall clock times in the given IANA
// zone ("Europe/Berlin"); UTC when it is empty. The error wraps ErrZone, ErrNever
// or ErrZoneInExpression, or says which field is wrong.
func Parse(expr, zone string) (Schedule, error) {
	if strings.HasPrefix(expr, "TZ=") || strings.HasPrefix(expr, "CRON_TZ=") {
		return Schedule{}, fmt.Errorf("cron=%q %w: give the zone on its own", expr, ErrZoneInExpression)
	}
	loc, err := Zone(zone)
	if err != nil {
		return Schedule{}, err
	}
	spec, err := parser.Parse(expr)
	if err != nil {
		return Schedule{}, fmt.Errorf("cron=%q: %w", expr, err)
	}
	s := Schedule{spec: spec, zone: loc, hours: anyHour(expr)}
	if constant, ok := spec.(cron.ConstantDelaySchedule); ok {
		s.every = constant.Delay
	}
	if s.Next(searchStart).IsZero() {
		return Schedule{}, fmt.Errorf("cron=%q %w", expr, ErrNever)
	}
	return s, nil
}

// Zone loads a time zone by its IANA name; UTC when it is empty. "Local" is none:
// it would mean another time on each machine. The error wraps ErrZone.
func Zone(name string) (*time.Location, error) {
	loc, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return nil, fmt.Errorf("%w %q", ErrZone, name)
	}
	return loc, nil
}

// Next is the first time after t at which the schedule is due, or zero when there
// is none. An expression that names its hours goes by the wall clock, as Vixie
// cron does: a time that the zone leaves out in spring is due as much later as the
// clock is put forward, and one that it has twice in autumn is due the first
// time. One with a wildcard for the hour goes by the hours that pass.
func (s Schedule) Next(t time.Time) time.Time {
	switch {
	case s.every > 0:
		return t.Add(s.every)
	case s.hours:
		return s.spec.Next(t.In(s.zone))
	}
	// The search is for what a wall clock shows, in a zone that never changes.
	for wall := wallClock(t.In(s.zone)); ; {
		wall = s.spec.Next(wall)
		if wall.IsZero() {
			return wall
		}
		if at := s.resolve(wall); at.After(t) {
			return at
		}
	}
}

// anyHour reports whether the hour of an expression is a wildcard.
func anyHour(expr string) bool {
	if fields := strings.Fields(expr); len(fields) == 5 {
		return strings.HasPrefix(fields[1], "*") || fields[1] == "?"
	}
	return expr == "@hourly"
}

// wallClock is what a clock on the wall shows, as a time in UTC.
func wallClock(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// resolve is when the zone's clocks first show wall, or, where they never do,
// when they would if they had not been put forward.
func (s Schedule) resolve(wall time.Time) time.Time {
	const day = 24 * time.Hour // the clocks of a zone are changed less often
	var before time.Time
	for i, near := range [...]time.Time{wall.Add(-day), wall.Add(day)} {
		_, offset := near.In(s.zone).Zone()
		at := wall.Add(-time.Duration(offset) * time.Second).In(s.zone)
		if wallClock(at).Equal(wall) {
			return at
		}
		if i == 0 {
			before = at
		}
	}
	return before
}
