package command

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/taskgen/taskgen/cmd/taskq/internal/target"
	"github.com/taskgen/taskgen/cmd/taskq/internal/terminal"
	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
)

func (a *app) queueCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "queue", Short: "queues and their numbers"}
	cmd.AddCommand(a.queueStats())
	return cmd
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
				row := []any{q.GetQueue(), none, none, none, none, none, yesNo(q.GetPaused()), q.GetProvider(), terminal.Cell{Text: q.GetError(), Color: terminal.Red}}
				if s := q.GetStats(); s != nil {
					row[1], row[2], row[3], row[4], row[5] = s.GetReady(), s.GetScheduled(), s.GetLeased(), counted(s.GetDead(), terminal.Red), lasts(s.GetOldestAge())
				}
				t.Row(row...)
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
