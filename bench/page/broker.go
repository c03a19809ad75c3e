package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/taskgen/taskgen/bench/contest"
	"github.com/taskgen/taskgen/bench/report"
)

// broker renders a part of the results of a contest: "goals", "settings", or the
// name of a link; or "profile", which is a file of text beside them.
func broker(results, name, part string) (string, error) {
	if part == "profile" {
		text, err := os.ReadFile(filepath.Join(results, name+"-profile.txt"))
		return "```text\n" + string(text) + "```\n", err
	}
	var r contest.Result
	if err := read(results, name, &r); err != nil {
		return "", err
	}
	switch part {
	case "goals":
		return goals(&r), nil
	case "settings":
		return settings(&r), nil
	}
	for i := range r.Links {
		if r.Links[i].Name == part {
			return rates(&r.Links[i]) + "\n" + costs(&r.Links[i]), nil
		}
	}
	return "", fmt.Errorf("there is no part %q: goals, settings, profile or the name of a link are", part)
}

func goals(r *contest.Result) string {
	t := newTable("goal", "wanted", "measured", "")
	for _, g := range r.Goals {
		t.row(g.Name, report.Figure(g.Goal), report.Figure(g.Value), map[bool]string{true: "met", false: "**missed**"}[g.Met])
	}
	return t.String()
}

func settings(r *contest.Result) string {
	var b strings.Builder
	m := r.Machine
	fmt.Fprintf(&b, "%s. %s on %s/%s, %s, GOMAXPROCS %d; %d rounds, %d bytes of payload, %d handlers.\n\n",
		r.Server, m.Go, m.OS, m.Arch, m.CPU, m.GOMAXPROCS, r.Rounds, r.Payload, r.Workers)
	if len(r.Links) > 0 {
		for _, c := range r.Links[0].Cases {
			fmt.Fprintf(&b, "- **%s**: %s.\n", c.Name, c.Settings)
		}
	}
	for _, missing := range r.Missing {
		fmt.Fprintf(&b, "- Not measured: %s.\n", missing)
	}
	return b.String()
}

func rates(l *contest.Link) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Up to %s tasks or %g s a stage.", report.Count(float64(l.Tasks)), l.Limit)
	if p := l.Probe; p != nil {
		fmt.Fprintf(&b, " The way to the broker: %.2f ms of round trip, %s requests/s in pipelines.", p.RoundTripMS, report.Count(p.PerSecond))
	}
	b.WriteString("\n\n")
	header := []string{"tasks/s (taskgen is so many times as fast, at least)"}
	for _, stage := range contest.Stages {
		header = append(header, string(stage))
	}
	t := newTable(header...)
	for i, c := range l.Cases {
		if len(c.Rates) == 0 {
			continue
		}
		row := []string{c.Name}
		for _, stage := range contest.Stages {
			rate := c.Rates[stage]
			switch {
			case rate == nil:
				row = append(row, "–")
			case i == 0:
				row = append(row, report.Count(rate.Median))
			default:
				row = append(row, fmt.Sprintf("%s (%s×, %s×)", report.Count(rate.Median), times(rate.Times.Median), times(rate.Times.Min)))
			}
		}
		t.row(row...)
	}
	b.WriteString(t.String())
	return b.String()
}

// times writes a multiple with as many digits as mean something.
func times(n float64) string {
	if n >= 10 {
		return report.Count(n)
	}
	return fmt.Sprintf("%.1f", n)
}

func costs(l *contest.Link) string {
	t := newTable("", "idle pickup p50, ms", "p99", "delayed: late p50, ms", "p99", "earliest",
		"CPU µs/task, enqueue + drain", "broker's CPU", "requests", "broker's memory, B/task")
	for _, c := range l.Cases {
		row := []string{c.Name}
		if s := c.Idle; s != nil {
			row = append(row, milliseconds(s.P50), milliseconds(s.P99))
		} else {
			row = append(row, "–", "–")
		}
		if s := c.Late; s != nil {
			row = append(row, milliseconds(s.P50), milliseconds(s.P99), milliseconds(s.Min))
		} else {
			row = append(row, "–", "–", "–")
		}
		row = append(row, life(&c, contest.ClientMicros, "%.1f"), life(&c, contest.CPUMicros, "%.1f"), life(&c, contest.Requests, "%.2f"))
		if c.Memory != nil {
			row = append(row, report.Count(c.Memory.Median))
		} else {
			row = append(row, "–")
		}
		t.row(row...)
	}
	return t.String()
}

func milliseconds(v float64) string {
	if v >= 100 {
		return report.Count(v)
	}
	return fmt.Sprintf("%.2f", v)
}

func life(c *contest.Case, counter, format string) string {
	cost, ok := c.Life(counter)
	if !ok {
		return "–"
	}
	return fmt.Sprintf(format, cost)
}
