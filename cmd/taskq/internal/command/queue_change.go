package command

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/taskgen/taskgen/cmd/taskq/internal/exit"
	"github.com/taskgen/taskgen/cmd/taskq/internal/target"
	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
)

func (a *app) queuePause() *cobra.Command {
	var req v1.PauseQueueRequest
	var lasting span
	cmd := &cobra.Command{
		Use: "pause QUEUE", Short: "have a queue hand out no tasks", Args: wants("QUEUE"),
		Long:              "Have a queue hand out no tasks, until \"taskq queue resume\" or for a time. Tasks that run go on, and new ones can be enqueued.",
		Example:           "taskq queue pause emails --for 30m --reason \"mail server is down\"",
		ValidArgsFunction: a.completes(queueNames),
		RunE: a.calls(func(ctx context.Context, c *target.Client, args []string) error {
			req.Queue, req.Duration = args[0], lasting.message()
			res, err := c.Admin.PauseQueue(ctx, &req)
			if err != nil {
				return err
			}
			return a.show(res, nil, a.done("%s is paused%s", args[0], until(exact(res.GetPausedUntil()))))
		}),
	}
	cmd.Flags().Var(&lasting, "for", "how long, like 30m or 1d; else until it is resumed")
	reasonFlag(cmd, &req.Reason)
	return cmd
}

func until(at string) string {
	if at == "" {
		return ""
	}
	return " until " + at
}

func (a *app) queueResume() *cobra.Command {
	var req v1.ResumeQueueRequest
	cmd := &cobra.Command{
		Use: "resume QUEUE", Short: "have a paused queue hand out tasks again", Args: wants("QUEUE"),
		Example:           "taskq queue resume emails",
		ValidArgsFunction: a.completes(queueNames),
		RunE: a.calls(func(ctx context.Context, c *target.Client, args []string) error {
			req.Queue = args[0]
			res, err := c.Admin.ResumeQueue(ctx, &req)
			if err != nil {
				return err
			}
			return a.show(res, nil, a.done("%s hands out tasks", args[0]))
		}),
	}
	reasonFlag(cmd, &req.Reason)
	return cmd
}

func (a *app) queuePurge() *cobra.Command {
	var req v1.PurgeQueueRequest
	var agreed consent
	cmd := &cobra.Command{
		Use: "purge QUEUE", Short: "remove the tasks of a queue", Args: wants("QUEUE"),
		Long:              "Remove the tasks of a queue that no worker has, for good. Dead letters stay.",
		Example:           "taskq queue purge emails --dry-run\ntaskq queue purge emails --yes --reason \"wrong campaign\"",
		ValidArgsFunction: a.completes(queueNames),
		RunE: a.calls(func(ctx context.Context, c *target.Client, args []string) error {
			req.Queue = args[0]
			if !req.DryRun {
				if err := a.confirmPurge(ctx, c, &agreed, args[0]); err != nil {
					return err
				}
			}
			res, err := c.Admin.PurgeQueue(ctx, &req)
			if err != nil {
				return err
			}
			verb := "removed"
			if req.GetDryRun() {
				verb = "would remove"
			}
			return a.show(res, nil, a.done("%s %s of %s", verb, many(res.GetTasks(), "task", "tasks"), args[0]))
		}),
	}
	cmd.Flags().BoolVar(&req.DryRun, "dry-run", false, "only count")
	agreed.flag(cmd)
	reasonFlag(cmd, &req.Reason)
	return cmd
}

// confirmPurge says how many tasks a purge is about, and asks.
func (a *app) confirmPurge(ctx context.Context, c *target.Client, agreed *consent, queue string) error {
	if err := a.possible(agreed); err != nil || agreed.yes {
		return err
	}
	count, err := c.Admin.PurgeQueue(ctx, &v1.PurgeQueueRequest{Queue: queue, DryRun: true})
	if err != nil {
		return err
	}
	return a.confirm(agreed, fmt.Sprintf("This removes %s of %s for good.", many(count.GetTasks(), "task", "tasks"), queue), queue)
}

func (a *app) queueDelete() *cobra.Command {
	var req v1.DeleteQueueRequest
	var agreed consent
	cmd := &cobra.Command{
		Use: "delete QUEUE", Short: "delete a queue", Args: wants("QUEUE"),
		Long:              "Delete a queue for good, and its dead letter queue unless another queue has it too. A queue that still has tasks, dead ones included, is deleted only with --with-tasks. Stop its workers and producers first: a task that is enqueued meanwhile is lost.",
		Example:           "taskq queue delete images --yes --reason \"no longer made here\"",
		ValidArgsFunction: a.completes(queueNames),
		RunE: a.calls(func(ctx context.Context, c *target.Client, args []string) error {
			req.Queue = args[0]
			what := fmt.Sprintf("This deletes queue %s for good.", args[0])
			if req.WithTasks {
				what = fmt.Sprintf("This deletes queue %s for good, with its tasks and dead letters.", args[0])
			}
			if err := a.possible(&agreed); err != nil {
				return err
			}
			if err := a.confirm(&agreed, what, args[0]); err != nil {
				return err
			}
			res, err := c.Admin.DeleteQueue(ctx, &req)
			if err != nil {
				return err
			}
			return a.show(res, nil, a.done("%s is deleted", args[0]))
		}),
	}
	cmd.Flags().BoolVar(&req.WithTasks, "with-tasks", false, "delete it though it has tasks")
	agreed.flag(cmd)
	reasonFlag(cmd, &req.Reason)
	return cmd
}

func (a *app) queueCreate() *cobra.Command {
	var req v1.CreateQueueRequest
	var lease, retention span
	kind := "standard"
	cmd := &cobra.Command{
		Use: "create QUEUE", Short: "create a queue and open it", Args: wants("QUEUE"),
		Long:    "Create a queue on a provider of the server, and open it there until the server stops. One that exists with the same configuration is opened as it is.",
		Example: "taskq queue create reports --type priority --levels 3 --reason \"reports of each month\"",
		RunE: a.calls(func(ctx context.Context, c *target.Client, args []string) error {
			var ok bool
			if req.Type, ok = queueTypes[kind]; !ok {
				return exit.Usagef("--type is standard, fifo or priority, not %q", kind)
			}
			req.Queue = args[0]
			req.Visibility, req.Retention = lease.message(), retention.message()
			res, err := c.Admin.CreateQueue(ctx, &req)
			if err != nil {
				return err
			}
			return a.show(res, nil, a.done("%s is open on %s", args[0], res.GetQueue().GetProvider()))
		}),
	}
	f := cmd.Flags()
	f.StringVar(&req.Provider, "on-provider", "", "name of the provider; needed if the server has several")
	f.StringVar(&kind, "type", kind, "how it orders its tasks: standard, fifo or priority")
	f.Int32Var(&req.Levels, "levels", 0, "levels of a queue of type priority; 0: 4")
	f.Var(&lease, "visibility", "lease of a task, like 1m; else 30s")
	f.Int32Var(&req.MaxDeliveries, "max-deliveries", 0, "crashes after which a task is a suspect; 0: 10")
	f.StringVar(&req.Dlq, "dlq", "", "name of the dead letter queue; empty: QUEUE-dlq")
	f.Var(&retention, "retention", "how long a task may wait after it became due, like 14d; else without limit")
	f.Int64Var(&req.Capacity, "capacity", 0, "bound of the tasks on it; 0: that of the provider")
	reasonFlag(cmd, &req.Reason)
	_ = cmd.RegisterFlagCompletionFunc("type", words("standard", "fifo", "priority"))
	return cmd
}

var queueTypes = map[string]v1.QueueType{
	"standard": v1.QueueType_QUEUE_TYPE_STANDARD, "fifo": v1.QueueType_QUEUE_TYPE_FIFO, "priority": v1.QueueType_QUEUE_TYPE_PRIORITY,
}
