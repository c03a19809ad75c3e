package main

import (
	"fmt"
	"strings"

	"github.com/taskgen/taskgen/bench/contest"
	"github.com/taskgen/taskgen/bench/report"
)

// broker renders a part of the results of a contest: "goals", "settings", or the
// name of a link.
func broker(results, name, part string) (string, error) {
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
	return "", fmt.Errorf("there is no part %q: goals, settings or the name of a link are", part)
}

// brokers are the files of results that ratios takes together.
var brokers = []string{"redis", "nats", "rabbitmq", "sqs"}

// ratios says how many times as fast taskgen is as each peer, over loopback.
func ratios(results string) (string, error) {
	stages := []contest.Stage{contest.Many, contest.Drain, contest.Flow}
	t := newTable("taskgen's rate, as a multiple of", string(stages[0]), string(stages[1]), string(stages[2]))
	for _, name := range brokers {
		var r contest.Result
		if err := read(results, name, &r); err != nil {
			return "", err
		}
		for _, l := range r.Links {
			if l.Name != contest.Loopback {
				continue
			}
			for _, c := range l.Cases[1:] {
				if len(c.Rates) == 0 || strings.HasPrefix(c.Name, "taskgen") { // with another option
					continue
				}
				row := []string{c.Name + ", " + r.Broker}
				for _, stage := range stages {
					if rate := c.Rates[stage]; rate != nil {
						row = append(row, fmt.Sprintf("%s (%s–%s)", times(rate.Times.Median), times(rate.Times.Min), times(rate.Times.Max)))
					} else {
						row = append(row, "–")
					}
				}
				t.row(row...)
			}
		}
	}
	return t.String(), nil
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
	fmt.Fprintf(&b, "Up to %s tasks or %g s a stage", report.Count(float64(l.Tasks)), l.Limit)
	if l.Rounds > 0 {
		fmt.Fprintf(&b, ", %d rounds", l.Rounds)
	}
	b.WriteString(".")
	if p := l.Probe; p != nil {
		fmt.Fprintf(&b, " Link to the broker: %.2f ms of round trip, %s requests/s in pipelines.", p.RoundTripMS, report.Count(p.PerSecond))
	}
	b.WriteString("\n\n")
	header := []string{"tasks/s (taskgen's rate as a multiple of it, min–max)"}
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
				row = append(row, median(rate))
			default:
				row = append(row, fmt.Sprintf("%s (%s×, %s–%s)", median(rate), times(rate.Times.Median), times(rate.Times.Min), times(rate.Times.Max)))
			}
		}
		t.row(row...)
	}
	b.WriteString(t.String())
	return b.String()
}

// median is that of a rate, and says so where the rounds differ too much.
func median(r *contest.Rate) string {
	if r.Unsteady() {
		return "≈ " + report.Count(r.Median)
	}
	return report.Count(r.Median)
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
