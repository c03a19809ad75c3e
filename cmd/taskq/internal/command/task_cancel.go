package command

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/taskgen/taskgen/cmd/taskq/internal/exit"
	"github.com/taskgen/taskgen/cmd/taskq/internal/target"
	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
)

func (a *app) taskCancel() *cobra.Command {
	var queue, filter, reason string
	var bulk bulkFlags
	cmd := &cobra.Command{
		Use: "cancel [ID…]", Short: "cancel tasks",
		Long: `Cancel tasks: one that waits is removed, and the worker that runs one is told to stop it and does
not try it again. With --on those of a queue that wait and match the filter are removed, after a
question.`,
		Example: "taskq task cancel welcome-ada --reason \"unsubscribed\"\ntaskq task cancel --on emails --filter type:mail --dry-run",
	}
	cmd.Flags().StringVar(&queue, "on", "", "queue whose waiting tasks are removed, in place of IDs")
	filterFlag(cmd, &filter)
	bulk.flags(cmd)
	reasonFlag(cmd, &reason)
	_ = cmd.RegisterFlagCompletionFunc("on", a.completes(queueNames))
	cmd.RunE = a.calls(func(ctx context.Context, c *target.Client, args []string) error {
		switch {
		case queue == "" && len(args) == 0:
			return exit.Usagef("name tasks by their IDs, or a queue with --on")
		case queue != "" && len(args) > 0:
			return exit.Usagef("--on is for the tasks of a queue: give no IDs with it")
		case queue == "" && (filter != "" || bulk.set(cmd)):
			return exit.Usagef("--filter, --dry-run and --rate are for many tasks: name their queue with --on")
		case queue == "":
			return a.cancelEach(ctx, c, args, reason)
		}
		return a.runBulk(ctx, c, &bulk, bulkWork{verb: "cancel", noun: "task", queue: queue, reason: reason, start: func(ctx context.Context, o *v1.BulkOptions) (*v1.BulkJob, error) {
			res, err := c.Admin.CancelTasks(ctx, &v1.CancelTasksRequest{Queue: queue, Filter: filter, Options: o})
			return res.GetJob(), err
		}})
	})
	return cmd
}

// A cancelled task is what became of one that was to be cancelled.
type cancelled struct {
	ID string `json:"id"`
	// Removed says that it waited and is gone. Else the workers were told to stop it.
	Removed   bool     `json:"removed"`
	WorkerIDs []string `json:"workerIds"`
	// Error says why it could not be cancelled; empty if it could.
	Error string `json:"error"`
}

// String is what people are told.
func (t *cancelled) String() string {
	switch {
	case t.Error != "":
		return t.ID + ": " + t.Error
	case t.Removed:
		return t.ID + " is cancelled"
	}
	return fmt.Sprintf("%s runs: %s told to stop it", t.ID, many(len(t.WorkerIDs), "worker was", "workers were"))
}

// cancelEach cancels tasks by their IDs, and goes on behind one that fails.
func (a *app) cancelEach(ctx context.Context, c *target.Client, ids []string, reason string) error {
	var all []*cancelled
	var failed []error
	for _, id := range ids {
		res, err := c.Admin.CancelTask(ctx, &v1.CancelTaskRequest{Id: id, Reason: reason})
		if err != nil && (len(ids) == 1 || ctx.Err() != nil) {
			return err
		}
		t := &cancelled{ID: id, Removed: res.GetRemoved(), WorkerIDs: append([]string{}, res.GetWorkerIds()...)}
		if err != nil {
			t.Error, failed = err.Error(), append(failed, err)
		}
		all = append(all, t)
	}
	err := showList(a, "tasks", all, func() error {
		for _, t := range all {
			a.Notef("%s", t)
		}
		return nil
	})
	switch {
	case err != nil || len(failed) == 0:
		return err
	case len(failed) == len(ids):
		return exit.With(exit.Of(failed[0]), "none of the %d tasks could be cancelled", len(ids))
	}
	return exit.With(exit.Partial, "%d of %d tasks could not be cancelled", len(failed), len(ids))
}
