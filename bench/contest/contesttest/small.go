// Package contesttest runs what a benchmark's program declares with few tasks, so
// that it is known to work before it is needed.
package contesttest

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/bench/contest"
)

// Small runs a contest with a handful of tasks, and looks whether every contender
// did whatever it can do.
func Small(t *testing.T, c contest.Contest) {
	t.Helper()
	const tasks = 60
	r, err := contest.Run(t.Context(), c, contest.Config{
		Rounds: 1, Tasks: tasks, Limit: time.Minute, Idle: 1, Delayed: 1, Quiet: true,
		Links: []time.Duration{0, time.Millisecond}, LinkStages: []contest.Stage{contest.Drain},
	})
	require.NoError(t, err)
	require.NotEmpty(t, r.Server)
	require.Equal(t, "taskgen", r.Links[0].Cases[0].Name)
	require.NoError(t, r.Show(&bytes.Buffer{}))
	require.NotEmpty(t, r.Goals)
	require.Len(t, r.Links, 2)
	for _, l := range r.Links {
		require.Len(t, l.Cases, len(c.Contenders))
		for i, got := range l.Cases {
			require.NotEmpty(t, got.Settings, got.Name)
			require.NotNil(t, got.Idle, got.Name)
			if c.Contenders[i].LatencyOnly {
				require.Empty(t, got.Rates, got.Name)
				continue
			}
			for _, stage := range contest.Stages {
				rate := got.Rates[stage]
				if l.RTT > 0 && stage != contest.Drain || rate == nil && stage == contest.Batches {
					continue
				}
				require.NotNil(t, rate, "%s: %s", got.Name, stage)
				require.Positive(t, rate.Min, "%s: %s", got.Name, stage)
				if l.RTT == 0 {
					require.GreaterOrEqual(t, rate.Tasks, tasks, "%s: %s: all of them were done", got.Name, stage)
				}
			}
		}
	}
}
