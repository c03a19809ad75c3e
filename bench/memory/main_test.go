package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestASmallRunFillsTheWholeResult(t *testing.T) {
	out := filepath.Join(t.TempDir(), "memory.json")
	require.NoError(t, run(config{tasks: 1_003, batch: 10, rounds: 3, workers: 2, out: out}))
	data, err := os.ReadFile(out)
	require.NoError(t, err)
	var r Result
	require.NoError(t, json.Unmarshal(data, &r))
	require.Len(t, r.Cases, len(cases))
	for _, c := range r.Cases {
		require.Positive(t, c.TasksPerSecond.Min, c.Name)
		require.Positive(t, c.AllocsPerTask, c.Name)
	}
	require.Len(t, r.Goals, 4)
}

func TestTooFewRoundsAreRefused(t *testing.T) {
	require.ErrorContains(t, run(config{tasks: 1, batch: 1, rounds: 2, workers: 1}), "at least 3 rounds")
}
