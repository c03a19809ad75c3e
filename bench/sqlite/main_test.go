package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestASmallRunFillsTheWholeResult(t *testing.T) {
	out := filepath.Join(t.TempDir(), "sqlite.json")
	require.NoError(t, run(config{scale: 1, rounds: 3, dir: t.TempDir(), out: out}))
	data, err := os.ReadFile(out)
	require.NoError(t, err)
	var r Result
	require.NoError(t, json.Unmarshal(data, &r))
	require.Len(t, r.Cases, len(cases))
	for _, c := range r.Cases {
		require.Positive(t, c.Enqueue.Min, c.Name)
		require.Positive(t, c.Drain.Min, c.Name)
		require.Positive(t, c.Flow.Min, c.Name)
	}
	require.Len(t, r.Goals, 3)
}

func TestTooFewRoundsAreRefused(t *testing.T) {
	require.ErrorContains(t, run(config{scale: 1, rounds: 2}), "at least 3 rounds")
}
