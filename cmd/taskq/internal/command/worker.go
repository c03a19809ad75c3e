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

func (a *app) workerCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "worker", Short: "the workers of the fleet"}
	cmd.AddCommand(a.workerList(), a.workerQuiet(), a.workerResume())
	return cmd
}

func (a *app) workerList() *cobra.Command {
	return &cobra.Command{
		Use: "ls", Short: "list the workers", Args: wants(),
		Example: "taskq worker ls",
		RunE: a.calls(func(ctx context.Context, c *target.Client, _ []string) error {
			res, err := c.Monitoring.ListWorkers(ctx, &v1.ListWorkersRequest{})
			if err != nil {
				return err
			}
			return a.show(res, terminal.Items(res.GetWorkers()), a.table(workerTable(res.GetWorkers(), time.Now())))
		}),
	}
}

func workerTable(workers []*v1.Worker, now time.Time) *terminal.Table {
	t := terminal.NewTable(
		terminal.Column{Name: "WORKER", Shrinks: true}, terminal.Column{Name: "BUSY", Right: true}, terminal.Column{Name: "STATE", Shrinks: true},
		terminal.Column{Name: "HEARD", Right: true}, terminal.Column{Name: "QUEUES", Shrinks: true}, terminal.Column{Name: "UP", Right: true, Optional: true},
		terminal.Column{Name: "HOST", Shrinks: true, Optional: true}, terminal.Column{Name: "PID", Right: true, Optional: true}, terminal.Column{Name: "PROGRAM", Shrinks: true, Optional: true}, terminal.Column{Name: "ID", Shrinks: true, Optional: true},
	)
	for _, w := range workers {
		var queues []string
		for _, q := range w.GetQueues() {
			queues = append(queues, q.GetName())
		}
		var up any = none
		if w.GetStartedAt() != nil {
			up = short(now.Sub(w.GetStartedAt().AsTime()))
		}
		t.Row(w.GetName(), fmt.Sprintf("%d/%d", w.GetBusy(), w.GetSlots()), workerState(w), from(now, w.GetHeartbeatAt()), list(queues), up, w.GetHost(), w.GetPid(), program(w.GetBuild()), w.GetId())
	}
	return t
}

func workerState(w *v1.Worker) terminal.Cell {
	switch {
	case w.GetError() != "":
		return terminal.Cell{Text: w.GetError(), Color: terminal.Red}
	case w.GetQuiet():
		return terminal.Cell{Text: "quiet", Color: terminal.Yellow}
	}
	return terminal.Cell{Text: "works", Color: terminal.Green}
}

// program is what program a worker is.
func program(b *v1.Build) string {
	return strings.TrimSpace(strings.Join([]string{b.GetPath(), b.GetVersion()}, " "))
}

func (a *app) workerQuiet() *cobra.Command {
	var req v1.QuietWorkerRequest
	cmd := &cobra.Command{
		Use: "quiet WORKER", Short: "have a worker begin no more tasks", Args: wants("WORKER"),
		Long:              "Have a worker, named by its name or ID, begin no more tasks. Those that it runs go on.",
		Example:           "taskq worker quiet mail-1 --reason \"moves to another host\"",
		ValidArgsFunction: a.completes(workerNames),
		RunE: a.calls(func(ctx context.Context, c *target.Client, args []string) error {
			req.Worker = args[0]
			res, err := c.Admin.QuietWorker(ctx, &req)
			if err != nil {
				return err
			}
			return a.show(res, nil, a.done("%s is told to begin no more tasks", args[0]))
		}),
	}
	reasonFlag(cmd, &req.Reason)
	return cmd
}

func (a *app) workerResume() *cobra.Command {
	var req v1.ResumeWorkerRequest
	cmd := &cobra.Command{
		Use: "resume WORKER", Short: "have a quiet worker begin tasks again", Args: wants("WORKER"),
		Example:           "taskq worker resume mail-1",
		ValidArgsFunction: a.completes(workerNames),
		RunE: a.calls(func(ctx context.Context, c *target.Client, args []string) error {
			req.Worker = args[0]
			res, err := c.Admin.ResumeWorker(ctx, &req)
			if err != nil {
				return err
			}
			return a.show(res, nil, a.done("%s is told to begin tasks again", args[0]))
		}),
	}
	reasonFlag(cmd, &req.Reason)
	return cmd
}
