package drivertest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

func ids(ts []*runtime.Task) []string {
	all := make([]string, len(ts))
	for i, t := range ts {
		all[i] = t.ID
	}
	return all
}

func deliveredIDs(ds []*driver.Delivery) []string {
	all := make([]string, len(ds))
	for i, d := range ds {
		all[i] = d.Task.ID
	}
	return all
}

func deliveredTasks(ds []*driver.Delivery) []*runtime.Task {
	all := make([]*runtime.Task, len(ds))
	for i, d := range ds {
		all[i] = d.Task
	}
	return all
}

// same checks that two lists have the same IDs, in any order.
func (w *env) same(got, want []string, format string, args ...any) {
	w.Helper()
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		w.Fatalf("%s: %s", fmt.Sprintf(format, args...), difference(got, want))
	}
}

// equal checks that two lists of IDs are equal, in order.
func (w *env) equal(got, want []string, format string, args ...any) {
	w.Helper()
	if !slices.Equal(got, want) {
		w.Fatalf("%s: got %s, want %s", fmt.Sprintf(format, args...), short(got), short(want))
	}
}

// difference lists the missing, extra and repeated IDs.
func difference(got, want []string) string {
	count := make(map[string]int)
	for _, id := range got {
		count[id]++
	}
	for _, id := range want {
		count[id]--
	}
	var missing, extra []string
	for id, n := range count {
		switch {
		case n < 0:
			missing = append(missing, id)
		case n > 0:
			extra = append(extra, id)
		}
	}
	slices.Sort(missing)
	slices.Sort(extra)
	return fmt.Sprintf("missing %s, too many %s", short(missing), short(extra))
}

func short(list []string) string {
	const shown = 12
	if len(list) <= shown {
		return "[" + strings.Join(list, " ") + "]"
	}
	return fmt.Sprintf("[%s … %d in all]", strings.Join(list[:shown], " "), len(list))
}
