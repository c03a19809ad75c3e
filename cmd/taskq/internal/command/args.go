package command

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/taskgen/taskgen/cmd/taskq/internal/exit"
	"github.com/taskgen/taskgen/cmd/taskq/internal/target"
	"github.com/taskgen/taskgen/internal/duration"
	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
)

type message = proto.Message

// wants are the arguments of a command, by what its usage calls them.
func wants(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return &exit.Error{Code: exit.Usage, Err: fmt.Errorf("%s wants %s", cmd.CommandPath(), strings.Join(names, " ")), Hint: "usage: " + cmd.UseLine()}
		case len(args) > len(names):
			return &exit.Error{Code: exit.Usage, Err: fmt.Errorf("%s does not take %q", cmd.CommandPath(), args[len(names)]), Hint: "usage: " + cmd.UseLine()}
		}
		return nil
	}
}

// wantsFrom is wants for any number of arguments beyond the named ones.
func wantsFrom(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < len(names) {
			return wants(names...)(cmd, args)
		}
		return nil
	}
}

// A span is the value of a flag that is a duration, with days: 14d, 90m.
type span struct {
	d   time.Duration
	set bool
}

// String implements pflag.Value.
func (s *span) String() string {
	if !s.set {
		return ""
	}
	return s.d.String()
}

// Set implements pflag.Value.
func (s *span) Set(text string) error {
	d, err := duration.Parse(text)
	if err != nil {
		return err
	}
	if d <= 0 {
		return fmt.Errorf("it is longer than 0")
	}
	s.d, s.set = d, true
	return nil
}

// Type implements pflag.Value.
func (s *span) Type() string { return "duration" }

// message is the duration in a request; nil if it was not given.
func (s *span) message() *durationpb.Duration {
	if !s.set {
		return nil
	}
	return durationpb.New(s.d)
}

// parseTime reads the value of a flag that is a time.
func parseTime(flag, text string) (*timestamppb.Timestamp, error) {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return nil, exit.Usagef("%s is a time like 2026-03-01T08:00:00Z, not %q", flag, text)
	}
	return timestamppb.New(at), nil
}

// reasonFlag adds --reason to a command that changes something.
func reasonFlag(cmd *cobra.Command, into *string) {
	cmd.Flags().StringVar(into, "reason", "", "why, for the audit record")
}

// words completes a value from a list.
func words(all ...string) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return all, cobra.ShellCompDirectiveNoFileComp
	}
}

// completionTime bounds the call that completes names: the shell waits for it.
const completionTime = 2 * time.Second

// completes makes names that a call returns the completion of the first argument.
func (a *app) completes(names func(ctx context.Context, c *target.Client) ([]string, error)) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
		defer cancel()
		a.log.collect() // nothing is printed into the command line
		c, err := a.connect(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveError
		}
		all, err := names(ctx, c)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveError
		}
		return all, cobra.ShellCompDirectiveNoFileComp
	}
}

// queueNames are those of the queues that are open.
func queueNames(ctx context.Context, c *target.Client) ([]string, error) {
	res, err := c.Monitoring.GetQueueStats(ctx, &v1.GetQueueStatsRequest{})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, q := range res.GetQueues() {
		names = append(names, q.GetQueue())
	}
	return names, nil
}

// typeNames are those of the types that are known.
func typeNames(ctx context.Context, c *target.Client) ([]string, error) {
	res, err := c.Monitoring.ListTypes(ctx, &v1.ListTypesRequest{})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, t := range res.GetTypes() {
		names = append(names, t.GetName())
	}
	return names, nil
}

// workerNames are those of the workers that live.
func workerNames(ctx context.Context, c *target.Client) ([]string, error) {
	res, err := c.Monitoring.ListWorkers(ctx, &v1.ListWorkersRequest{})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, w := range res.GetWorkers() {
		names = append(names, w.GetName())
	}
	return names, nil
}

// jobNames are the IDs of the first jobs.
func jobNames(ctx context.Context, c *target.Client) ([]string, error) {
	res, err := c.Scheduler.ListJobs(ctx, &v1.ListJobsRequest{})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, j := range res.GetJobs() {
		names = append(names, j.GetId())
	}
	return names, nil
}
