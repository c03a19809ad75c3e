package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheLastLineHoldsEveryFigure(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), 200, 10*time.Second, &out))
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	var figures map[string]float64
	require.NoError(t, json.Unmarshal([]byte(lines[len(lines)-1]), &figures))
	require.Len(t, figures, 5)
	for _, name := range []string{"redis_drain_ratio", "redis_enqueue_ratio", "redis_rtt_drain_ratio", "idle_p50_ms", "redis_cpu_us_per_task"} {
		require.Positive(t, figures[name], name)
	}
}
