// Package report is what the benchmarks share: summaries of repeated
// measurements, a table for people and a file for programs.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
)

// A Machine is where figures were measured. They mean little without it.
type Machine struct {
	Go         string `json:"go"`
	OS         string `json:"os"`
	Arch       string `json:"arch"`
	CPU        string `json:"cpu,omitempty"` // the model, where the system tells
	GOMAXPROCS int    `json:"gomaxprocs"`
}

// ThisMachine describes the machine that the program runs on.
func ThisMachine() Machine {
	return Machine{
		Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH,
		CPU: cpuModel(), GOMAXPROCS: runtime.GOMAXPROCS(0),
	}
}

func cpuModel() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(info)) {
		if name, model, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(model)
		}
	}
	return ""
}

// A Goal is what a figure is measured against.
type Goal struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Goal  float64 `json:"goal"`
	Met   bool    `json:"met"`
}

// AtLeast is a goal that is met from goal upwards.
func AtLeast(name string, value, goal float64) Goal { return Goal{name, value, goal, value >= goal} }

// AtMost is a goal that is met up to goal.
func AtMost(name string, value, goal float64) Goal { return Goal{name, value, goal, value <= goal} }

// A Summary is what remains of measuring the same thing several times.
type Summary struct {
	Min    float64 `json:"min"`
	Median float64 `json:"median"`
	Max    float64 `json:"max"`
}

// Summarize returns the least, the middle and the largest of some values. The
// middle of an even number of values is the mean of the two. There must be one.
func Summarize(values []float64) Summary {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return Summary{
		Min:    sorted[0],
		Median: (sorted[(n-1)/2] + sorted[n/2]) / 2,
		Max:    sorted[n-1],
	}
}

// A Spread is what remains of many times of the same thing.
type Spread struct {
	Min     float64 `json:"min"`
	P50     float64 `json:"p50"`
	P99     float64 `json:"p99"`
	Max     float64 `json:"max"`
	Samples int     `json:"samples"`
}

// SpreadOf returns the percentiles of some values; nil when there is none. A
// percentile is the least value that so many of a hundred do not exceed: with
// fewer than a hundred values the 99th is the largest.
func SpreadOf(values []float64) *Spread {
	n := len(values)
	if n == 0 {
		return nil
	}
	sorted := slices.Sorted(slices.Values(values))
	at := func(percent int) float64 { return sorted[(n*percent+99)/100-1] }
	return &Spread{Min: sorted[0], P50: at(50), P99: at(99), Max: sorted[n-1], Samples: n}
}

// ShowGoals prints goals, and whether they were met.
func ShowGoals(w io.Writer, goals []Goal) error {
	var rows [][]string
	for _, g := range goals {
		rows = append(rows, []string{g.Name, Figure(g.Goal), Figure(g.Value), map[bool]string{true: "met", false: "NOT MET"}[g.Met]})
	}
	return Table(w, []string{"goal", "wanted", "measured", ""}, rows)
}

// Figure writes a number with as many decimals as mean something.
func Figure(n float64) string {
	switch {
	case math.Abs(n) >= 1000:
		return Count(n)
	case n == math.Trunc(n):
		return fmt.Sprintf("%.0f", n)
	case math.Abs(n) >= 10:
		return fmt.Sprintf("%.1f", n)
	default:
		return fmt.Sprintf("%.2f", n)
	}
}

// Table prints rows below a header, in columns that are aligned to the right
// but for the first.
func Table(w io.Writer, header []string, rows [][]string) error {
	var b strings.Builder
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	width := len(header[0])
	for _, row := range rows {
		width = max(width, len(row[0]))
	}
	for _, row := range append([][]string{header}, rows...) {
		fmt.Fprintf(tw, "%-*s\t%s\t\n", width, row[0], strings.Join(row[1:], "\t"))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Write writes a result as indented JSON, and makes the folder if need be.
func Write(path string, result any) error {
	data, err := json.MarshalIndent(result, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}

// Count writes a number with its thousands apart: 1,234,567.
func Count(n float64) string {
	digits := fmt.Sprintf("%.0f", n)
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}
