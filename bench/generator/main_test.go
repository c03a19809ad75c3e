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
	require.NoError(t, run(t.Context(), config{tasks: []int{2, 3}, rounds: 2, out: out}))
	data, err := os.ReadFile(out)
	require.NoError(t, err)
	var r Result
	require.NoError(t, json.Unmarshal(data, &r))
	require.Equal(t, 2, r.Rounds)
	require.Len(t, r.Sizes, 2)
	for i, size := range r.Sizes {
		require.Equal(t, i+2, size.Tasks)
		require.Greater(t, size.GeneratedLines, 100)
		require.Len(t, size.Cases, 4)
		for i, name := range []string{"first", "changed", "unchanged", "check"} {
			c := size.Cases[i]
			require.Equal(t, name, c.Name)
			require.Positive(t, c.GoList.Min, name)
			require.Positive(t, c.Taskgen.Min, name)
			require.Positive(t, c.CPURatio.Min, name)
			require.LessOrEqual(t, c.Ratio.Min, c.Ratio.Median, name)
			require.InDelta(t, c.Ratio.Median, c.Goal.Value, 1e-9, name)
			require.Positive(t, c.PeakMB, name)
		}
	}
}

func TestTooFewTasksOrRoundsAreRefused(t *testing.T) {
	for _, cfg := range []config{{tasks: []int{1}, rounds: 1}, {tasks: []int{2}}} {
		require.ErrorContains(t, run(t.Context(), cfg), "at least 2 and 1")
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
