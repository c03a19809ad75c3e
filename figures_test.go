package taskgen_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// row is a line of a table whose figures come from a file of results.
var row = regexp.MustCompile(`(?m)^\| ([^|]+) \|(.*)\|$`)

// TestPerformanceQuotesTheResults holds every figure of docs/performance.md to
// the files that the benchmarks wrote: a row stands for the case of its name.
func TestPerformanceQuotesTheResults(t *testing.T) {
	doc, err := os.ReadFile("docs/performance.md")
	require.NoError(t, err)
	rows := make(map[string]string)
	for _, m := range row.FindAllStringSubmatch(string(doc), -1) {
		rows[m[1]] = m[2]
	}
	type summary struct{ Min, Median float64 }
	quoted := 0
	quote := func(name, format string, args ...any) {
		t.Helper()
		require.Contains(t, rows[name], fmt.Sprintf(format, args...), "the row %q of docs/performance.md", name)
		quoted++
	}

	var memory struct {
		Cases []struct {
			Name   string
			Rate   summary `json:"tasks_per_second"`
			Allocs float64 `json:"allocs_per_task"`
			CPU    summary `json:"cpu_ns_per_task"`
			Ratio  float64 `json:"of_channel"`
		}
	}
	results(t, "memory", &memory)
	for _, c := range memory.Cases {
		quote(c.Name, " %s | %s | %.2f | %s | %.3f ", thousands(c.Rate.Median), thousands(c.Rate.Min), c.Allocs, thousands(c.CPU.Median), c.Ratio)
	}

	var sqlite struct {
		Cases []struct {
			Name         string
			Enqueue      summary
			Drain        summary
			Flow         summary `json:"enqueue_and_drain"`
			EnqueueRatio float64 `json:"enqueue_ratio"`
			DrainRatio   float64 `json:"drain_ratio"`
			FlowRatio    float64 `json:"enqueue_and_drain_ratio"`
		}
	}
	results(t, "sqlite", &sqlite)
	for _, c := range sqlite.Cases {
		quote(c.Name, " %s (%.1f×) | %s (%.1f×) | %s (%.1f×) ", thousands(c.Enqueue.Median), c.EnqueueRatio,
			thousands(c.Drain.Median), c.DrainRatio, thousands(c.Flow.Median), c.FlowRatio)
	}

	byHand, ours := sqlite.Cases[1], sqlite.Cases[4]
	words := strings.Join(strings.Fields(string(doc)), " ")
	require.Contains(t, words, fmt.Sprintf("%.1f times as fast to enqueue, %.1f times to drain and %.1f times for both", ours.Enqueue.Median/byHand.Enqueue.Median,
		ours.Drain.Median/byHand.Drain.Median, ours.Flow.Median/byHand.Flow.Median))

	var generator struct {
		Cases []struct {
			Name    string
			List    summary `json:"go_list_ms"`
			Taskgen summary `json:"taskgen_ms"`
			Ratio   float64 `json:"ratio_median"`
		}
	}
	results(t, "generator", &generator)
	for _, c := range generator.Cases {
		quote(c.Name, " %s | %s | %.1f ", thousands(c.List.Median), thousands(c.Taskgen.Median), c.Ratio)
	}
	require.GreaterOrEqual(t, quoted, 10)
}

func results(t *testing.T, name string, to any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("bench", "results", name+".json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, to))
}

// thousands prints a number without decimals and with commas: 1,234,568.
func thousands(n float64) string {
	digits := fmt.Sprintf("%.0f", n)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}
