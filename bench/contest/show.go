package contest

import (
	"fmt"
	"io"

	"github.com/taskgen/taskgen/bench/report"
)

// Show prints a result for people.
func (r *Result) Show(w io.Writer) error {
	m := r.Machine
	fmt.Fprintf(w, "%s %s/%s, %s, GOMAXPROCS %d\n%s\n%d rounds, %d bytes a task, %d workers\n",
		m.Go, m.OS, m.Arch, m.CPU, m.GOMAXPROCS, r.Server, r.Rounds, r.Payload, r.Workers)
	for _, l := range r.Links {
		fmt.Fprintf(w, "\n== %s: up to %s tasks or %g s a stage, %d rounds\n", l.Name, report.Count(float64(l.Tasks)), l.Limit, l.Rounds)
		if p := l.Probe; p != nil {
			fmt.Fprintf(w, "the way to the broker: %.2f ms of round trip, %s requests/s in pipelines of %d on %d connections\n",
				p.RoundTripMS, report.Count(p.PerSecond), p.InFlight, p.Connections)
		}
		if err := l.show(w); err != nil {
			return err
		}
	}
	for _, missing := range r.Missing {
		fmt.Fprintf(w, "\nnot measured: %s\n", missing)
	}
	if len(r.Goals) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	return report.ShowGoals(w, r.Goals)
}

func (l *Link) show(w io.Writer) error {
	for _, stage := range allStages {
		var rows [][]string
		for _, c := range l.Cases {
			if r := c.Rates[stage]; r != nil {
				rows = append(rows, append([]string{c.Name}, r.columns()...))
			}
		}
		if len(rows) == 0 {
			continue
		}
		fmt.Fprintln(w)
		header := []string{string(stage) + ", tasks/s", "least", "median", "most", "taskgen is, least", "median", "most", "CPU µs/task", "broker's", "requests/task"}
		if err := report.Table(w, header, rows); err != nil {
			return err
		}
	}
	var rows [][]string
	for _, c := range l.Cases {
		row := []string{c.Name}
		for _, s := range []*report.Spread{c.Idle, c.Late} {
			if s == nil {
				row = append(row, "-", "-", "-", "-")
				continue
			}
			row = append(row, ms(s.Min), ms(s.P50), ms(s.P99), ms(s.Max))
		}
		memory := "-"
		if c.Memory != nil {
			memory = report.Count(c.Memory.Median)
		}
		rows = append(rows, append(row, memory))
	}
	fmt.Fprintln(w)
	return report.Table(w, []string{"ms", "idle pickup min", "p50", "p99", "max", "late min", "p50", "p99", "max", "broker B/task"}, rows)
}

func (r *Rate) columns() []string {
	cost := func(name, format string) string {
		s, ok := r.PerTask[name]
		if !ok {
			return "-"
		}
		return fmt.Sprintf(format, s.Median)
	}
	return []string{
		report.Count(r.Min), report.Count(r.Median), report.Count(r.Max) + mark(r),
		fmt.Sprintf("%.2f×", r.Times.Min), fmt.Sprintf("%.2f×", r.Times.Median), fmt.Sprintf("%.2f×", r.Times.Max),
		cost(ClientMicros, "%.1f"), cost(CPUMicros, "%.1f"), cost(Requests, "%.2f"),
	}
}

// mark is what stands beside a rate whose rounds differ too much.
func mark(r *Rate) string {
	if r.Unsteady() {
		return " (unsteady)"
	}
	return ""
}

func ms(v float64) string { return fmt.Sprintf("%.2f", v) }
