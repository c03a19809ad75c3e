package command

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/taskgen/taskgen/cmd/taskq/internal/exit"
	"github.com/taskgen/taskgen/cmd/taskq/internal/target"
	"github.com/taskgen/taskgen/cmd/taskq/internal/terminal"
	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
)

func (a *app) taskCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "task", Short: "tasks: enqueue, look"}
	cmd.AddCommand(a.taskShow(), a.taskEnqueue())
	return cmd
}

// limitFlag adds --limit to a command that lists.
func limitFlag(cmd *cobra.Command, into *int) {
	cmd.Flags().IntVar(into, "limit", 100, "how many at most; 0: all")
}

// pageSize is how much a call that lists asks for.
const pageSize = 1000

// pages collects up to limit items of a list, page by page; all if limit is 0. next is the
// cursor of what was left out.
func pages[T any](limit int, page func(cursor string, size int32) (items []T, next string, err error)) (all []T, next string, err error) {
	if limit < 0 {
		return nil, "", exit.Usagef("--limit is %d: it is a number, or 0 for all", limit)
	}
	for {
		size := pageSize
		if limit > 0 {
			size = min(pageSize, limit-len(all))
		}
		items, cursor, err := page(next, int32(size))
		if err != nil {
			return nil, "", err
		}
		all, next = append(all, items...), cursor
		if next == "" || limit > 0 && len(all) >= limit {
			return all, next, nil
		}
	}
}

// more says that a list has been cut off.
func (a *app) more(next string, shown int) {
	if next != "" && a.format == "table" {
		a.Notef("these are the first %d: --limit 0 lists all", shown)
	}
}

// payload is how the payload of a task is shown.
func payload(text string) string {
	if text == "null" {
		return "(cannot be shown: nothing describes its type, or it is encoded)"
	}
	return text
}

// state is the state of a task in its colour.
func state(s v1.TaskState) terminal.Cell {
	colors := map[v1.TaskState]string{
		v1.TaskState_TASK_STATE_DEAD: terminal.Red, v1.TaskState_TASK_STATE_LEASED: terminal.Yellow, v1.TaskState_TASK_STATE_DONE: terminal.Green,
	}
	return terminal.Cell{Text: enum(s, "TASK_STATE_"), Color: colors[s]}
}

func (a *app) taskShow() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "show a task: where it is, and its runs", Args: wants("ID"),
		Example: "taskq task show welcome-ada",
		RunE: a.calls(func(ctx context.Context, c *target.Client, args []string) error {
			res, err := c.Queues.GetTask(ctx, &v1.GetTaskRequest{Id: args[0]})
			if err != nil {
				return err
			}
			return a.show(res, nil, func() error { return a.printTask(args[0], res) })
		}),
	}
}

func (a *app) printTask(id string, res *v1.GetTaskResponse) error {
	task, progress := res.GetTask(), ""
	if p := res.GetProgress(); p != nil {
		progress = strings.TrimSpace(fmt.Sprintf("%d of %d %s", p.GetDone(), p.GetTotal(), p.GetNote()))
	}
	shown := []string{
		"id", id, "state", state(res.GetState()).Text, "attempts", fmt.Sprint(res.GetAttempts()), "failure", res.GetFailure(), "progress", progress,
	}
	if task != nil {
		shown = append(shown, "type", task.GetType(), "queue", task.GetQueue(), "created", exact(task.GetCreatedAt()), "due", exact(task.GetDueAt()),
			"retries", fmt.Sprintf("%d of %d", task.GetRetryCount(), task.GetMaxRetries()), "timeout", optional(lasts(task.GetTimeout())),
			"group key", task.GetGroupKey(), "unique key", task.GetUniqueKey(), "encoding", task.GetEncoding(), "metadata", pairs(task.GetMetadata()), "payload", payload(task.GetPayload()))
	}
	if err := a.details(shown...); err != nil || len(res.GetRuns()) == 0 {
		return err
	}
	fmt.Fprintln(a.Out)
	t := terminal.NewTable(
		terminal.Column{Name: "RUN", Right: true}, terminal.Column{Name: "STARTED"}, terminal.Column{Name: "TOOK", Right: true}, terminal.Column{Name: "OUTCOME"},
		terminal.Column{Name: "WORKER", Shrinks: true, Optional: true}, terminal.Column{Name: "ERROR", Shrinks: true},
	)
	for _, r := range res.GetRuns() {
		took := none
		if r.GetStartedAt() != nil && r.GetEndedAt() != nil {
			took = short(r.GetEndedAt().AsTime().Sub(r.GetStartedAt().AsTime()))
		}
		t.Row(r.GetAttempt(), exact(r.GetStartedAt()), took, r.GetOutcome(), r.GetWorker(), r.GetError())
	}
	return a.Print(t)
}

// optional is a text, or nothing for none.
func optional(text string) string {
	if text == none {
		return ""
	}
	return text
}
