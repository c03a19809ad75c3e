package crontab

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The table of daylight saving time: what a wall clock shows around the days
// on which it is changed.
func TestClockChanges(t *testing.T) {
	for _, c := range []struct {
		name, expr, zone, from string
		want                   []string
	}{
		{"Berlin, spring: the hour that is left out fires after the gap", "30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00+01:00", []string{"2026-03-28T02:30:00+01:00", "2026-03-29T03:30:00+02:00", "2026-03-30T02:30:00+02:00"}},
		{"Berlin, autumn: the hour that comes twice fires once", "30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00+02:00", []string{"2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"}},
		{"New York, spring", "30 2 * * *", "America/New_York", "2026-03-07T12:00:00-05:00", []string{"2026-03-08T03:30:00-04:00", "2026-03-09T02:30:00-04:00"}},
		{"New York, autumn", "30 1 * * *", "America/New_York", "2026-10-31T12:00:00-04:00", []string{"2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00"}},
		{"Lord Howe, spring: half an hour is left out", "15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00+10:30", []string{"2026-10-04T02:45:00+11:00", "2026-10-05T02:15:00+11:00"}},
		{"Lord Howe, autumn: half an hour comes twice", "45 1 * * *", "Australia/Lord_Howe", "2026-04-04T12:00:00+11:00", []string{"2026-04-05T01:45:00+11:00", "2026-04-06T01:45:00+10:30"}},
		{"every hour, spring", "0 * * * *", "Europe/Berlin", "2026-03-29T00:30:00+01:00", []string{"2026-03-29T01:00:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-29T04:00:00+02:00"}},
		{"every hour, autumn: the hour that comes twice fires twice", "0 * * * *", "Europe/Berlin", "2026-10-25T01:30:00+02:00", []string{"2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00", "2026-10-25T03:00:00+01:00"}},
		{"two hours, spring: the second fires once", "30 2,3 * * *", "Europe/Berlin", "2026-03-28T12:00:00+01:00", []string{"2026-03-29T03:30:00+02:00", "2026-03-30T02:30:00+02:00", "2026-03-30T03:30:00+02:00"}},
		{"within the hour that comes twice", "30 2 * * *", "Europe/Berlin", "2026-10-25T02:45:00+02:00", []string{"2026-10-26T02:30:00+01:00"}},
		{"Berlin, spring: every second hour leaves out the one that is left out", "0 */2 * * *", "Europe/Berlin", "2026-03-28T23:00:00+01:00", []string{"2026-03-29T00:00:00+01:00", "2026-03-29T04:00:00+02:00", "2026-03-29T06:00:00+02:00"}},
		{"Berlin, autumn: every second hour has the one that comes twice twice", "0 */2 * * *", "Europe/Berlin", "2026-10-24T23:00:00+02:00", []string{"2026-10-25T00:00:00+02:00", "2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00", "2026-10-25T04:00:00+01:00"}},
		{"Berlin, spring: every 20 minutes", "*/20 * * * *", "Europe/Berlin", "2026-03-29T01:30:00+01:00", []string{"2026-03-29T01:40:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-29T03:20:00+02:00"}},
		{"Berlin, autumn: every 20 minutes", "*/20 * * * *", "Europe/Berlin", "2026-10-25T02:30:00+02:00", []string{"2026-10-25T02:40:00+02:00", "2026-10-25T02:00:00+01:00", "2026-10-25T02:20:00+01:00"}},
		{"Berlin, spring: some minutes of the hour that is left out", "*/20 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00+01:00", []string{"2026-03-29T03:00:00+02:00", "2026-03-29T03:20:00+02:00", "2026-03-29T03:40:00+02:00", "2026-03-30T02:00:00+02:00"}},
		{"Berlin, autumn: some minutes of the hour that comes twice", "*/20 2 * * *", "Europe/Berlin", "2026-10-25T02:10:00+02:00", []string{"2026-10-25T02:20:00+02:00", "2026-10-25T02:40:00+02:00", "2026-10-26T02:00:00+01:00"}},
		{"Berlin, spring: a range", "30 1-3 * * *", "Europe/Berlin", "2026-03-29T00:00:00+01:00", []string{"2026-03-29T01:30:00+01:00", "2026-03-29T03:30:00+02:00", "2026-03-30T01:30:00+02:00"}},
		{"Berlin, autumn: a range", "30 1-3 * * *", "Europe/Berlin", "2026-10-25T00:00:00+02:00", []string{"2026-10-25T01:30:00+02:00", "2026-10-25T02:30:00+02:00", "2026-10-25T03:30:00+01:00"}},
		{"Berlin, spring: a range with steps names its hours", "0 0-23/2 * * *", "Europe/Berlin", "2026-03-28T23:00:00+01:00", []string{"2026-03-29T00:00:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-29T04:00:00+02:00"}},
		{"Berlin, autumn: a range with steps names its hours", "0 0-23/2 * * *", "Europe/Berlin", "2026-10-24T23:00:00+02:00", []string{"2026-10-25T00:00:00+02:00", "2026-10-25T02:00:00+02:00", "2026-10-25T04:00:00+01:00"}},
		{"Berlin, spring: a wildcard in a list is one", "0 3,*/2 * * *", "Europe/Berlin", "2026-03-28T23:00:00+01:00", []string{"2026-03-29T00:00:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-29T04:00:00+02:00"}},
		{"Berlin, autumn: a wildcard in a list is one", "0 1,*/2 * * *", "Europe/Berlin", "2026-10-25T00:30:00+02:00", []string{"2026-10-25T01:00:00+02:00", "2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00", "2026-10-25T04:00:00+01:00"}},
		{"New York, spring: every third hour", "0 */3 * * *", "America/New_York", "2026-03-07T23:00:00-05:00", []string{"2026-03-08T00:00:00-05:00", "2026-03-08T03:00:00-04:00", "2026-03-08T06:00:00-04:00"}},
		{"New York, spring: every second hour", "30 */2 * * *", "America/New_York", "2026-03-07T23:00:00-05:00", []string{"2026-03-08T00:30:00-05:00", "2026-03-08T04:30:00-04:00"}},
		{"New York, autumn: every hour", "0 * * * *", "America/New_York", "2026-11-01T00:30:00-04:00", []string{"2026-11-01T01:00:00-04:00", "2026-11-01T01:00:00-05:00", "2026-11-01T02:00:00-05:00"}},
		{"New York, autumn: a range", "15,45 0-1 * * *", "America/New_York", "2026-11-01T00:30:00-04:00", []string{"2026-11-01T00:45:00-04:00", "2026-11-01T01:15:00-04:00", "2026-11-01T01:45:00-04:00", "2026-11-02T00:15:00-05:00"}},
		{"Lord Howe, spring: what is left out comes after what is not", "10,35 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00+10:30", []string{"2026-10-04T02:35:00+11:00", "2026-10-04T02:40:00+11:00", "2026-10-05T02:10:00+11:00"}},
		{"Lord Howe, spring: a range", "0 1-3 * * *", "Australia/Lord_Howe", "2026-10-04T00:00:00+10:30", []string{"2026-10-04T01:00:00+10:30", "2026-10-04T02:30:00+11:00", "2026-10-04T03:00:00+11:00"}},
		{"Lord Howe, autumn: a range", "45 1-2 * * *", "Australia/Lord_Howe", "2026-04-05T00:00:00+11:00", []string{"2026-04-05T01:45:00+11:00", "2026-04-05T02:45:00+10:30", "2026-04-06T01:45:00+10:30"}},
		{"Lord Howe, spring: every second hour", "0 */2 * * *", "Australia/Lord_Howe", "2026-10-03T23:00:00+10:30", []string{"2026-10-04T00:00:00+10:30", "2026-10-04T04:00:00+11:00"}},
		{"Lord Howe, autumn: every second hour", "0 */2 * * *", "Australia/Lord_Howe", "2026-04-04T23:00:00+11:00", []string{"2026-04-05T00:00:00+11:00", "2026-04-05T02:00:00+10:30", "2026-04-05T04:00:00+10:30"}},
		{"Lord Howe, spring: every 20 minutes", "*/20 * * * *", "Australia/Lord_Howe", "2026-10-04T01:30:00+10:30", []string{"2026-10-04T01:40:00+10:30", "2026-10-04T02:40:00+11:00", "2026-10-04T03:00:00+11:00"}},
		{"Lord Howe, autumn: every 20 minutes", "*/20 * * * *", "Australia/Lord_Howe", "2026-04-05T01:30:00+11:00", []string{"2026-04-05T01:40:00+11:00", "2026-04-05T01:40:00+10:30", "2026-04-05T02:00:00+10:30"}},
		{"Sao Paulo, spring: midnight is left out", "0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00:00-03:00", []string{"2018-11-04T01:00:00-02:00", "2018-11-05T00:00:00-02:00"}},
		{"Sao Paulo, spring: midnight of a weekday", "30 0 * * sun", "America/Sao_Paulo", "2018-11-03T12:00:00-03:00", []string{"2018-11-04T01:30:00-02:00", "2018-11-11T00:30:00-02:00"}},
		{"Sao Paulo, spring: every second hour", "0 */2 * * *", "America/Sao_Paulo", "2018-11-03T21:00:00-03:00", []string{"2018-11-03T22:00:00-03:00", "2018-11-04T02:00:00-02:00"}},
		{"Sao Paulo, spring: every 20 minutes of a day", "*/20 * 4 * *", "America/Sao_Paulo", "2018-11-03T12:00:00-03:00", []string{"2018-11-04T01:00:00-02:00", "2018-11-04T01:20:00-02:00"}},
		{"Sao Paulo, autumn: midnight becomes eleven", "30 23 * * *", "America/Sao_Paulo", "2019-02-16T12:00:00-02:00", []string{"2019-02-16T23:30:00-02:00", "2019-02-17T23:30:00-03:00"}},
		{"Sao Paulo, autumn: midnight comes once", "0 0 * * *", "America/Sao_Paulo", "2019-02-16T12:00:00-02:00", []string{"2019-02-17T00:00:00-03:00", "2019-02-18T00:00:00-03:00"}},
		{"Sao Paulo, autumn: every hour", "0 * * * *", "America/Sao_Paulo", "2019-02-16T22:30:00-02:00", []string{"2019-02-16T23:00:00-02:00", "2019-02-16T23:00:00-03:00", "2019-02-17T00:00:00-03:00"}},
		{"Sao Paulo, autumn: a range", "0 22-23 * * *", "America/Sao_Paulo", "2019-02-16T22:30:00-02:00", []string{"2019-02-16T23:00:00-02:00", "2019-02-17T22:00:00-03:00"}},
		{"Apia: a whole day is left out", "30 2 30 12 *", "Pacific/Apia", "2011-12-29T12:00:00-10:00", []string{"2011-12-31T02:30:00+14:00", "2012-12-30T02:30:00+14:00"}},
		{"UTC has no such days", "30 2 * * *", "UTC", "2026-03-28T12:00:00Z", []string{"2026-03-29T02:30:00Z", "2026-03-30T02:30:00Z"}},
		{"no zone is UTC", "@daily", "", "2026-03-28T12:00:00Z", []string{"2026-03-29T00:00:00Z", "2026-03-30T00:00:00Z"}},
		{"@daily in a zone", "@daily", "Asia/Tokyo", "2026-03-28T12:00:00Z", []string{"2026-03-28T15:00:00Z", "2026-03-29T15:00:00Z"}},
		{"@every counts from the time before", "@every 90m", "Europe/Berlin", "2026-03-29T00:30:20.5+01:00", []string{"2026-03-29T03:00:20.5+02:00", "2026-03-29T04:30:20.5+02:00"}},
		{"the last day of the month", "0 9 L * *", "UTC", "2026-01-31T10:00:00Z", []string{"2026-02-28T09:00:00Z", "2026-03-31T09:00:00Z", "2026-04-30T09:00:00Z"}},
		{"the last Friday", "0 9 * * fri#L", "UTC", "2026-01-01T00:00:00Z", []string{"2026-01-30T09:00:00Z", "2026-02-27T09:00:00Z"}},
		{"day or weekday", "0 0 13 * 5", "UTC", "2026-02-01T00:00:00Z", []string{"2026-02-06T00:00:00Z", "2026-02-13T00:00:00Z", "2026-02-20T00:00:00Z"}},
		{"a leap day", "0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", []string{"2028-02-29T00:00:00Z"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := Parse(c.expr, c.zone)
			require.NoError(t, err)
			at, err := time.Parse(time.RFC3339Nano, c.from)
			require.NoError(t, err)
			for _, text := range c.want {
				want, err := time.Parse(time.RFC3339Nano, text)
				require.NoError(t, err)
				at = s.Next(at)
				require.True(t, want.Equal(at), "want %s, got %s", want, at)
			}
		})
	}
}

// Minute by minute, against the rule: a wildcard for the hour is due at what clocks
// show, and named hours at what they show first, or would show had they not been put
// forward.
func TestClockChangesMinuteByMinute(t *testing.T) {
	for _, zone := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Africa/Cairo", "Africa/Casablanca", "Antarctica/Troll", "Asia/Kathmandu"} {
		loc, err := Zone(zone)
		require.NoError(t, err)
		var days []time.Time // on which clocks are changed; any day where they never are
		for _, end := time.Date(2026, 1, 1, 0, 0, 0, 0, loc).ZoneBounds(); !end.IsZero() && end.Year() == 2026; _, end = end.ZoneBounds() {
			days = append(days, end)
		}
		days = append(days, time.Date(2026, 7, 1, 0, 0, 0, 0, loc))
		for _, c := range []struct {
			expr string
			due  func(hour, minute int) bool
		}{
			{"*/7 * * * *", func(_, m int) bool { return m%7 == 0 }},
			{"0,45 */2 * * *", func(h, m int) bool { return h%2 == 0 && m%45 == 0 }},
			{"*/25 0-3,23 * * *", func(h, m int) bool { return (h <= 3 || h == 23) && m%25 == 0 }},
			{"10,35 2 * * *", func(h, m int) bool { return h == 2 && (m == 10 || m == 35) }},
			{"30 0 * * *", func(h, m int) bool { return h == 0 && m == 30 }},
		} {
			s, err := Parse(c.expr, zone)
			require.NoError(t, err)
			for _, day := range days {
				var want []time.Time
				from, to := day.Add(-6*time.Hour), day.Add(6*time.Hour)
				before := offset(day.Add(-1))
				for at := from.Add(time.Minute); at.Before(to); at = at.Add(time.Minute) {
					due := c.due(at.Hour(), at.Minute())
					if !s.hours && !at.Before(day) {
						old := at.UTC().Add(before) // what clocks would show
						shown := at.Sub(day) >= offset(day)-before
						again := at.Sub(day) < before-offset(day)
						due = due && !again || !shown && c.due(old.Hour(), old.Minute())
					}
					if due {
						want = append(want, at)
					}
				}
				var got []time.Time
				for at := s.Next(from); at.Before(to); at = s.Next(at) {
					got = append(got, at)
				}
				require.Equal(t, want, got, "%s in %s, %s", c.expr, zone, day)
				for at, i := from, 0; i < len(want); at = at.Add(time.Minute) {
					require.True(t, want[i].Equal(s.Next(at)), "%s in %s after %s", c.expr, zone, at)
					if !at.Add(time.Minute).Before(want[i]) {
						i++
					}
				}
			}
		}
	}
}

func TestAMachineWithoutTimeZonesSaysSo(t *testing.T) {
	bare := func(name string) (*time.Location, error) {
		if name == "" || name == "UTC" {
			return time.UTC, nil
		}
		return nil, errors.New("unknown time zone " + name)
	}
	_, err := zone("Europe/Berlin", bare)
	require.ErrorIs(t, err, ErrZone)
	require.ErrorContains(t, err, `"Europe/Berlin"`)
	require.ErrorContains(t, err, "tzdata")
	_, err = zone("", bare)
	require.NoError(t, err)
}

func TestParseSaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		expr, zone string
		want       error
		text       string
	}{
		{"0 0 30 2 *", "", ErrNever, `cron="0 0 30 2 *" never fires`},
		{"@daily", "Europe/Nowhere", ErrZone, `unknown time zone "Europe/Nowhere"`},
		{"@daily", "Local", ErrZone, `unknown time zone "Local"`},
		{"TZ=UTC", "", ErrZoneInExpression, `cron="TZ=UTC" holds a time zone`},
		{"CRON_TZ=UTC @daily", "", ErrZoneInExpression, "give the zone on its own"},
		{"", "", nil, `cron=""`},
		{"* * * *", "", nil, "5"},
		{"61 * * * *", "", nil, "61"},
		{"@every -1s", "", nil, "@every"},
		{"@every 1ms", "", nil, "@every"},
	} {
		_, err := Parse(c.expr, c.zone)
		require.Error(t, err, "%q in %q", c.expr, c.zone)
		require.ErrorContains(t, err, c.text)
		if c.want != nil {
			require.ErrorIs(t, err, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"* * * * *", "@daily", "TZ=UTC", "0 9 L * 5#2", "@every 1h", "1-5/2,7 * 29 2 mon-fri"} {
		f.Add(s, "")
	}
	f.Fuzz(func(t *testing.T, expr, zone string) {
		s, err := Parse(expr, zone)
		if err != nil {
			return
		}
		at := searchStart
		for range 3 {
			next := s.Next(at)
			require.True(t, next.After(at) || next.IsZero(), "%s comes after %s", next, at)
			if next.IsZero() {
				return
			}
			at = next
		}
	})
}
