package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestASmallRunFillsTheWholeResult(t *testing.T) {
	out := filepath.Join(t.TempDir(), "generator.json")
	require.NoError(t, run(t.Context(), config{tasks: 2, rounds: 2, coldRounds: 1, out: out}))
	data, err := os.ReadFile(out)
	require.NoError(t, err)
	var r Result
	require.NoError(t, json.Unmarshal(data, &r))
	require.Equal(t, 2, r.Tasks)
	require.Greater(t, r.GeneratedLines, 100)
	require.Len(t, r.Cases, 3)
	for i, name := range []string{"warm", "edited", "cold"} {
		c := r.Cases[i]
		require.Equal(t, name, c.Name)
		require.Equal(t, []int{2, 2, 1}[i], c.Rounds)
		require.Positive(t, c.GoList.Min, name)
		require.Positive(t, c.Taskgen.Min, name)
		require.InDelta(t, c.Taskgen.Median/c.GoList.Median, c.RatioMedian, 1e-9, name)
	}
}

func TestTooFewTasksOrRoundsAreRefused(t *testing.T) {
	for _, cfg := range []config{{tasks: 1, rounds: 1, coldRounds: 1}, {tasks: 2, coldRounds: 1}, {tasks: 2, rounds: 1}} {
		require.ErrorContains(t, run(t.Context(), cfg), "at least 2, 1 and 1")
	}
}

func TestAnEditChangesThePackage(t *testing.T) {
	s, err := newSample(t.TempDir(), "../..", 2)
	require.NoError(t, err)
	first, err := os.ReadFile(filepath.Join(s.dir, "tasks.go"))
	require.NoError(t, err)
	require.NoError(t, s.edit())
	second, err := os.ReadFile(filepath.Join(s.dir, "tasks.go"))
	require.NoError(t, err)
	require.NotEqual(t, first, second)
}
