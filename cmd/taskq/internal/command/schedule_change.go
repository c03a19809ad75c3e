package command

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/taskgen/taskgen/cmd/taskq/internal/target"
	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
)

func (a *app) scheduleRun() *cobra.Command {
	var req v1.RunNowRequest
	cmd := &cobra.Command{
		Use: "run JOB", Short: "enqueue the task of a job now, besides its schedule", Args: wants("JOB"),
		Example:           "taskq schedule run monday-mail --reason \"the one of this week failed\"",
		ValidArgsFunction: a.completes(jobNames),
		RunE: a.calls(func(ctx context.Context, c *target.Client, args []string) error {
			req.Id = args[0]
			res, err := c.Scheduler.RunNow(ctx, &req)
			if err != nil {
				return err
			}
			return a.show(res, nil, func() error { return a.details("task", res.GetTaskId()) })
		}),
	}
	reasonFlag(cmd, &req.Reason)
	return cmd
}

func (a *app) schedulePause() *cobra.Command {
	var req v1.PauseJobRequest
	cmd := &cobra.Command{
		Use: "pause JOB", Short: "keep a job from firing until it is resumed", Args: wants("JOB"),
		Example:           "taskq schedule pause monday-mail --reason holidays",
		ValidArgsFunction: a.completes(jobNames),
		RunE: a.calls(func(ctx context.Context, c *target.Client, args []string) error {
			req.Id = args[0]
			res, err := c.Scheduler.PauseJob(ctx, &req)
			if err != nil {
				return err
			}
			return a.show(res, nil, a.done("%s is paused", args[0]))
		}),
	}
	reasonFlag(cmd, &req.Reason)
	return cmd
}

func (a *app) scheduleResume() *cobra.Command {
	var req v1.ResumeJobRequest
	cmd := &cobra.Command{
		Use: "resume JOB", Short: "have a paused job fire again", Args: wants("JOB"),
		Example:           "taskq schedule resume monday-mail",
		ValidArgsFunction: a.completes(jobNames),
		RunE: a.calls(func(ctx context.Context, c *target.Client, args []string) error {
			req.Id = args[0]
			res, err := c.Scheduler.ResumeJob(ctx, &req)
			if err != nil {
				return err
			}
			return a.show(res, nil, a.done("%s fires again", args[0]))
		}),
	}
	reasonFlag(cmd, &req.Reason)
	return cmd
}

func (a *app) scheduleCancel() *cobra.Command {
	var req v1.CancelJobRequest
	var agreed consent
	cmd := &cobra.Command{
		Use: "cancel JOB", Short: "end a job for good", Args: wants("JOB"),
		Long:              "End a job for good. A task of it that is on its queue stays there.",
		Example:           "taskq schedule cancel monday-mail --yes --reason \"no more mails on Mondays\"",
		ValidArgsFunction: a.completes(jobNames),
		RunE: a.calls(func(ctx context.Context, c *target.Client, args []string) error {
			if err := a.possible(&agreed); err != nil {
				return err
			}
			if err := a.confirm(&agreed, "This ends the job "+args[0]+" for good.", args[0]); err != nil {
				return err
			}
			req.Id = args[0]
			res, err := c.Scheduler.CancelJob(ctx, &req)
			if err != nil {
				return err
			}
			return a.show(res, nil, a.done("%s is cancelled", args[0]))
		}),
	}
	agreed.flag(cmd)
	reasonFlag(cmd, &req.Reason)
	return cmd
}
