// Package crontab reads cron expressions, for the generator that checks them and the
// scheduler that follows them: both must mean the same.
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
	hours bool          // the hour is a wildcard: the clocks alone count
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

// Every is the period of @every, and 0 for all others.
func (s Schedule) Every() time.Duration { return s.every }

// Zone loads a time zone by its IANA name; UTC when it is empty. "Local" is none:
// it would mean another time on each machine. The error wraps ErrZone.
func Zone(name string) (*time.Location, error) { return zone(name, time.LoadLocation) }

// zone is Zone on a machine that loads zones by load.
func zone(name string, load func(string) (*time.Location, error)) (*time.Location, error) {
	loc, err := load(name)
	if err == nil && name != "Local" {
		return loc, nil
	}
	if _, err := load("Europe/London"); err != nil {
		return nil, fmt.Errorf("%w %q: this machine has no time zone database: install the package tzdata, or have the program import time/tzdata", ErrZone, name)
	}
	return nil, fmt.Errorf("%w %q", ErrZone, name)
}

// Next is the first time after t at which the schedule is due, in its zone, or zero
// when there is none.
//
// It is due whenever the clocks of the zone show a time that the expression names.
// Where they are changed the hour decides. An expression that names its hours, by
// numbers or ranges, misses no firing and repeats none: a time that the change
// leaves out is due as much later as the clocks are put forward, and of a time that
// is shown twice the first counts. One with a wildcard for the hour (*, */2) goes by
// the clocks alone: a time that is left out is not due, and one that is shown twice
// is due twice.
func (s Schedule) Next(t time.Time) time.Time {
	if s.every > 0 {
		return t.Add(s.every)
	}
	for span := t.In(s.zone); ; {
		at, ok := s.nextInSpan(span, t)
		if ok || at.IsZero() {
			return at
		}
		span, t = at, at.Add(-1) // the change may be due itself
	}
}

// nextInSpan is Next within the span around a time in which the clocks of its zone are
// not changed. Where nothing is due in it ok is false, and at is its end, or zero when
// there is nothing later either.
func (s Schedule) nextInSpan(span, t time.Time) (at time.Time, ok bool) {
	start, end := span.ZoneBounds()
	now := offset(span)
	from, late := t, time.Time{}
	if !s.hours && !start.IsZero() {
		before := offset(start.Add(-1))
		// Clocks that were put back show again what they showed already.
		if again := start.Add(before - now); from.Before(again) {
			from = again.Add(-1)
		}
		// Clocks that were put forward left out what is due as much later.
		if left := start.Add(now - before); t.Before(left) {
			late = s.nextAt(t, before)
			if !late.Before(left) {
				late = time.Time{}
			}
		}
	}
	at = s.nextAt(from, now)
	if !late.IsZero() && (at.IsZero() || late.Before(at)) {
		at = late
	}
	if !at.IsZero() && !end.IsZero() && !at.Before(end) {
		return end, false
	}
	return at, !at.IsZero()
}

// nextAt is Next in a zone whose clocks are always ahead of UTC by offset.
func (s Schedule) nextAt(t time.Time, offset time.Duration) time.Time {
	wall := s.spec.Next(t.UTC().Add(offset))
	if wall.IsZero() {
		return wall
	}
	return wall.Add(-offset).In(s.zone)
}

// offset is how much the clocks of t's zone are ahead of UTC at t.
func offset(t time.Time) time.Duration {
	_, seconds := t.Zone()
	return time.Duration(seconds) * time.Second
}

// anyHour reports whether the hour of an expression is a wildcard.
func anyHour(expr string) bool {
	if fields := strings.Fields(expr); len(fields) == 5 {
		return strings.ContainsAny(fields[1], "*?")
	}
	return expr == "@hourly"
}
