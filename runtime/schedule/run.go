package schedule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/schedule/jobstore"
)

// claimBatch is how many due jobs a service claims at a time.
const claimBatch = 256

// maxWait is how long a service waits for a signal of the store before it checks by
// itself, and how long at most after a failure.
const maxWait = 10 * time.Second

// The pauses after a failure of the store, or before a firing is retried.
const (
	minBackoff = 100 * time.Millisecond
	maxBackoff = time.Minute
)

// Run fires jobs until ctx ends; then it finishes its batch and returns nil. While the
// store is unreachable or full it keeps trying, after pauses that grow from 100
// milliseconds to 10 seconds. When the store is closed it logs that and returns nil.
func (s *Service) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	if now, err := s.now(ctx); err == nil { // else the loop reports it
		// A process that has ended may have had a wrong clock.
		wg.Go(func() { s.correctWakes(ctx, now, false) })
	}
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
				s.store.Wait(ctx, s.canFire, wait)
			}
		case ctx.Err() != nil:
		case errors.Is(err, errStoreClosed):
			s.log().Error("the job store is closed: no more jobs are fired", slog.Any("error", err))
			return nil
		default:
			failures++
			s.log().Error("cannot fire due jobs, will keep trying", slog.Any("error", err))
			// Not with Wait, which returns at once while a job is due.
			sleep(ctx, min(backoff(failures), maxWait))
		}
	}
	return nil
}

// errStoreClosed ends a Run. A closed queue does not.
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
// enqueued. Run does so continuously; FireDue is for tests and for programs with their
// own timer.
func (s *Service) FireDue(ctx context.Context) (int, error) {
	total := 0
	for {
		n, wait, err := s.fireBatch(ctx)
		if total += n; err != nil || wait != 0 {
			return total, err
		}
	}
}

// backoff grows with consecutive failures.
func backoff(failures int) time.Duration {
	return min(minBackoff<<min(failures-1, 16), maxBackoff)
}

// fireBatch claims due jobs, enqueues their tasks, and settles them, in steps that fit
// in the lease. It gives back the jobs that it does not get to. The jobs that it cannot
// handle are claimed by others when the lease has ended. wait is how long there is
// nothing else to do: 0 if there may be more at once.
func (s *Service) fireBatch(ctx context.Context) (n int, wait time.Duration, err error) {
	began := time.Now()
	due, now, wait, err := s.store.Claim(ctx, s.canFire, claimBatch, s.cfg.Lease)
	if errors.Is(err, runtime.ErrClosed) {
		return 0, 0, fmt.Errorf("%w: %w", errStoreClosed, err)
	}
	if err != nil {
		return 0, wait, err
	}
	s.measureSkew(now)
	defer s.detectStepBack(ctx, now)
	if len(due) == 0 {
		return 0, wait, nil
	}
	// Claimed jobs are finished even if ctx ends: after a stop nothing has to wait for a
	// lease. The lease bounds this.
	ctx = context.WithoutCancel(ctx)
	due, back := s.partition(due)
	for first := true; len(due) > 0 && (first || time.Since(began) < s.cfg.Lease/3); first = false {
		b := s.newBatch(due, now)
		due = due[len(b.due):]
		n += b.enqueue(ctx)
		if err := b.settle(ctx); err != nil {
			return n, 0, err
		}
	}
	for _, e := range append(back, due...) {
		e.Leased = time.Time{}
	}
	if back = append(back, due...); len(back) > 0 {
		ctx, cancel := context.WithTimeout(ctx, s.cfg.Lease/3)
		defer cancel()
		_ = s.store.Settle(ctx, back) // otherwise their lease expires
	}
	return n, 0, err
}

// partition returns the jobs that this scheduler can fire, and those to give back, whose needs
// the store did not know. An unreadable job stays leased, so that it does not delay
// others.
func (s *Service) partition(due []*Entry) (can, back []*Entry) {
	var unreadable []*Entry
	for _, e := range due {
		switch {
		case e.Unreadable != nil:
			unreadable = append(unreadable, e)
		case s.canFire(e.Needs()) && !e.Wake.IsZero():
			can = append(can, e)
		default: // such as a job that was paused while it was fired
			back = append(back, e)
		}
	}
	if len(unreadable) > 0 {
		s.log().Error("due jobs cannot be read and are set aside", slog.Int("jobs", len(unreadable)),
			slog.String("job", string(unreadable[0].ID)), slog.Any("error", unreadable[0].Err))
	}
	return can, back
}

// A batch is the firings of one step.
type batch struct {
	s        *Service
	now      time.Time
	due      []*Entry
	outcomes []outcome
	tasks    []*runtime.Task
	firings  []firing
}

// A firing is the job of a task, by its position in the batch, and its time.
type firing struct {
	job int
	at  time.Time
}

// An outcome is the outcome of one job's firings.
type outcome struct {
	was          jobstore.Body // the job as it was fired
	leased       time.Time
	plan         plan
	fired        int64
	skipped      int64
	last         Run
	failed       time.Time // the first firing that could not be enqueued; zero: none
	err          error
	leftToOthers bool // only another scheduler may be able to fire it: it is tried again after the time of a lease
}

// newBatch makes the tasks of the first due jobs: as many as fit in one step. A job with
// more tasks continues in another step.
func (s *Service) newBatch(due []*Entry, now time.Time) *batch {
	b := &batch{s: s, now: now}
	for _, e := range due {
		room := s.step() - len(b.tasks)
		if room <= 0 {
			break
		}
		b.add(e, room)
	}
	return b
}

// add makes the tasks of one job, at most room.
func (b *batch) add(e *Entry, room int) {
	b.due, b.outcomes = append(b.due, e), append(b.outcomes, outcome{was: e.Body, leased: e.Leased})
	o := &b.outcomes[len(b.outcomes)-1]
	if o.plan, o.err = planOf(e, b.now, b.s.cfg.MissedAfter, room); o.err != nil {
		o.leftToOthers = true // another build may read the expression
		return
	}
	if _, o.err = b.s.unsealed(e); o.err != nil {
		o.leftToOthers = true // another process may have the key
		return
	}
	o.skipped = o.plan.skipped
	for _, at := range o.plan.fire {
		id := taskIDOf(e, "firing", at)
		if e.Noted.TaskID == id {
			// A worker has had it: the service that enqueued it was killed before it
			// recorded that.
			o.fire(id, at)
			continue
		}
		t, err := b.s.task(e, id, at, b.now)
		if err != nil {
			o.failed, o.err = at, err
			return
		}
		b.tasks, b.firings = append(b.tasks, t), append(b.firings, firing{len(b.due) - 1, at})
	}
}

// The tasks of one step: a few at first, and more while the broker is quick.
const (
	firstStep = 100
	maxStep   = 1000
)

// step is how many tasks are enqueued at a time.
func (s *Service) step() int { return int(s.stepSize.Load()) }

// adaptStep sizes the next steps so that they take a small part of the lease.
func (s *Service) adaptStep(sent int, took time.Duration) {
	switch step := s.stepSize.Load(); {
	case took > s.cfg.Lease/12:
		s.stepSize.Store(max(min(step, int64(sent))/2, 1))
	case took < s.cfg.Lease/48 && int64(sent) >= step/2:
		s.stepSize.Store(min(2*step, maxStep))
	}
}

// enqueue enqueues the tasks and records the answers.
func (b *batch) enqueue(ctx context.Context) (n int) {
	if len(b.tasks) == 0 {
		return 0
	}
	ctx, cancel := context.WithTimeout(ctx, b.s.cfg.Lease/3)
	defer cancel()
	began := time.Now()
	answers, err := b.s.m.Enqueue(ctx, b.tasks)
	b.s.adaptStep(len(b.tasks), time.Since(began))
	for j, t := range b.tasks {
		o, at := &b.outcomes[b.firings[j].job], b.firings[j].at
		err := runtime.ErrorAt(err, j)
		switch {
		case !o.failed.IsZero() && !at.Before(o.failed):
			// Comes after one that failed: both are retried, in order.
		case err != nil && !errors.Is(err, runtime.ErrDuplicate):
			o.failed, o.err = at, err
		case err == nil && answers[j].Duplicate && answers[j].ID != t.ID:
			o.skipped++ // the previous task is not done
		default:
			n++
			o.fire(t.ID, at)
		}
	}
	return n
}

// progressed reports whether any of the jobs made progress. If none did, the store would give
// them out again and again.
func (b *batch) progressed() bool {
	return slices.ContainsFunc(b.outcomes, func(o outcome) bool {
		return o.err != nil || o.fired+o.skipped > 0 || !o.plan.next.Equal(o.was.Next)
	})
}

func (o *outcome) fire(taskID string, at time.Time) {
	o.fired++
	o.last = Run{TaskID: taskID, Due: at, State: Enqueued}
}

// settle records the outcome of each job, with its own time limit: it also records the
// tasks of an enqueue that took too long.
func (b *batch) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, b.s.cfg.Lease/3)
	defer cancel()
	var left error
	for i, e := range b.due {
		o := &b.outcomes[i]
		if o.leftToOthers {
			left = errors.Join(left, fmt.Errorf("job %s is left to other schedulers: %w", e.ID, o.err))
			e.Wake, e.Leased = b.now.Add(b.s.cfg.Lease), time.Time{}
		} else {
			b.s.recordOutcome(e, o, b.now)
		}
	}
	if left != nil {
		b.s.log().Error("due jobs cannot be fired here", slog.Any("error", left))
	}
	err := b.s.store.Settle(ctx, b.due)
	var failed error
	for i, e := range b.due {
		err := runtime.ErrorAt(err, i)
		if errors.Is(err, ErrConflict) {
			err = nil
			if !b.outcomes[i].leftToOthers {
				err = b.s.settleChanged(ctx, e, &b.outcomes[i], b.now)
			}
		}
		if err != nil && !errors.Is(err, ErrJobNotFound) {
			failed = errors.Join(failed, fmt.Errorf("record the outcome of job %s: %w", e.ID, err))
		}
	}
	if failed == nil && !b.progressed() {
		failed = fmt.Errorf("the store gave out %d jobs that are not due, among them %s", len(b.due), b.due[0].ID)
	}
	return failed
}

// settleChanged settles a job that was changed while it was being fired. It keeps what
// the change says about the future. If the change cancelled the job, the task that was
// just enqueued is cancelled too. For a job that continues under another ID it settles
// the new one, which has the same seed and the same lease.
func (s *Service) settleChanged(ctx context.Context, fired *Entry, o *outcome, now time.Time) error {
	cancelled, handedTo := false, JobID("")
	err := modify(ctx, s.store, fired.ID, func(e *Entry) error {
		if e.Unreadable != nil {
			return nil // a later build has changed it
		}
		if e.Leased.Equal(o.leased) {
			e.Leased = time.Time{} // still this service's lease
		}
		handedTo = ""
		if cancelled = seedOf(e) != seedOf(fired); cancelled {
			return nil // it has ended, and another job has its ID
		}
		cancelled = e.State == Cancelled && e.Handed == nil
		if e.State == Cancelled && e.Handed != nil {
			handedTo = e.Handed.To
		}
		switch {
		case !e.Next.Equal(o.was.Next):
			addCounts(e, o)
		case e.When.Equal(o.was.When):
			s.recordOutcome(e, o, now)
		default:
			return s.recordUnderOldSchedule(e, o, now)
		}
		return nil
	})
	if err == nil && handedTo != "" {
		next := *fired
		next.ID, next.Seed = handedTo, seedOf(fired)
		if err = s.settleChanged(ctx, &next, o, now); errors.Is(err, ErrJobNotFound) {
			err = nil // the handover is not finished
		}
		return err
	}
	if err != nil || !cancelled || o.fired == 0 {
		return err
	}
	return s.cancelTask(ctx, fired, o.last.TaskID)
}

// recordUnderOldSchedule is recordOutcome for a job that got another schedule but is still
// due by the previous one: its firings count.
func (s *Service) recordUnderOldSchedule(e *Entry, o *outcome, now time.Time) error {
	times, err := timetableOf(e.When)
	if err != nil {
		return err
	}
	by := *o
	by.plan.next = time.Time{}
	if e.When.Recurring() {
		by.plan.next = times.next(o.was.Next)
		if interval := times.every() > 0; interval && !o.last.Due.IsZero() {
			by.plan.next = times.next(o.last.Due)
		}
	}
	s.recordOutcome(e, &by, now)
	return nil
}

// recordOutcome changes a job for the outcome of its firings.
func (s *Service) recordOutcome(e *Entry, o *outcome, now time.Time) {
	e.Leased = time.Time{}
	addCounts(e, o)
	if o.err != nil {
		s.postpone(e, o, now)
		return
	}
	e.Next = o.plan.next
	resetWake(e)
	if e.Next.IsZero() {
		if o.fired == 0 && e.Last.TaskID == "" {
			e.State = Missing
		}
		s.end(e, now)
	}
	if o.skipped > 0 {
		s.log().Warn("firings of a job were skipped", slog.String("job", string(e.ID)), slog.Int64("firings", o.skipped))
	}
}

func addCounts(e *Entry, o *outcome) {
	e.Fired += o.fired
	e.Skipped += o.skipped
	if o.fired > 0 && !o.last.Due.Before(e.Last.Due) {
		e.Last = o.last
		if e.State != Cancelled {
			e.State = Enqueued
		}
	}
}

// postpone makes a job retry from the firing that failed.
func (s *Service) postpone(e *Entry, o *outcome, now time.Time) {
	if !o.failed.IsZero() {
		e.Next = o.failed
	}
	e.Failures++
	e.Error = o.err.Error()
	e.Wake = now.Add(backoff(e.Failures))
	s.log().Error("cannot fire a job, will try again", slog.String("job", string(e.ID)), slog.Time("due", e.Next), slog.Any("error", o.err))
}
