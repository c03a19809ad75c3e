package command

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/taskgen/taskgen/cmd/taskq/internal/terminal"
	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
)

// lastMinute is the time that ListedQueue.last_minute is about.
const lastMinute = 60

// doneRate is the tasks a second that succeed.
func doneRate(m *v1.QueueTotals) float64 { return float64(m.GetCompleted()) / lastMinute }

// failedRate is the runs a second that fail.
func failedRate(m *v1.QueueTotals) float64 {
	return float64(m.GetRetried()+m.GetDied()) / lastMinute
}

// rate is a number a second.
func rate(n float64) string {
	if n >= 100 || n <= -100 {
		return fmt.Sprintf("%.0f", n)
	}
	return fmt.Sprintf("%.1f", n)
}

func (v *topView) queues(now, before *topSample) *terminal.Table {
	t := terminal.NewTable(
		terminal.Column{Name: "QUEUE", Shrinks: true}, terminal.Column{Name: "READY", Right: true}, terminal.Column{Name: "SCHEDULED", Right: true}, terminal.Column{Name: "LEASED", Right: true},
		terminal.Column{Name: "DEAD", Right: true}, terminal.Column{Name: "OLDEST", Right: true}, terminal.Column{Name: "DONE/S", Right: true},
		terminal.Column{Name: "FAILED/S", Right: true, Optional: true}, terminal.Column{Name: "GROWTH/S", Right: true, Optional: true}, terminal.Column{Name: "WORKERS", Right: true, Optional: true},
		terminal.Column{Name: "STATE", Shrinks: true},
	)
	queues := slices.Clone(now.queues)
	slices.SortStableFunc(queues, topOrders[v.order].less)
	for _, q := range queues {
		var done, failed any = none, none
		if m := q.GetLastMinute(); m != nil {
			done, failed = rate(doneRate(m)), failedCell(m)
		}
		t.Row(slices.Concat([]any{q.GetInfo().GetName()}, numbers(q.GetStats()), []any{done, failed, growth(now, before, q), q.GetWorkers(), topState(q, now)})...)
	}
	return t
}

func failedCell(m *v1.QueueTotals) terminal.Cell {
	c := terminal.Cell{Text: rate(failedRate(m))}
	if m.GetRetried()+m.GetDied() > 0 {
		c.Color = terminal.Red
	}
	return c
}

// growth is by how much the tasks of a queue become more in a second, the dead ones apart.
func growth(now, before *topSample, q *v1.ListedQueue) string {
	if before == nil || q.GetStats() == nil {
		return none
	}
	i := slices.IndexFunc(before.queues, func(b *v1.ListedQueue) bool { return b.GetInfo().GetName() == q.GetInfo().GetName() })
	seconds := now.at.Sub(before.at).Seconds()
	if i < 0 || before.queues[i].GetStats() == nil || seconds <= 0 {
		return none
	}
	size := func(s *v1.QueueStats) int64 { return s.GetReady() + s.GetScheduled() + s.GetLeased() }
	n := float64(size(q.GetStats())-size(before.queues[i].GetStats())) / seconds
	if n > 0 {
		return "+" + rate(n)
	}
	return rate(n)
}

// topState is the state of a queue, and whether nobody works on it.
func topState(q *v1.ListedQueue, now *topSample) terminal.Cell {
	if now.blind == "" && q.GetError() == "" && !q.GetPaused() && q.GetWorkers() == 0 && q.GetStats().GetReady() > 0 {
		return terminal.Cell{Text: "no workers", Color: terminal.Red}
	}
	return queueState(q, now.at)
}

// A topRun is a task that a worker runs.
type topRun struct {
	*v1.RunningTask
	worker string
	took   time.Duration
}

func (v *topView) running(now *topSample) []string {
	var all []topRun
	for _, w := range now.workers {
		for _, r := range w.GetRunning() {
			all = append(all, topRun{r, w.GetName(), max(now.at.Sub(r.GetSince().AsTime()), 0)})
		}
	}
	if len(all) == 0 {
		return []string{"no task runs"}
	}
	slices.SortStableFunc(all, func(a, b topRun) int { return cmp.Compare(b.took, a.took) })
	t := terminal.NewTable(
		terminal.Column{Name: "RUNNING TASK"}, terminal.Column{Name: "TYPE", Shrinks: true, Least: 8}, terminal.Column{Name: "FOR", Right: true}, terminal.Column{Name: "RUN", Right: true},
		terminal.Column{Name: "WORKER", Shrinks: true, Least: 8}, terminal.Column{Name: "QUEUE", Shrinks: true, Optional: true},
	)
	for _, r := range all {
		t.Row(r.GetTaskId(), r.GetType(), short(r.took), r.GetAttempt(), r.worker, r.GetQueue())
	}
	return t.Lines(v.width, v.colored)
}

func (v *topView) workers(now *topSample) []string {
	if len(now.workers) == 0 {
		return []string{"there are no workers"}
	}
	return workerTable(now.workers, now.at).Lines(v.width, v.colored)
}
