package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/taskgen/taskgen/bench/report"
)

// figures renders a part of a file of results.
func figures(results, name, part string) (string, error) {
	switch name {
	case "brokers":
		return ratios(results)
	case "memory":
		return memory(results)
	case "sqlite":
		return sqlite(results, part)
	case "generator":
		return generator(results)
	case "observed":
		return observed(results, part)
	default:
		return broker(results, name, part)
	}
}

func read(results, name string, to any) error {
	data, err := os.ReadFile(filepath.Join(results, name+".json"))
	if err != nil {
		return err
	}
	return json.Unmarshal(data, to)
}

func memory(results string) (string, error) {
	var r struct {
		Cases []struct {
			Name   string
			Rate   report.Summary `json:"tasks_per_second"`
			Allocs float64        `json:"allocs_per_task"`
			CPU    report.Summary `json:"cpu_ns_per_task"`
			Ratio  float64        `json:"of_channel"`
		}
	}
	err := read(results, "memory", &r)
	t := newTable("case", "tasks/s", "min", "allocations/task", "CPU ns/task", "of channel")
	for _, c := range r.Cases {
		t.row(c.Name, report.Count(c.Rate.Median), report.Count(c.Rate.Min), fmt.Sprintf("%.2f", c.Allocs),
			report.Count(c.CPU.Median), fmt.Sprintf("%.3f", c.Ratio))
	}
	return t.String(), err
}

func sqlite(results, part string) (string, error) {
	var r struct {
		Cases []struct {
			Name         string
			Enqueue      report.Summary
			Drain        report.Summary
			Flow         report.Summary `json:"enqueue_and_drain"`
			EnqueueRatio float64        `json:"enqueue_ratio"`
			DrainRatio   float64        `json:"drain_ratio"`
			FlowRatio    float64        `json:"enqueue_and_drain_ratio"`
		}
	}
	if err := read(results, "sqlite", &r); err != nil {
		return "", err
	}
	if part == "batches" {
		// The case that has batches by hand, and ours of the same kind.
		byHand, ours := r.Cases[1], r.Cases[4]
		return fmt.Sprintf("The provider's batches are %.1f times as fast as those made by hand to enqueue, %.1f\ntimes to drain and %.1f times for both at once.\n",
			ours.Enqueue.Median/byHand.Enqueue.Median, ours.Drain.Median/byHand.Drain.Median, ours.Flow.Median/byHand.Flow.Median), nil
	}
	t := newTable("tasks/s (multiple of the first row)", "enqueue", "drain", "both at once")
	for _, c := range r.Cases {
		cell := func(s report.Summary, ratio float64) string {
			return fmt.Sprintf("%s (%.1f×)", report.Count(s.Median), ratio)
		}
		t.row(c.Name, cell(c.Enqueue, c.EnqueueRatio), cell(c.Drain, c.DrainRatio), cell(c.Flow, c.FlowRatio))
	}
	return t.String(), nil
}

func generator(results string) (string, error) {
	var r struct {
		Rounds int
		Sizes  []struct {
			Tasks int
			Lines float64 `json:"generated_lines"`
			Cases []struct {
				Name     string
				List     report.Summary `json:"go_list_ms"`
				Taskgen  report.Summary `json:"taskgen_ms"`
				Ratio    report.Summary
				CPURatio report.Summary `json:"cpu_ratio"`
				Peak     float64        `json:"peak_mb"`
			}
		}
	}
	if err := read(results, "generator", &r); err != nil {
		return "", err
	}
	t := newTable("", "go list, ms", "taskgen, ms", "ratio", "min to max", "of CPU time", "peak, MB")
	for _, s := range r.Sizes {
		for _, c := range s.Cases {
			t.row(fmt.Sprintf("%s tasks, %s lines: %s", report.Count(float64(s.Tasks)), report.Count(s.Lines), c.Name),
				report.Count(c.List.Median), report.Count(c.Taskgen.Median), fmt.Sprintf("%.1f", c.Ratio.Median),
				fmt.Sprintf("%.1f to %.1f", c.Ratio.Min, c.Ratio.Max), fmt.Sprintf("%.1f", c.CPURatio.Median), report.Count(c.Peak))
		}
	}
	return fmt.Sprintf("%sMedians of %d rounds.\n", t.String()+"\n", r.Rounds), nil
}

// A table in Markdown, all columns but the first to the right.
type table struct{ b strings.Builder }

func newTable(header ...string) *table {
	t := &table{}
	t.row(header...)
	t.b.WriteString("|---|" + strings.Repeat("---:|", len(header)-1) + "\n")
	return t
}

func (t *table) row(cells ...string) {
	t.b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
}

func (t *table) String() string { return t.b.String() }
