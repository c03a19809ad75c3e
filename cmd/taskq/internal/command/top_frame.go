package command

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/taskgen/taskgen/cmd/taskq/internal/terminal"
	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
)

// A topView draws samples.
type topView struct {
	name          string // of what is watched
	width, height int    // 0: as much as there is
	colored       func(color, text string) string
	order         int    // of the queues: an index of topOrders
	warning       string // why the sample is an old one; empty if it is not
	keys          string // what keys do; empty for a picture that nobody steers
}

// topOrders are the orders of queues: each has those first that need the most attention.
var topOrders = []struct {
	name string
	less func(a, b *v1.ListedQueue) int
}{
	{"name", func(a, b *v1.ListedQueue) int { return cmp.Compare(a.GetInfo().GetName(), b.GetInfo().GetName()) }},
	{"ready", func(a, b *v1.ListedQueue) int { return cmp.Compare(b.GetStats().GetReady(), a.GetStats().GetReady()) }},
	{"oldest", func(a, b *v1.ListedQueue) int {
		return cmp.Compare(b.GetStats().GetOldestAge().AsDuration(), a.GetStats().GetOldestAge().AsDuration())
	}},
	{"dead", func(a, b *v1.ListedQueue) int { return cmp.Compare(b.GetStats().GetDead(), a.GetStats().GetDead()) }},
}

// frame draws a sample. before is one of some time ago; nil for none.
func (v *topView) frame(now, before *topSample) []string {
	lines := v.head(now)
	foot := v.foot()
	parts := [][]string{v.queues(now, before).Lines(v.width, v.colored)}
	if now.blind == "" {
		parts = append(parts, v.running(now), v.workers(now))
	}
	if v.height > 0 {
		parts = fitted(parts, v.height-len(lines)-len(parts)-len(foot))
	}
	for _, part := range parts {
		lines = append(append(lines, ""), part...)
	}
	if v.height > 0 {
		for len(lines)+len(foot) < v.height {
			lines = append(lines, "")
		}
		lines = lines[:max(v.height-len(foot), 0)]
	}
	return append(lines, foot...)
}

// fitted cuts parts off so that together they have no more lines than there is room for. A short
// one leaves its room to the others.
func fitted(parts [][]string, room int) [][]string {
	lines := make([]int, len(parts))
	for room > 0 {
		var open []int
		for i := range parts {
			if lines[i] < len(parts[i]) {
				open = append(open, i)
			}
		}
		if len(open) == 0 {
			break
		}
		each := max(room/len(open), 1)
		for _, i := range open {
			more := min(each, len(parts[i])-lines[i], room)
			lines[i], room = lines[i]+more, room-more
		}
	}
	cut := make([][]string, len(parts))
	for i, part := range parts {
		cut[i] = bounded(part, lines[i])
	}
	return cut
}

// bounded is n lines at most, the last of which says how many it stands for.
func bounded(lines []string, n int) []string {
	if len(lines) <= n {
		return lines
	}
	if n < 2 {
		return lines[:n]
	}
	return append(slices.Clone(lines[:n-1]), fmt.Sprintf("… and %d more", len(lines)-n+1))
}

// line is a text in the width of the picture.
func (v *topView) line(color, text string) string {
	if v.width > 0 {
		text = terminal.Cut(text, v.width)
	}
	return v.colored(color, text)
}

// head sums up.
func (v *topView) head(now *topSample) []string {
	var ready, scheduled, leased, dead int64
	var done, failed float64
	rated := false
	for _, q := range now.queues {
		s := q.GetStats()
		ready, scheduled, leased, dead = ready+s.GetReady(), scheduled+s.GetScheduled(), leased+s.GetLeased(), dead+s.GetDead()
		if m := q.GetLastMinute(); m != nil {
			rated = true
			done, failed = done+doneRate(m), failed+failedRate(m)
		}
	}
	tasks := fmt.Sprintf("tasks    ready %d  scheduled %d  leased %d  dead %d", ready, scheduled, leased, dead)
	if rated {
		tasks += fmt.Sprintf("  done %s/s  failed %s/s", rate(done), rate(failed))
	}
	return []string{
		v.line(terminal.Bold, fmt.Sprintf("taskq top  %s  %s", now.at.Format(time.TimeOnly), terminal.OneLine(v.name))),
		v.line(terminal.Plain, tasks), v.line(terminal.Plain, workload(now)),
	}
}

const loadWidth = 20

// workload sums the workers up.
func workload(now *topSample) string {
	var busy, slots int64
	quiet := 0
	for _, w := range now.workers {
		busy, slots = busy+int64(w.GetBusy()), slots+int64(w.GetSlots())
		if w.GetQuiet() {
			quiet++
		}
	}
	if now.blind != "" {
		return "workers  cannot be seen: " + terminal.OneLine(now.blind)
	}
	text := fmt.Sprintf("workers  %d", len(now.workers))
	if slots > 0 {
		text += fmt.Sprintf("  busy %d of %d [%s]", busy, slots, terminal.Bar(busy, slots, loadWidth))
	}
	if quiet > 0 {
		text += fmt.Sprintf("  quiet %d", quiet)
	}
	return text
}

func (v *topView) foot() []string {
	var lines []string
	if v.warning != "" {
		lines = append(lines, v.line(terminal.Red, terminal.OneLine(v.warning)))
	}
	if v.keys != "" {
		lines = append(lines, v.line(terminal.Faint, v.keys))
	}
	return lines
}
