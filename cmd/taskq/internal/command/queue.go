package command

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/taskgen/taskgen/cmd/taskq/internal/target"
	"github.com/taskgen/taskgen/cmd/taskq/internal/terminal"
	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
)

func (a *app) queueCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "queue", Short: "queues: their numbers, pauses, purges"}
	cmd.AddCommand(a.queueList(), a.queueStats(), a.queuePause(), a.queueResume(), a.queuePurge(), a.queueCreate(), a.queueDelete())
	return cmd
}

func (a *app) queueList() *cobra.Command {
	return &cobra.Command{
		Use: "ls", Short: "list the queues", Args: wants(),
		Long:    "List the queues that the server has open, and those that only workers of the fleet have.",
		Example: "taskq queue ls\ntaskq queue ls -o json",
		RunE: a.calls(func(ctx context.Context, c *target.Client, _ []string) error {
			res, err := c.Admin.ListQueues(ctx, &v1.ListQueuesRequest{})
			if err != nil {
				return err
			}
			return a.show(res, terminal.Items(res.GetQueues()), func() error {
				err := a.Print(queueTable(res.GetQueues(), time.Now()))
				for _, q := range res.GetQueues() {
					if q.GetError() != "" { // whole, which a cell may not be
						a.Notef("%s: %s", q.GetInfo().GetName(), q.GetError())
					}
				}
				return err
			})
		}),
	}
}

func queueTable(queues []*v1.ListedQueue, now time.Time) *terminal.Table {
	t := terminal.NewTable(
		terminal.Column{Name: "QUEUE", Shrinks: true}, terminal.Column{Name: "READY", Right: true}, terminal.Column{Name: "SCHEDULED", Right: true},
		terminal.Column{Name: "LEASED", Right: true}, terminal.Column{Name: "DEAD", Right: true}, terminal.Column{Name: "OLDEST", Right: true},
		terminal.Column{Name: "STATE", Shrinks: true}, terminal.Column{Name: "WORKERS", Right: true, Optional: true},
		terminal.Column{Name: "PROVIDER", Optional: true}, terminal.Column{Name: "TYPE", Optional: true},
		terminal.Column{Name: "DONE", Right: true, Optional: true}, terminal.Column{Name: "RETRIED", Right: true, Optional: true}, terminal.Column{Name: "DIED", Right: true, Optional: true},
	)
	for _, q := range queues {
		totals := []any{none, none, none}
		if n := q.GetTotals(); n != nil {
			totals = []any{n.GetCompleted(), n.GetRetried(), n.GetDied()}
		}
		of := []any{queueState(q, now), q.GetWorkers(), q.GetInfo().GetProvider(), enum(q.GetInfo().GetType(), "QUEUE_TYPE_")}
		t.Row(slices.Concat([]any{q.GetInfo().GetName()}, numbers(q.GetStats()), of, totals)...)
	}
	return t
}

// numbers are the cells of what a queue has: of ready, scheduled, leased and dead tasks, and the age
// of the oldest. They are empty if it could not be read.
func numbers(s *v1.QueueStats) []any {
	if s == nil {
		return []any{none, none, none, none, none}
	}
	return []any{s.GetReady(), s.GetScheduled(), s.GetLeased(), counted(s.GetDead(), terminal.Red), lasts(s.GetOldestAge())}
}

// queueState says whether a queue works.
func queueState(q *v1.ListedQueue, now time.Time) terminal.Cell {
	switch {
	case q.GetError() != "":
		return terminal.Cell{Text: "error", Color: terminal.Red}
	case q.GetPaused() && q.GetPausedUntil() != nil:
		return terminal.Cell{Text: "paused for " + short(q.GetPausedUntil().AsTime().Sub(now)), Color: terminal.Yellow}
	case q.GetPaused():
		return terminal.Cell{Text: "paused", Color: terminal.Yellow}
	case !q.GetOpen():
		return terminal.Cell{Text: "not open here", Color: terminal.Faint}
	}
	return terminal.Cell{Text: "open", Color: terminal.Green}
}

func (a *app) queueStats() *cobra.Command {
	return &cobra.Command{
		Use: "stats [QUEUE…]", Short: "print the numbers of queues",
		Long:              "Print the numbers of queues: of all that are open, or of those that are named.",
		Example:           "taskq queue stats emails -o jsonl",
		ValidArgsFunction: a.completes(queueNames),
		RunE: a.calls(func(ctx context.Context, c *target.Client, args []string) error {
			res, err := c.Monitoring.GetQueueStats(ctx, &v1.GetQueueStatsRequest{Queues: args})
			if err != nil {
				return err
			}
			t := terminal.NewTable(
				terminal.Column{Name: "QUEUE", Shrinks: true}, terminal.Column{Name: "READY", Right: true}, terminal.Column{Name: "SCHEDULED", Right: true},
				terminal.Column{Name: "LEASED", Right: true}, terminal.Column{Name: "DEAD", Right: true}, terminal.Column{Name: "OLDEST", Right: true},
				terminal.Column{Name: "PAUSED"}, terminal.Column{Name: "PROVIDER", Optional: true}, terminal.Column{Name: "ERROR", Shrinks: true},
			)
			for _, q := range res.GetQueues() {
				of := []any{yesNo(q.GetPaused()), q.GetProvider(), terminal.Cell{Text: q.GetError(), Color: terminal.Red}}
				t.Row(slices.Concat([]any{q.GetQueue()}, numbers(q.GetStats()), of)...)
			}
			return a.show(res, terminal.Items(res.GetQueues()), a.table(t))
		}),
	}
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}
