package main

import (
	"errors"
	"fmt"

	"github.com/taskgen/taskgen/bench/contest"
	"github.com/taskgen/taskgen/bench/report"
)

// observed renders what it costs to be observed: the rates with listeners, as parts of the
// rate of the first contender, which has none.
func observed(results, part string) (string, error) {
	if part == "settings" || part == "goals" {
		return broker(results, "observed", part)
	}
	var r contest.Result
	if err := read(results, "observed", &r); err != nil {
		return "", err
	}
	if len(r.Links) != 1 {
		return "", errors.New("the results are of more or less than one link")
	}
	l := r.Links[0]
	t := newTable("", "drain, tasks/s", "part of the rate without listeners", "min–max", "client's CPU, µs/task", "min–max")
	for i, c := range l.Cases {
		rate := c.Rates[contest.Drain]
		if rate == nil {
			return "", fmt.Errorf("%s has no rate of a drain", c.Name)
		}
		name, ratio, spread := "no listener", "1", "–"
		if i > 0 {
			of := rate.Times // how many times as fast it is without
			name, ratio, spread = c.Name, fmt.Sprintf("%.2f", 1/of.Median), fmt.Sprintf("%.2f–%.2f", 1/of.Max, 1/of.Min)
		}
		cpu := rate.PerTask[contest.ClientMicros]
		t.row(name, median(rate), ratio, spread, fmt.Sprintf("%.1f", cpu.Median), fmt.Sprintf("%.1f–%.1f", cpu.Min, cpu.Max))
	}
	return fmt.Sprintf("%s\nUp to %s tasks or %g s a drain, %d rounds.\n", t.String(), report.Count(float64(l.Tasks)), l.Limit, l.Rounds), nil
}
