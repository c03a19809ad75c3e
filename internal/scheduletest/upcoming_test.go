package scheduletest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/schedule"
)

func TestUpcomingTimesAreThoseAtWhichAJobFires(t *testing.T) {
	for name, job := range map[string]schedule.Job{
		"every": {When: schedule.Every(time.Hour)}, "every, with jitter": {When: schedule.Every(time.Hour), Jitter: 50 * time.Minute},
		"cron": {When: schedule.Cron("*/20 * * * *", "Europe/Berlin")}, "cron, with jitter": {When: schedule.Cron("@hourly", ""), Jitter: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, schedule.Config{})
			id := d.schedule(job)
			st := d.status(id)
			upcoming, err := st.Upcoming(5)
			require.NoError(t, err)
			require.Len(t, upcoming, 5)
			for i, at := range upcoming {
				require.True(t, at.Equal(d.status(id).Next), "firing %d: %s, not %s", i, d.status(id).Next, at)
				d.clock.Advance(at.Sub(d.clock.Now()) - 1)
				require.Zero(t, d.fire(), "firing %d", i)
				d.clock.Advance(1)
				require.Equal(t, 1, d.fire(), "firing %d", i)
			}
		})
	}
}

func TestAJobIsUpcomingAsOftenAsItIsDue(t *testing.T) {
	d := newDesk(t, schedule.Config{})
	id := d.schedule(schedule.Job{When: schedule.In(time.Minute)})
	st := d.status(id)
	for n, want := range map[int][]time.Time{-1: nil, 0: nil, 1: {noon.Add(time.Minute)}, 9: {noon.Add(time.Minute)}} {
		upcoming, err := st.Upcoming(n)
		require.NoError(t, err)
		assert.Equal(t, want, upcoming, n)
	}
	require.NoError(t, d.s.Cancel(ctx, id))
	st = d.status(id)
	upcoming, err := st.Upcoming(9)
	require.NoError(t, err)
	assert.Empty(t, upcoming)
}

func TestUpcomingTimesOfAnotherSchedulerCountFromNext(t *testing.T) {
	st := schedule.Status{Job: schedule.Job{When: schedule.Every(time.Hour), Jitter: time.Minute}, Next: noon}
	upcoming, err := st.Upcoming(2)
	require.NoError(t, err)
	assert.Equal(t, []time.Time{noon, noon.Add(time.Hour)}, upcoming)
	st.When = schedule.Cron("@daily", "Mars/Olympus")
	_, err = st.Upcoming(2)
	require.ErrorIs(t, err, schedule.ErrInvalidJob)
}
