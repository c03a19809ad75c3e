package command

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	"github.com/taskgen/taskgen/cmd/taskq/internal/exit"
	"github.com/taskgen/taskgen/cmd/taskq/internal/target"
	"github.com/taskgen/taskgen/cmd/taskq/internal/terminal"
	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
)

// bulkFlags are those of commands that work on many tasks.
type bulkFlags struct {
	dryRun bool
	rate   float64
	agreed consent
}

func (b *bulkFlags) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&b.dryRun, "dry-run", false, "change nothing, only count")
	cmd.Flags().Float64Var(&b.rate, "rate", 0, "how many a second at most; 0: as fast as the broker takes them")
	b.agreed.flag(cmd)
}

// set reports whether one of the flags has been given that only many tasks have.
func (b *bulkFlags) set(cmd *cobra.Command) bool {
	return cmd.Flags().Changed("dry-run") || cmd.Flags().Changed("rate")
}

// A bulkWork is a bulk job to start.
type bulkWork struct {
	verb, noun, queue, reason string
	// harmless work is begun without a question.
	harmless bool
	start    func(ctx context.Context, o *v1.BulkOptions) (*v1.BulkJob, error)
}

// cancelTime bounds the call that stops a job, after the command was interrupted.
const cancelTime = 10 * time.Second

// runBulk asks, starts a job and stays with it until it is over. A command that is interrupted
// cancels its job.
func (a *app) runBulk(ctx context.Context, c *target.Client, flags *bulkFlags, w bulkWork) error {
	o := &v1.BulkOptions{DryRun: flags.dryRun, Rate: flags.rate, Reason: w.reason}
	if !flags.dryRun && !w.harmless && !flags.agreed.yes {
		if err := a.possible(&flags.agreed); err != nil {
			return err
		}
		count, err := a.carryOut(ctx, c, w, &v1.BulkOptions{DryRun: true, Reason: w.reason})
		if err != nil {
			return err
		}
		question := fmt.Sprintf("This would %s %s of %s.", w.verb, many(count.GetDone(), w.noun, w.noun+"s"), w.queue)
		if err := a.confirm(&flags.agreed, question, w.queue); err != nil {
			return err
		}
	}
	job, err := a.carryOut(ctx, c, w, o)
	if err != nil {
		return err
	}
	return a.showOutcome(c, job)
}

// carryOut starts a job and waits until it is over.
func (a *app) carryOut(ctx context.Context, c *target.Client, w bulkWork, o *v1.BulkOptions) (*v1.BulkJob, error) {
	job, err := w.start(ctx, o)
	if ctx.Err() != nil && !c.Local {
		return nil, &exit.Error{Code: exit.Interrupted, Err: errors.New("interrupted: the job may have begun"), Hint: "taskq bulk ls lists it then"}
	}
	if err != nil {
		return nil, err
	}
	return a.follow(ctx, c, job)
}

// follow shows how far a job is until it is over.
func (a *app) follow(ctx context.Context, c *target.Client, job *v1.BulkJob) (*v1.BulkJob, error) {
	if job.GetState() != v1.BulkState_BULK_STATE_RUNNING {
		return job, nil
	}
	if !c.Local && !job.GetDryRun() {
		a.Notef("the bulk job %s has begun", job.GetId())
	}
	job, err := a.watchJob(ctx, c, job)
	switch {
	case job.GetState() != v1.BulkState_BULK_STATE_RUNNING:
		return job, nil
	case ctx.Err() != nil:
		return a.abandon(c, job)
	case err == nil:
		err = errors.New("the server has ended the stream")
	}
	return job, &exit.Error{Code: exit.Of(err), Err: fmt.Errorf("the job %s can no longer be watched: %w", job.GetId(), err), Hint: "taskq bulk show " + job.GetId() + " says how far it is"}
}

// watchJob shows how far a job is until it is over, or can no longer be watched. It returns the
// job as it was last seen.
func (a *app) watchJob(ctx context.Context, c *target.Client, job *v1.BulkJob) (*v1.BulkJob, error) {
	progress := a.NewProgress()
	defer progress.Done()
	stream, err := c.Admin.WatchBulkJob(ctx, &v1.WatchBulkJobRequest{Id: job.GetId()})
	if err != nil {
		return job, err
	}
	for stream.Receive() {
		job = stream.Msg().GetJob()
		total := int64(-1)
		if job.Total != nil {
			total = job.GetTotal()
		}
		progress.Set(enum(job.GetKind(), "BULK_KIND_"), job.GetDone()+job.GetFailed()+job.GetSkipped(), total)
	}
	return job, errors.Join(stream.Err(), stream.Close())
}

// abandon cancels the job of a command that was interrupted. One that is done meanwhile is done.
func (a *app) abandon(c *target.Client, job *v1.BulkJob) (*v1.BulkJob, error) {
	ctx, cancel := context.WithTimeout(context.Background(), cancelTime)
	defer cancel()
	res, err := c.Admin.CancelBulkJob(ctx, &v1.CancelBulkJobRequest{Id: job.GetId(), Reason: "taskq was interrupted"})
	if err != nil {
		return job, &exit.Error{Code: exit.Interrupted, Err: fmt.Errorf("interrupted, and the job %s could not be cancelled: %w", job.GetId(), err), Hint: "taskq bulk show " + job.GetId() + " says how far it is"}
	}
	if job = res.GetJob(); job.GetState() == v1.BulkState_BULK_STATE_DONE {
		return job, nil
	}
	return job, &exit.Error{Code: exit.Interrupted, Err: fmt.Errorf("interrupted: the job is cancelled, with %d of %d done and %d failed", job.GetDone(), job.GetTotal(), job.GetFailed()), Hint: howToGoOn(c, job)}
}

func howToGoOn(c *target.Client, job *v1.BulkJob) string {
	if c.Local {
		return "to go on, run the same command again"
	}
	return "taskq bulk resume " + job.GetId() + " goes on with it"
}

// showOutcome prints a job that is over. Its exit code says how it went.
func (a *app) showOutcome(c *target.Client, job *v1.BulkJob) error {
	if err := a.show(&v1.GetBulkJobResponse{Job: job}, nil, func() error { return a.printJob(job) }); err != nil {
		return err
	}
	switch {
	case job.GetState() == v1.BulkState_BULK_STATE_FAILED:
		return &exit.Error{Code: exit.Failure, Err: fmt.Errorf("the job has stopped at an error: %s", job.GetError().GetMessage()), Hint: howToGoOn(c, job)}
	case job.GetState() == v1.BulkState_BULK_STATE_CANCELLED:
		return &exit.Error{Code: exit.Failure, Err: errors.New("the job was cancelled"), Hint: howToGoOn(c, job)}
	case job.GetDone() == 0 && onlyMissing(job):
		return exit.With(exit.NotFound, "there is none of these: %s", job.GetErrors()[0].GetError().GetMessage())
	case job.GetFailed() > 0:
		return exit.With(exit.Partial, "%d of %d could not be dealt with", job.GetFailed(), job.GetDone()+job.GetFailed())
	}
	return nil
}

// onlyMissing reports whether nothing of what a job is about was there.
func onlyMissing(job *v1.BulkJob) bool {
	for _, e := range job.GetErrors() {
		if e.GetError().GetCode() != connect.CodeNotFound.String() {
			return false
		}
	}
	return job.GetFailed() > 0 && len(job.GetErrors()) > 0
}

func (a *app) printJob(job *v1.BulkJob) error {
	total := "(not counted yet)"
	if job.Total != nil {
		total = fmt.Sprint(job.GetTotal())
	}
	done := "done"
	if job.GetDryRun() {
		done = "would be done"
	}
	var failed []string
	for _, e := range job.GetErrors() {
		failed = append(failed, e.GetId()+": "+terminal.OneLine(e.GetError().GetMessage()))
	}
	rate := ""
	if job.GetRate() > 0 {
		rate = fmt.Sprintf("%g a second", job.GetRate())
	}
	return a.details("job", job.GetId(), "kind", enum(job.GetKind(), "BULK_KIND_"), "state", bulkState(job).Text, "queue", job.GetQueue(), "filter", job.GetFilter(), "rate", rate,
		"matched", total, done, fmt.Sprint(job.GetDone()), "failed", fmt.Sprint(job.GetFailed()), "skipped", fmt.Sprint(job.GetSkipped()), "errors", strings.Join(failed, "\n"), "examples", strings.Join(job.GetExamples(), "\n"),
		"error", job.GetError().GetMessage(), "caller", job.GetCaller(), "reason", job.GetReason(), "started", exact(job.GetStartedAt()), "ended", exact(job.GetEndedAt()))
}
