package command

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/taskgen/taskgen/cmd/taskq/internal/terminal"
)

// none stands for a value that there is not.
const none = "-"

// short is a duration as people say it: the two largest units.
func short(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + short(-d)
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Hour:
		return pair(d, time.Minute, "m", time.Second, "s")
	case d < 24*time.Hour:
		return pair(d, time.Hour, "h", time.Minute, "m")
	}
	return pair(d, 24*time.Hour, "d", time.Hour, "h")
}

func pair(d, large time.Duration, of string, small time.Duration, rest string) string {
	d = d.Round(small)
	if d%large == 0 {
		return fmt.Sprintf("%d%s", d/large, of)
	}
	return fmt.Sprintf("%d%s%d%s", d/large, of, d%large/small, rest)
}

// lasts is a duration of a message, or none.
func lasts(d *durationpb.Duration) string {
	if d == nil {
		return none
	}
	return short(d.AsDuration())
}

// from is when a time is, as seen from now: "3m ago", "in 2h"; none if it is not set.
func from(now time.Time, at *timestamppb.Timestamp) string {
	if at == nil {
		return none
	}
	switch d := now.Sub(at.AsTime()); {
	case d >= 0:
		return short(d) + " ago"
	default:
		return "in " + short(-d)
	}
}

// exact is a time of a message; empty if it is not set.
func exact(at *timestamppb.Timestamp) string {
	if at == nil {
		return ""
	}
	return at.AsTime().UTC().Format(time.RFC3339)
}

// enum is the last word of the name of a value: QUEUE_TYPE_FIFO of prefix QUEUE_TYPE_ is fifo.
func enum(value fmt.Stringer, prefix string) string {
	name := strings.ToLower(strings.TrimPrefix(value.String(), prefix))
	if name == "unspecified" {
		return none
	}
	return strings.ReplaceAll(name, "_", " ")
}

// list is the text of several names.
func list(names []string) string { return cmp.Or(strings.Join(names, ", "), none) }

// counted colours a number that is not 0.
func counted(n int64, color string) terminal.Cell {
	if n == 0 {
		color = terminal.Plain
	}
	return terminal.Cell{Text: fmt.Sprint(n), Color: color}
}

// pairs are the pairs of a map, in the order of their keys.
func pairs(m map[string]string) string {
	var all []string
	for k, v := range m {
		all = append(all, k+"="+v)
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// many is a number and what it counts.
func many[N int | int32 | int64](n N, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}
