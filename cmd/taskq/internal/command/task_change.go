package command

import (
	"context"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/taskgen/taskgen/cmd/taskq/internal/exit"
	"github.com/taskgen/taskgen/cmd/taskq/internal/target"
	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
)

// A dueTime is the flags --in and --at.
type dueTime struct {
	in span
	at string
}

func (d *dueTime) flags(cmd *cobra.Command) {
	cmd.Flags().Var(&d.in, "in", "when it is due, from now: 30m, 1d")
	cmd.Flags().StringVar(&d.at, "at", "", "when it is due, like 2026-03-01T08:00:00Z")
}

// message is what the flags say; both are nil if they say nothing.
func (d *dueTime) message() (in *durationpb.Duration, at *timestamppb.Timestamp, err error) {
	switch {
	case d.at != "" && d.in.set:
		return nil, nil, exit.Usagef("--in and --at exclude each other")
	case d.at != "":
		at, err = parseTime("--at", d.at)
	}
	return d.in.message(), at, err
}

func (a *app) taskEnqueue() *cobra.Command {
	task := new(v1.NewTask)
	var text string
	var due dueTime
	var lasting span
	var priority, retries int32
	var metadata map[string]string
	cmd := &cobra.Command{
		Use: "enqueue TYPE", Short: "enqueue a task", Args: wants("TYPE"),
		Long: `Enqueue a task of a type that the server knows. The type decides its queue, its policy and its
keys, and its schema checks the payload. A payload with a secret belongs in a file or on standard
input: arguments are visible in the list of processes.`,
		Example:           "taskq task enqueue mail --payload '{\"to\":\"ada@example.com\"}' --in 5m\ntaskq task enqueue mail --payload @mail.json --id welcome-eve",
		ValidArgsFunction: a.completes(typeNames),
	}
	f := cmd.Flags()
	f.StringVar(&text, "payload", "{}", "payload as JSON: the text, @FILE, or - for standard input")
	f.StringVar(&task.Id, "id", "", "ID of the task, so that the command can be repeated; empty: a new one")
	f.StringVar(&task.Queue, "on", "", "queue in place of the type's")
	f.Int32Var(&priority, "priority", 0, "level in place of the type's")
	f.Int32Var(&retries, "retries", 0, "how often it is tried again, in place of the type's")
	f.Var(&lasting, "run-timeout", "how long one run may take, in place of the type's")
	f.StringToStringVar(&metadata, "metadata", nil, "metadata as KEY=VALUE, separated by commas")
	due.flags(cmd)
	cmd.RunE = a.calls(func(ctx context.Context, c *target.Client, args []string) error {
		var err error
		if task.Payload, err = a.readPayload(text); err != nil {
			return err
		}
		if task.Delay, task.DueAt, err = due.message(); err != nil {
			return err
		}
		if f.Changed("priority") {
			task.Priority = &priority
		}
		if f.Changed("retries") {
			task.MaxRetries = &retries
		}
		task.Type, task.Timeout, task.Metadata = args[0], lasting.message(), metadata
		res, err := c.Queues.Enqueue(ctx, &v1.EnqueueRequest{Task: task})
		if err != nil {
			return err
		}
		return a.show(res, nil, func() error {
			if res.GetTask().GetDuplicate() {
				a.Notef("nothing was enqueued: another task holds its unique key")
			}
			return a.details("id", res.GetTask().GetId(), "queue", res.GetTask().GetQueue(), "due", exact(res.GetTask().GetDueAt()))
		})
	})
	return cmd
}

// readPayload reads what --payload names.
func (a *app) readPayload(text string) (string, error) {
	path, isFile := strings.CutPrefix(text, "@")
	switch {
	case text == "-":
		data, err := io.ReadAll(a.In)
		return string(data), err
	case isFile:
		data, err := os.ReadFile(path)
		if err != nil {
			return "", exit.Usagef("--payload: %w", err)
		}
		return string(data), nil
	}
	return text, nil
}

func (a *app) taskReschedule() *cobra.Command {
	var due dueTime
	var reason string
	cmd := &cobra.Command{
		Use: "reschedule ID", Short: "change when a waiting task is due", Args: wants("ID"),
		Long:    "Change when a task that waits is due: now, unless --in or --at is given.",
		Example: "taskq task reschedule welcome-ada --in 10m",
		RunE: a.calls(func(ctx context.Context, c *target.Client, args []string) error {
			in, at, err := due.message()
			if err != nil {
				return err
			}
			if in != nil {
				at = timestamppb.New(time.Now().Add(in.AsDuration()))
			}
			res, err := c.Admin.RescheduleTask(ctx, &v1.RescheduleTaskRequest{Id: args[0], DueAt: at, Reason: reason})
			if err != nil {
				return err
			}
			return a.show(res, nil, a.done("%s on %s is due at %s", args[0], res.GetQueue(), exact(res.GetDueAt())))
		}),
	}
	due.flags(cmd)
	reasonFlag(cmd, &reason)
	return cmd
}
