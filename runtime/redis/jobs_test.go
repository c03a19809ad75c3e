package redis

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/drivertest/jobstoretest"
	"github.com/taskgen/taskgen/runtime/schedule"
	"github.com/taskgen/taskgen/runtime/schedule/jobstore"
)

func TestJobsKeepTheContractOfAStore(t *testing.T) {
	jobstoretest.Run(t, func(tb testing.TB) jobstoretest.Place {
		url := sharedURL(tb)
		c := admin(tb, url)
		return jobstoretest.Place{
			Open: func() schedule.Store { return open(tb, url).Jobs() },
			Now: func() time.Time {
				now, err := c.Time(within(tb)).Result()
				require.NoError(tb, err)
				return now
			},
			Pass: func(d time.Duration) { <-time.After(d + time.Millisecond) },
		}
	})
}

func anything(jobstore.Needs) bool { return true }

// workJobs does everything with jobs that can be done, and leaves none.
func workJobs(t *testing.T, p *Provider) {
	s, ctx := p.Jobs(), within(t)
	past := time.Now().Add(-time.Hour)
	e := &schedule.Entry{ID: "a", Owner: "me", Wake: past, Body: jobstore.Body{When: schedule.At(past), Task: task("a")}}
	require.NoError(t, s.Put(ctx, e))
	require.NoError(t, s.Note(ctx, "a", schedule.Run{TaskID: "t"}))
	s.Wait(ctx, anything, time.Minute) // it is due
	_, err := s.Now(ctx)
	require.NoError(t, err)
	due, _, _, err := s.Claim(ctx, anything, 10, time.Minute)
	require.NoError(t, err)
	require.Len(t, due, 1)
	for _, owner := range []string{"", "me"} {
		page, err := s.List(ctx, owner, "", 10)
		require.NoError(t, err)
		require.Len(t, page, 1)
	}
	_, err = s.Get(ctx, "a")
	require.NoError(t, err)
	// News of what another process can fire are given on.
	theirs := &schedule.Entry{ID: "b", Wake: past, Body: jobstore.Body{When: schedule.At(past), Task: task("b")}}
	theirs.Task.Queue = "theirs"
	require.NoError(t, s.Put(ctx, theirs))
	s.Wait(ctx, anything, time.Minute)
	none, _, _, err := s.Claim(ctx, func(n jobstore.Needs) bool { return n.Queue != "theirs" }, 10, time.Minute)
	require.NoError(t, err)
	require.Empty(t, none)
	theirs.Wake, theirs.Forget = time.Time{}, past
	require.NoError(t, s.Put(ctx, theirs))
	due[0].Wake, due[0].Forget = time.Time{}, past
	require.NoError(t, s.Settle(ctx, due))
	due, _, _, err = s.Claim(ctx, anything, 10, time.Minute)
	require.NoError(t, err)
	require.Empty(t, due)
}

func TestForgottenJobsLeaveNoKeyBehind(t *testing.T) {
	url := sharedURL(t)
	p := open(t, url)
	workJobs(t, p)
	keys, err := admin(t, url).Keys(within(t), "{"+p.prefix+"}:jobs:*").Result()
	require.NoError(t, err)
	require.Empty(t, keys)
}
