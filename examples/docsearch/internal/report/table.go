package report

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// WriteTable writes a line for each of the types, in the order given.
func (s *Stats) WriteTable(w io.Writer, types ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	tw := tabwriter.NewWriter(w, 0, 0, 1, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "task\tenqueued\tdone\tretried\tdead\twait p50\tp99\trun p50\tp99\t")
	for _, name := range types {
		c := s.of(name)
		fmt.Fprintf(tw, "%s\t%d\t%d\t%d\t%d\t%s\t%s\t%s\t%s\t\n", name, c.enqueued, c.completed, c.retried, c.dead,
			percentile(c.waits, 50), percentile(c.waits, 99), percentile(c.runs, 50), percentile(c.runs, 99))
	}
	return tw.Flush()
}

// percentile is the smallest of the durations that p in a hundred of them do not
// exceed (the nearest rank), in three digits or so; "-" of none.
func percentile(ds []time.Duration, p int) string {
	if len(ds) == 0 {
		return "-"
	}
	sorted := slices.Sorted(slices.Values(ds))
	rank := (len(sorted)*p + 99) / 100 // rounded up; 1 is the smallest
	return short(sorted[rank-1])
}

// short keeps the digits that mean something.
func short(d time.Duration) string {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	default:
		return d.Round(time.Microsecond).String()
	}
}
