package crontab

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The table of daylight saving time: what a wall clock shows in three zones
// around the days on which it is changed.
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
