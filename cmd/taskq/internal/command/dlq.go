package command

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/taskgen/taskgen/cmd/taskq/internal/target"
	"github.com/taskgen/taskgen/cmd/taskq/internal/terminal"
	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
)

func (a *app) dlqCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "dlq", Short: "dead letters: look, mend, redrive, discard"}
	cmd.AddCommand(a.dlqList(), a.dlqGroups(), a.dlqShow(), a.dlqEdit(), a.dlqRedrive(), a.dlqDiscard(), a.dlqExport())
	return cmd
}

// letters collects dead letters.
func letters(ctx context.Context, c *target.Client, queue, filter string, limit int) ([]*v1.DeadLetter, string, error) {
	return pages(limit, func(cursor string, size int32) ([]*v1.DeadLetter, string, error) {
		res, err := c.Admin.ListDeadLetters(ctx, &v1.ListDeadLettersRequest{Queue: queue, Filter: filter, Cursor: cursor, Limit: size})
		return res.GetLetters(), res.GetNextCursor(), err
	})
}

func (a *app) dlqList() *cobra.Command {
	var filter string
	var limit int
	cmd := &cobra.Command{
		Use: "ls QUEUE", Short: "list the dead letters of a queue", Args: wants("QUEUE"),
		Long:              "List the dead letters of a queue in the order of their deaths.",
		Example:           "taskq dlq ls emails --filter 'error~timeout age<1d'",
		ValidArgsFunction: a.completes(queueNames),
		RunE: a.calls(func(ctx context.Context, c *target.Client, args []string) error {
			all, next, err := letters(ctx, c, args[0], filter, limit)
			if err != nil {
				return err
			}
			defer a.more(next, len(all))
			return a.show(&v1.ListDeadLettersResponse{Letters: all, NextCursor: next}, terminal.Items(all), a.table(letterTable(all, time.Now())))
		}),
	}
	filterFlag(cmd, &filter)
	limitFlag(cmd, &limit)
	return cmd
}

func letterTable(all []*v1.DeadLetter, now time.Time) *terminal.Table {
	t := terminal.NewTable(
		terminal.Column{Name: "ID"}, terminal.Column{Name: "TYPE", Shrinks: true, Least: 6}, terminal.Column{Name: "DIED", Right: true}, terminal.Column{Name: "ERROR", Shrinks: true},
		terminal.Column{Name: "RUNS", Right: true, Optional: true}, terminal.Column{Name: "GROUP", Optional: true}, terminal.Column{Name: "REDRIVEN", Right: true, Optional: true}, terminal.Column{Name: "PAYLOAD", Shrinks: true, Optional: true},
	)
	for _, l := range all {
		t.Row(l.GetId(), l.GetType(), from(now, l.GetDiedAt()), terminal.Cell{Text: l.GetReason(), Color: terminal.Red}, l.GetRuns(), l.GetGroup(), l.GetRedriveCount(), payload(l.GetPayload()))
	}
	return t
}

func (a *app) dlqGroups() *cobra.Command {
	var req v1.GroupDeadLettersRequest
	cmd := &cobra.Command{
		Use: "groups QUEUE", Short: "count dead letters by what their errors have in common", Args: wants("QUEUE"),
		Long:              "Count the dead letters of a queue by what their errors have in common. The filter group:ID chooses those of a group.",
		Example:           "taskq dlq groups emails",
		ValidArgsFunction: a.completes(queueNames),
		RunE: a.calls(func(ctx context.Context, c *target.Client, args []string) error {
			req.Queue = args[0]
			res, err := c.Admin.GroupDeadLetters(ctx, &req)
			if err != nil {
				return err
			}
			t := terminal.NewTable(
				terminal.Column{Name: "GROUP"}, terminal.Column{Name: "COUNT", Right: true}, terminal.Column{Name: "TYPE", Shrinks: true, Least: 8}, terminal.Column{Name: "ERROR", Shrinks: true, Least: 24},
				terminal.Column{Name: "LAST", Right: true}, terminal.Column{Name: "FIRST", Right: true, Optional: true}, terminal.Column{Name: "EXAMPLE", Shrinks: true, Optional: true},
			)
			now := time.Now()
			for _, g := range res.GetGroups() {
				t.Row(g.GetId(), g.GetCount(), g.GetType(), terminal.Cell{Text: g.GetPattern(), Color: terminal.Red}, from(now, g.GetLastAt()), from(now, g.GetFirstAt()), g.GetExample())
			}
			return a.show(res, terminal.Items(res.GetGroups()), a.table(t))
		}),
	}
	filterFlag(cmd, &req.Filter)
	return cmd
}

func (a *app) dlqShow() *cobra.Command {
	return &cobra.Command{
		Use: "show QUEUE ID", Short: "show a dead letter and its failed runs", Args: wants("QUEUE", "ID"),
		Example:           "taskq dlq show emails welcome-bob",
		ValidArgsFunction: a.completes(queueNames),
		RunE: a.calls(func(ctx context.Context, c *target.Client, args []string) error {
			res, err := c.Admin.GetDeadLetter(ctx, &v1.GetDeadLetterRequest{Queue: args[0], Id: args[1]})
			if err != nil {
				return err
			}
			return a.show(res, nil, func() error { return a.printLetter(res.GetLetter()) })
		}),
	}
}

func (a *app) printLetter(l *v1.DeadLetter) error {
	err := a.details("id", l.GetId(), "ref", l.GetRef(), "type", l.GetType(), "queue", l.GetQueue(), "died", exact(l.GetDiedAt()), "reason", l.GetReason(), "group", l.GetGroup(),
		"runs", fmt.Sprint(l.GetRuns()), "redriven", fmt.Sprint(l.GetRedriveCount()), "created", exact(l.GetCreatedAt()), "retries", fmt.Sprint(l.GetMaxRetries()),
		"group key", l.GetGroupKey(), "unique key", l.GetUniqueKey(), "shape", l.GetShape(), "metadata", pairs(l.GetMetadata()), "payload", payload(l.GetPayload()))
	if err != nil || len(l.GetFailedRuns()) == 0 {
		return err
	}
	fmt.Fprintln(a.Out)
	t := terminal.NewTable(
		terminal.Column{Name: "RUN", Right: true}, terminal.Column{Name: "AT"}, terminal.Column{Name: "TOOK", Right: true},
		terminal.Column{Name: "WORKER", Shrinks: true, Optional: true}, terminal.Column{Name: "ERROR", Shrinks: true},
	)
	var stacks []string
	for _, r := range l.GetFailedRuns() {
		t.Row(r.GetNumber(), exact(r.GetAt()), lasts(r.GetTook()), r.GetWorker(), terminal.Cell{Text: r.GetError(), Color: terminal.Red})
		if r.GetStack() != "" {
			stacks = append(stacks, fmt.Sprintf("stack of run %d:\n%s", r.GetNumber(), r.GetStack()))
		}
	}
	if err := a.Print(t); err != nil || len(stacks) == 0 {
		return err
	}
	_, err = fmt.Fprintf(a.Out, "\n%s\n", terminal.Visible(strings.Join(stacks, "\n")))
	return err
}

func (a *app) dlqExport() *cobra.Command {
	var filter string
	var limit int
	cmd := &cobra.Command{
		Use: "export QUEUE", Short: "write dead letters as JSON lines, without their secrets", Args: wants("QUEUE"),
		Long: `Write the dead letters of a queue to standard output, as JSON: one letter a line, the oldest death
first. Secrets in payloads are marks. The letters stay where they are.`,
		Example:           "taskq dlq export emails --filter 'age>7d' > letters.jsonl",
		ValidArgsFunction: a.completes(queueNames),
		RunE: a.calls(func(ctx context.Context, c *target.Client, args []string) error {
			progress := a.NewProgress()
			defer progress.Done()
			written := 0
			_, err := eachPage(limit, func(cursor string, size int32) (int, string, error) {
				res, err := c.Admin.ListDeadLetters(ctx, &v1.ListDeadLettersRequest{Queue: args[0], Filter: filter, Cursor: cursor, Limit: size})
				for _, l := range res.GetLetters() {
					if err := a.Line(l); err != nil {
						return 0, "", err
					}
				}
				written += len(res.GetLetters())
				progress.Set("export", int64(written), -1)
				return len(res.GetLetters()), res.GetNextCursor(), err
			})
			if err != nil {
				return err
			}
			progress.Done()
			a.Notef("%s of %s exported", many(written, "letter", "letters"), args[0])
			return nil
		}),
	}
	filterFlag(cmd, &filter)
	cmd.Flags().IntVar(&limit, "limit", 0, "how many at most; 0: all")
	return cmd
}
