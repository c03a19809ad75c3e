package command

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/taskgen/taskgen/cmd/taskq/internal/exit"
	"github.com/taskgen/taskgen/cmd/taskq/internal/target"
	"github.com/taskgen/taskgen/cmd/taskq/internal/terminal"
	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
)

func (a *app) bulkCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "bulk", Short: "bulk jobs of a server: redrives, discards, cancels of many",
		Long: "Bulk jobs of a running server, which keeps the last thousand of them until it stops.",
	}
	cmd.AddCommand(a.bulkList(), a.bulkShow(), a.bulkCancel(), a.bulkResume())
	return cmd
}

// ofServer is calls for what a server keeps until it stops: in a process of its own there would be
// nothing.
func (a *app) ofServer(what string, run call) func(*cobra.Command, []string) error {
	return a.calls(func(ctx context.Context, c *target.Client, args []string) error {
		if c.Local {
			return exit.Usagef("%s are those of a running server: name it with -s", what)
		}
		return run(ctx, c, args)
	})
}

const bulkJobs = "bulk jobs"

func (a *app) bulkList() *cobra.Command {
	return &cobra.Command{
		Use: "ls", Short: "list the bulk jobs, the newest first", Args: wants(),
		Example: "taskq bulk ls",
		RunE: a.ofServer(bulkJobs, func(ctx context.Context, c *target.Client, _ []string) error {
			res, err := c.Admin.ListBulkJobs(ctx, &v1.ListBulkJobsRequest{})
			if err != nil {
				return err
			}
			return a.show(res, terminal.Items(res.GetJobs()), a.table(bulkTable(res.GetJobs(), time.Now())))
		}),
	}
}

func bulkTable(jobs []*v1.BulkJob, now time.Time) *terminal.Table {
	t := terminal.NewTable(
		terminal.Column{Name: "JOB"}, terminal.Column{Name: "KIND"}, terminal.Column{Name: "QUEUE", Shrinks: true, Least: 8}, terminal.Column{Name: "STATE"},
		terminal.Column{Name: "DONE", Right: true}, terminal.Column{Name: "FAILED", Right: true}, terminal.Column{Name: "TOTAL", Right: true},
		terminal.Column{Name: "STARTED", Right: true, Optional: true}, terminal.Column{Name: "SKIPPED", Right: true, Optional: true},
		terminal.Column{Name: "CALLER", Optional: true}, terminal.Column{Name: "REASON", Shrinks: true, Optional: true},
	)
	for _, j := range jobs {
		var total any = none
		if j.Total != nil {
			total = j.GetTotal()
		}
		t.Row(j.GetId(), enum(j.GetKind(), "BULK_KIND_"), j.GetQueue(), bulkState(j), j.GetDone(), counted(j.GetFailed(), terminal.Red), total, from(now, j.GetStartedAt()), j.GetSkipped(), j.GetCaller(), j.GetReason())
	}
	return t
}

// bulkState is the state of a job in its colour. One that changes nothing counts.
func bulkState(j *v1.BulkJob) terminal.Cell {
	colors := map[v1.BulkState]string{
		v1.BulkState_BULK_STATE_RUNNING: terminal.Yellow, v1.BulkState_BULK_STATE_DONE: terminal.Green,
		v1.BulkState_BULK_STATE_CANCELLED: terminal.Yellow, v1.BulkState_BULK_STATE_FAILED: terminal.Red,
	}
	text := enum(j.GetState(), "BULK_STATE_")
	switch {
	case j.GetDryRun() && j.GetState() == v1.BulkState_BULK_STATE_RUNNING:
		text = "counting"
	case j.GetDryRun() && j.GetState() == v1.BulkState_BULK_STATE_DONE:
		text = "counted"
	}
	return terminal.Cell{Text: text, Color: colors[j.GetState()]}
}

func (a *app) bulkShow() *cobra.Command {
	return &cobra.Command{
		Use: "show JOB", Short: "show a bulk job", Args: wants("JOB"),
		Example:           "taskq bulk show JOB",
		ValidArgsFunction: a.completes(bulkNames),
		RunE: a.ofServer(bulkJobs, func(ctx context.Context, c *target.Client, args []string) error {
			res, err := c.Admin.GetBulkJob(ctx, &v1.GetBulkJobRequest{Id: args[0]})
			if err != nil {
				return err
			}
			return a.show(res, nil, func() error { return a.printJob(res.GetJob()) })
		}),
	}
}

func bulkNames(ctx context.Context, c *target.Client) ([]string, error) {
	res, err := c.Admin.ListBulkJobs(ctx, &v1.ListBulkJobsRequest{})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, j := range res.GetJobs() {
		names = append(names, j.GetId())
	}
	return names, nil
}

func (a *app) bulkCancel() *cobra.Command {
	var req v1.CancelBulkJobRequest
	cmd := &cobra.Command{
		Use: "cancel JOB", Short: "stop a bulk job", Args: wants("JOB"),
		Long:              "Stop a bulk job. What it has done stays done, and \"taskq bulk resume\" goes on with it.",
		Example:           "taskq bulk cancel JOB --reason \"the mail server is down again\"",
		ValidArgsFunction: a.completes(bulkNames),
		RunE: a.ofServer(bulkJobs, func(ctx context.Context, c *target.Client, args []string) error {
			req.Id = args[0]
			res, err := c.Admin.CancelBulkJob(ctx, &req)
			if err != nil {
				return err
			}
			return a.show(res, nil, func() error { return a.printJob(res.GetJob()) })
		}),
	}
	reasonFlag(cmd, &req.Reason)
	return cmd
}

func (a *app) bulkResume() *cobra.Command {
	var req v1.ResumeBulkJobRequest
	cmd := &cobra.Command{
		Use: "resume JOB", Short: "go on with a bulk job, until it is over", Args: wants("JOB"),
		Long:              "Go on with a bulk job that was cancelled or has stopped at an error, and stay until it is over.",
		Example:           "taskq bulk resume JOB",
		ValidArgsFunction: a.completes(bulkNames),
		RunE: a.ofServer(bulkJobs, func(ctx context.Context, c *target.Client, args []string) error {
			req.Id = args[0]
			res, err := c.Admin.ResumeBulkJob(ctx, &req)
			if err != nil {
				return err
			}
			job, err := a.follow(ctx, c, res.GetJob())
			if err != nil {
				return err
			}
			return a.showOutcome(c, job)
		}),
	}
	reasonFlag(cmd, &req.Reason)
	return cmd
}
