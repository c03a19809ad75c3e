package command

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/taskgen/taskgen/cmd/taskq/internal/exit"
	"github.com/taskgen/taskgen/cmd/taskq/internal/target"
	"github.com/taskgen/taskgen/cmd/taskq/internal/terminal"
	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
)

func (a *app) scheduleCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "schedule", Short: "jobs, which enqueue tasks by the clock"}
	cmd.AddCommand(a.scheduleList(), a.scheduleShow(), a.scheduleNext(), a.scheduleRun(), a.schedulePause(), a.scheduleResume(), a.scheduleCancel())
	return cmd
}

func (a *app) scheduleList() *cobra.Command {
	var req v1.ListJobsRequest
	var state string
	var limit int
	cmd := &cobra.Command{
		Use: "ls", Short: "list the jobs", Args: wants(),
		Example: "taskq schedule ls --type report",
	}
	f := cmd.Flags()
	f.StringVar(&req.Owner, "owner", "", "only those of this owner")
	f.StringVar(&req.Type, "type", "", "only those whose tasks have this type")
	f.StringVar(&req.Queue, "on", "", "only those whose tasks are for this queue")
	f.StringVar(&state, "state", "", "only those in this state: scheduled, enqueued, running, succeeded, failed, dead, missing, cancelled")
	limitFlag(cmd, &limit)
	_ = cmd.RegisterFlagCompletionFunc("type", a.completes(typeNames))
	_ = cmd.RegisterFlagCompletionFunc("on", a.completes(queueNames))
	cmd.RunE = a.calls(func(ctx context.Context, c *target.Client, _ []string) error {
		var err error
		if req.State, err = jobState(state); err != nil {
			return err
		}
		all, next, err := pages(limit, func(cursor string, size int32) ([]*v1.Job, string, error) {
			req.Cursor, req.Limit = cursor, size
			res, err := c.Scheduler.ListJobs(ctx, &req)
			return res.GetJobs(), res.GetNextCursor(), err
		})
		if err != nil {
			return err
		}
		defer a.more(next, len(all))
		return a.show(&v1.ListJobsResponse{Jobs: all, NextCursor: next}, terminal.Items(all), a.table(jobTable(all, time.Now())))
	})
	return cmd
}

// jobState reads the value of --state.
func jobState(text string) (v1.JobState, error) {
	if text == "" {
		return v1.JobState_JOB_STATE_UNSPECIFIED, nil
	}
	for value := range v1.JobState_name {
		if s := v1.JobState(value); value != 0 && enum(s, "JOB_STATE_") == text {
			return s, nil
		}
	}
	return 0, exit.Usagef("--state: there is no state %q of jobs", text)
}

func jobTable(jobs []*v1.Job, now time.Time) *terminal.Table {
	t := terminal.NewTable(
		terminal.Column{Name: "JOB", Shrinks: true}, terminal.Column{Name: "WHEN", Shrinks: true}, terminal.Column{Name: "NEXT", Right: true}, terminal.Column{Name: "STATE"},
		terminal.Column{Name: "TYPE", Shrinks: true}, terminal.Column{Name: "FIRED", Right: true, Optional: true}, terminal.Column{Name: "SKIPPED", Right: true, Optional: true},
		terminal.Column{Name: "QUEUE", Optional: true}, terminal.Column{Name: "OWNER", Optional: true}, terminal.Column{Name: "ERROR", Shrinks: true, Optional: true},
	)
	for _, j := range jobs {
		errText := j.GetError()
		if errText == "" {
			errText = j.GetLast().GetError()
		}
		t.Row(j.GetId(), when(j.GetWhen()), from(now, j.GetNext()), jobCell(j), j.GetTask().GetType(), j.GetFired(), j.GetSkipped(), j.GetTask().GetQueue(), j.GetOwner(), terminal.Cell{Text: errText, Color: terminal.Red})
	}
	return t
}

// jobCell is the state of a job in its colour.
func jobCell(j *v1.Job) terminal.Cell {
	if j.GetPaused() {
		return terminal.Cell{Text: "paused", Color: terminal.Yellow}
	}
	colors := map[v1.JobState]string{
		v1.JobState_JOB_STATE_FAILED: terminal.Red, v1.JobState_JOB_STATE_DEAD: terminal.Red, v1.JobState_JOB_STATE_UNREADABLE: terminal.Red,
		v1.JobState_JOB_STATE_MISSING: terminal.Yellow, v1.JobState_JOB_STATE_RUNNING: terminal.Yellow, v1.JobState_JOB_STATE_SUCCEEDED: terminal.Green,
	}
	return terminal.Cell{Text: enum(j.GetState(), "JOB_STATE_"), Color: colors[j.GetState()]}
}

// when says when a job is due.
func when(w *v1.When) string {
	switch w := w.GetWhen().(type) {
	case *v1.When_At:
		return "at " + exact(w.At)
	case *v1.When_In:
		return "in " + short(w.In.AsDuration())
	case *v1.When_Every:
		return "every " + short(w.Every.AsDuration())
	case *v1.When_Cron:
		if zone := w.Cron.GetZone(); zone != "" {
			return w.Cron.GetExpression() + " (" + zone + ")"
		}
		return w.Cron.GetExpression()
	}
	return none
}

func (a *app) scheduleShow() *cobra.Command {
	return &cobra.Command{
		Use: "show JOB", Short: "show a job and its last firing", Args: wants("JOB"),
		Example:           "taskq schedule show monday-mail",
		ValidArgsFunction: a.completes(jobNames),
		RunE: a.calls(func(ctx context.Context, c *target.Client, args []string) error {
			res, err := c.Scheduler.GetJobStatus(ctx, &v1.GetJobStatusRequest{Id: args[0], Upcoming: 3})
			if err != nil {
				return err
			}
			return a.show(res, nil, func() error { return a.printScheduled(res.GetJob()) })
		}),
	}
}

func (a *app) printScheduled(j *v1.Job) error {
	last := ""
	if l := j.GetLast(); l != nil {
		last = fmt.Sprintf("task %s, due %s, %s", l.GetTaskId(), exact(l.GetDueAt()), enum(l.GetState(), "JOB_STATE_"))
		if l.GetError() != "" {
			last += ": " + l.GetError()
		}
	}
	missed := enum(j.GetMissed(), "MISSED_")
	if j.GetMissed() == v1.Missed_MISSED_FIRE_ALL {
		missed += fmt.Sprintf(", at most %d", j.GetMaxMissed())
	}
	return a.details("job", j.GetId(), "state", jobCell(j).Text, "when", when(j.GetWhen()), "next", exact(j.GetNext()), "then", times(j), "error", j.GetError(), "last", last,
		"fired", fmt.Sprint(j.GetFired()), "skipped", fmt.Sprint(j.GetSkipped()), "overlap", enum(j.GetOverlap(), "OVERLAP_"), "missed", missed, "jitter", optional(lasts(j.GetJitter())),
		"type", j.GetTask().GetType(), "queue", j.GetTask().GetQueue(), "payload", payload(j.GetTask().GetPayload()), "owner", j.GetOwner(), "created", exact(j.GetCreatedAt()), "changed", exact(j.GetUpdatedAt()))
}

// times are the next times of a job behind the first.
func times(j *v1.Job) string {
	text := ""
	for i, at := range j.GetUpcoming() {
		if i > 0 {
			text += exact(at) + "\n"
		}
	}
	return text
}

func (a *app) scheduleNext() *cobra.Command {
	var count int32
	cmd := &cobra.Command{
		Use: "next JOB", Short: "print the next times of a recurring job", Args: wants("JOB"),
		Example:           "taskq schedule next monday-mail --count 5",
		ValidArgsFunction: a.completes(jobNames),
		RunE: a.calls(func(ctx context.Context, c *target.Client, args []string) error {
			res, err := c.Scheduler.GetJobStatus(ctx, &v1.GetJobStatusRequest{Id: args[0], Upcoming: count})
			if err != nil {
				return err
			}
			return a.show(res, nil, func() error {
				for _, at := range res.GetJob().GetUpcoming() {
					fmt.Fprintln(a.Out, exact(at))
				}
				return nil
			})
		}),
	}
	cmd.Flags().Int32Var(&count, "count", 10, "how many: 1 to 100")
	return cmd
}
