package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/bench/contest"
)

func TestASmallRunDrainsWithEachListener(t *testing.T) {
	file := filepath.Join(t.TempDir(), "observed.json")
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), contest.Config{
		Rounds: 3, Tasks: 300, Limit: time.Minute, Quiet: true, Stages: []contest.Stage{contest.Drain}, Links: []time.Duration{0},
	}, file, &out))
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	var r contest.Result
	require.NoError(t, json.Unmarshal(data, &r))
	require.Len(t, r.Links, 1)
	require.Len(t, r.Links[0].Cases, len(contenders))
	require.Len(t, r.Goals, 1, "what the history may cost")
	for _, c := range r.Links[0].Cases {
		require.NotEmpty(t, c.Settings, c.Name)
		require.Contains(t, out.String(), c.Name)
		rate := c.Rates[contest.Drain]
		require.NotNil(t, rate, c.Name)
		require.Equal(t, 300, rate.Tasks, c.Name)
		require.Positive(t, rate.Times.Min, c.Name)
		require.Positive(t, rate.PerTask[contest.ClientMicros].Median, c.Name)
		require.Len(t, c.Rates, 1, "nothing but the drain")
	}
}

func TestARunIsOfAtLeastThreeRounds(t *testing.T) {
	require.ErrorContains(t, run(t.Context(), contest.Config{Rounds: 2, Tasks: 1, Limit: time.Second}, "", &bytes.Buffer{}), "at least 3 rounds")
}

func TestTheListenerThatDoesNothingHasEveryFunction(t *testing.T) {
	l := reflect.ValueOf(*idle())
	for i := range l.NumField() {
		require.False(t, l.Field(i).IsNil(), l.Type().Field(i).Name)
	}
}
