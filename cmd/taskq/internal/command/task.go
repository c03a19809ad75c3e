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

func (a *app) taskCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "task", Short: "tasks: enqueue, look, cancel, reschedule"}
	cmd.AddCommand(a.taskList(), a.taskShow(), a.taskEnqueue(), a.taskCancel(), a.taskReschedule())
	return cmd
}

func (a *app) taskList() *cobra.Command {
	var filter string
	var limit int
	cmd := &cobra.Command{
		Use: "ls QUEUE", Short: "list the tasks of a queue", Args: wants("QUEUE"),
		Long:              "List the tasks of a queue that are ready, scheduled or leased, or those of a state of the filter.",
		Example:           "taskq task ls emails --filter 'state:ready age>5m' --limit 20",
		ValidArgsFunction: a.completes(queueNames),
		RunE: a.calls(func(ctx context.Context, c *target.Client, args []string) error {
			all, next, err := pages(limit, func(cursor string, size int32) ([]*v1.ListedTask, string, error) {
				res, err := c.Admin.ListTasks(ctx, &v1.ListTasksRequest{Queue: args[0], Filter: filter, Cursor: cursor, Limit: size})
				return res.GetTasks(), res.GetNextCursor(), err
			})
			if err != nil {
				return err
			}
			defer a.more(next, len(all))
			return a.show(&v1.ListTasksResponse{Tasks: all, NextCursor: next}, terminal.Items(all), a.table(taskTable(all, time.Now())))
		}),
	}
	filterFlag(cmd, &filter)
	limitFlag(cmd, &limit)
	return cmd
}

func taskTable(tasks []*v1.ListedTask, now time.Time) *terminal.Table {
	t := terminal.NewTable(
		terminal.Column{Name: "ID"}, terminal.Column{Name: "TYPE", Shrinks: true, Least: 8}, terminal.Column{Name: "STATE"},
		terminal.Column{Name: "DUE", Right: true}, terminal.Column{Name: "FAILED", Right: true}, terminal.Column{Name: "PAYLOAD", Shrinks: true, Optional: true},
	)
	for _, listed := range tasks {
		task := listed.GetTask()
		t.Row(task.GetId(), task.GetType(), state(listed.GetState()), from(now, task.GetDueAt()), task.GetRetryCount(), payload(task.GetPayload()))
	}
	return t
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
			"group key", task.GetGroupKey(), "unique key", task.GetUniqueKey(), "encoding", task.GetEncoding(), "shape", task.GetShape(), "metadata", pairs(task.GetMetadata()), "payload", payload(task.GetPayload()))
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
