package schedule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/taskgen/taskgen/runtime"
)

// claimed is how many due jobs a service takes at a time.
const claimed = 256

// maxWait is how long a service waits for the store to tell of news before it
// looks itself, and how long at most after a failure.
const maxWait = 10 * time.Second

// The pauses after a failure of the store, or before a firing is tried again.
const (
	minPause = 100 * time.Millisecond
	maxPause = time.Minute
)

// Run fires jobs until ctx ends; then it finishes the batch it is at, and returns
// nil. While the store is away or full it tries on, after pauses that grow from 100
// milliseconds to 10 seconds. When the store is closed it logs that and returns nil.
func (s *Service) Run(ctx context.Context) error {
	failures := 0
	for ctx.Err() == nil {
		_, wait, err := s.fireBatch(ctx)
		switch {
		case err == nil:
			failures = 0
			if wait < 0 || wait > maxWait {
				wait = maxWait
			}
			if wait > 0 {
				s.store.Wait(ctx, wait)
			}
		case ctx.Err() != nil:
		case errors.Is(err, errStoreClosed):
			s.log().Error("the store of jobs is closed: no more are fired", slog.Any("error", err))
			return nil
		default:
			failures++
			s.log().Error("cannot fire due jobs, trying on", slog.Any("error", err))
			// Not by the store, which ends a Wait at once while a job is due.
			sleep(ctx, min(pause(failures), maxWait))
		}
	}
	return nil
}

// errStoreClosed is the end of a Run. That a queue is closed is not.
var errStoreClosed = errors.New("job store")

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// FireDue fires the jobs that are due now, once, and returns how many tasks were
// enqueued: what Run does all the time, for tests and for programs with a timer of
// their own.
func (s *Service) FireDue(ctx context.Context) (int, error) {
	total := 0
	for {
		n, wait, err := s.fireBatch(ctx)
		if total += n; err != nil || wait != 0 {
			return total, err
		}
	}
}

// pause grows with failures in a row.
func pause(failures int) time.Duration {
	return min(minPause<<min(failures-1, 16), maxPause)
}

// fireBatch claims due jobs, enqueues their tasks, and settles them. Whatever it
// does not get to is done by whoever claims it when the lease has ended. wait is
// how long there is nothing else to do: 0 when there may be more at once.
func (s *Service) fireBatch(ctx context.Context) (n int, wait time.Duration, err error) {
	due, now, wait, err := s.store.Claim(ctx, claimed, s.cfg.Lease)
	if errors.Is(err, runtime.ErrClosed) {
		return 0, 0, fmt.Errorf("%w: %w", errStoreClosed, err)
	}
	if err != nil || len(due) == 0 {
		return 0, wait, err
	}
	// What was claimed is finished, whatever becomes of ctx: a stop leaves nothing
	// to be waited for. The lease bounds it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.Lease)
	defer cancel()
	b := batch{s: s, now: now, outcomes: make([]outcome, len(due))}
	for i, e := range due {
		b.add(i, e)
	}
	n = b.enqueue(ctx)
	if err = s.settle(ctx, due, b.outcomes, now); err == nil && !b.moved() {
		err = fmt.Errorf("the store gave out %d jobs that are not due, among them %s", len(due), due[0].ID)
	}
	return n, 0, err
}

// A batch is what is fired together.
type batch struct {
	s        *Service
	now      time.Time
	outcomes []outcome
	tasks    []*runtime.Task
	of       []firing
}

// A firing is the place of a task's job in the batch.
type firing struct {
	job int
	at  time.Time
}

// An outcome is what became of one job's firings.
type outcome struct {
	was     Body // the job as it was fired
	plan    plan
	fired   int64
	skipped int64
	last    Run
	failed  time.Time // the first firing that could not be enqueued; zero: none
	err     error
}

// add makes the tasks of one job.
func (b *batch) add(i int, e *Entry) {
	o := &b.outcomes[i]
	o.was = e.Body
	if o.plan, o.err = e.plan(b.now, b.s.cfg.MissedAfter); o.err != nil {
		return
	}
	o.skipped = o.plan.skipped
	for _, at := range o.plan.fire {
		id := e.taskID("firing", at)
		if e.Noted.TaskID == id {
			// A worker has had it: whoever enqueued it was killed before it wrote that down.
			o.fire(id, at)
			continue
		}
		t, err := b.s.task(e, id, at, b.now)
		if err != nil {
			o.failed, o.err = at, err
			return
		}
		b.tasks, b.of = append(b.tasks, t), append(b.of, firing{i, at})
	}
}

// enqueue sends the tasks and notes the answers.
func (b *batch) enqueue(ctx context.Context) (n int) {
	if len(b.tasks) == 0 {
		return 0
	}
	answers, err := b.s.m.Enqueue(ctx, b.tasks)
	for j, t := range b.tasks {
		o, at := &b.outcomes[b.of[j].job], b.of[j].at
		err := runtime.ErrorAt(err, j)
		switch {
		case !o.failed.IsZero() && !at.Before(o.failed):
			// Comes after one that failed: both are tried again, in their order.
		case err != nil && !errors.Is(err, runtime.ErrDuplicate):
			o.failed, o.err = at, err
		case err == nil && answers[j].Duplicate && answers[j].ID != t.ID:
			o.skipped++ // the one before is not done
		default:
			n++
			o.fire(t.ID, at)
		}
	}
	return n
}

// moved reports whether anything became of one of the jobs. Where nothing did, the
// store would give them out again and again.
func (b *batch) moved() bool {
	return slices.ContainsFunc(b.outcomes, func(o outcome) bool {
		return o.err != nil || o.fired+o.skipped > 0 || !o.plan.next.Equal(o.was.Next)
	})
}

func (o *outcome) fire(taskID string, at time.Time) {
	o.fired++
	o.last = Run{TaskID: taskID, Due: at, State: Enqueued}
}

// settle writes down what became of each job.
func (s *Service) settle(ctx context.Context, due []*Entry, outcomes []outcome, now time.Time) error {
	for i, e := range due {
		s.note(e, &outcomes[i], now)
	}
	err := s.store.Settle(ctx, due)
	var failed error
	for i, e := range due {
		err := runtime.ErrorAt(err, i)
		if errors.Is(err, ErrConflict) {
			err = s.settleChanged(ctx, e, &outcomes[i], now)
		}
		if err != nil && !errors.Is(err, ErrJobNotFound) {
			failed = errors.Join(failed, fmt.Errorf("write down what became of job %s: %w", e.ID, err))
		}
	}
	return failed
}

// settleChanged settles a job that was changed while it was being fired. What the
// change says of the future stays; where it cancelled the job, the task that was
// just enqueued is to go too. A job that goes on under another ID leaves it there:
// the other one tells its firings by the same seed.
func (s *Service) settleChanged(ctx context.Context, fired *Entry, o *outcome, now time.Time) error {
	cancelled := false
	err := modify(ctx, s.store, fired.ID, func(e *Entry) error {
		if cancelled = e.seed() != fired.seed(); cancelled {
			return nil // it has ended, and another job has its ID
		}
		cancelled = e.State == Cancelled && e.Handed == nil
		if e.Next.Equal(o.was.Next) && e.When.Equal(o.was.When) {
			s.note(e, o, now)
		} else {
			e.count(o)
		}
		return nil
	})
	if err != nil || !cancelled || o.fired == 0 {
		return err
	}
	return s.takeBack(ctx, fired, o.last.TaskID)
}

// note changes a job for what became of its firings.
func (s *Service) note(e *Entry, o *outcome, now time.Time) {
	e.count(o)
	if o.err != nil {
		s.postpone(e, o, now)
		return
	}
	e.Next = o.plan.next
	e.rearm()
	if e.Next.IsZero() {
		if o.fired == 0 && e.Last.TaskID == "" {
			e.State = Missing
		}
		s.end(e, now)
	}
	if o.skipped > 0 {
		s.log().Warn("firings of a job were left out", slog.String("job", string(e.ID)), slog.Int64("firings", o.skipped))
	}
}

func (e *Entry) count(o *outcome) {
	e.Fired += o.fired
	e.Skipped += o.skipped
	if o.fired > 0 && !o.last.Due.Before(e.Last.Due) {
		e.Last = o.last
		if e.State != Cancelled {
			e.State = Enqueued
		}
	}
}

// postpone has a job tried again from the firing that failed on.
func (s *Service) postpone(e *Entry, o *outcome, now time.Time) {
	if !o.failed.IsZero() {
		e.Next = o.failed
	}
	e.Failures++
	e.Error = o.err.Error()
	e.Wake = now.Add(pause(e.Failures))
	s.log().Error("a job could not be fired, to be tried again", slog.String("job", string(e.ID)), slog.Time("due", e.Next), slog.Any("error", o.err))
}
