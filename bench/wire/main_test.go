package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/bench/contest"
)

func TestASmallRunMeasuresBothWays(t *testing.T) {
	folder := t.TempDir()
	var out bytes.Buffer
	stages := []contest.Stage{contest.Batches, contest.Drain, contest.BatchFlow}
	require.NoError(t, run(t.Context(), contest.Config{Rounds: 3, Tasks: 400, Limit: time.Minute, Quiet: true, Stages: stages, Links: []time.Duration{0}}, "", folder, &out))
	for _, p := range providers {
		data, err := os.ReadFile(filepath.Join(folder, "wire-"+p.name+".json"))
		require.NoError(t, err)
		var r contest.Result
		require.NoError(t, json.Unmarshal(data, &r))
		require.Len(t, r.Links, 1)
		require.Len(t, r.Links[0].Cases, 2)
		for _, c := range r.Links[0].Cases {
			for _, stage := range stages {
				rate := c.Rates[stage]
				require.NotNil(t, rate, "%s: %s: %s", p.name, c.Name, stage)
				require.Equal(t, 400, rate.Tasks, "%s: %s: %s", p.name, c.Name, stage)
			}
		}
		require.Len(t, r.Goals, map[bool]int{true: 1}[p.goal > 0])
	}
}

func TestWhatCannotBeMeasuredIsAnError(t *testing.T) {
	require.ErrorContains(t, run(t.Context(), contest.Config{Rounds: 2, Tasks: 1, Limit: time.Second}, "", "", &bytes.Buffer{}), "at least 3 rounds")
	require.ErrorContains(t, run(t.Context(), contest.Config{Rounds: 3, Tasks: 1, Limit: time.Second}, "kafka", "", &bytes.Buffer{}), "kafka")
}
