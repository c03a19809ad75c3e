package schedule

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/schedule/jobstore"
)

// Config configures a Service. The zero value is ready to use.
type Config struct {
	// MissedAfter is how late a firing counts as missed; DefaultMissedAfter when 0. See
	// Missed.
	MissedAfter time.Duration
	// Lease is how long a batch of due jobs belongs to one service; DefaultLease when 0.
	// After that another service takes over the batch of one that was killed.
	Lease time.Duration
	// Retention is how long a job is kept after it has ended; DefaultRetention when 0,
	// forever when negative.
	Retention time.Duration
	// Logger logs failures and skipped firings. Nil: slog.Default at the time of the
	// record. slog.New(slog.DiscardHandler) is silent.
	Logger *slog.Logger
}

// Defaults of a Config.
const (
	DefaultMissedAfter = time.Minute
	DefaultLease       = 30 * time.Second
	DefaultRetention   = 24 * time.Hour
)

// A Service is a Scheduler over a Store. A program that only schedules jobs need not run
// it; any number of processes may Run one on the same store. It is safe for concurrent
// use.
type Service struct {
	store       Store
	m           *runtime.Manager
	cfg         Config
	lastReading atomic.Pointer[clockReading]
	skew        atomic.Int64 // nanoseconds; see Skew
	stepSize    atomic.Int64 // tasks enqueued at a time when jobs are fired
	zones       struct {     // time zones that jobs need
		mu      sync.Mutex
		retryAt map[string]time.Time // when to look it up again; zero: it exists
	}
}

var _ Scheduler = (*Service)(nil)

// New returns a service that keeps jobs in store and enqueues their tasks on the queues
// of m, through its middleware. If m has sealers (a key ring in its middleware; see
// runtime.ManagerConfig) payloads are sealed in the store. All times are on the store's
// clock; see Skew.
func New(store Store, m *runtime.Manager, cfg Config) *Service {
	if cfg.MissedAfter == 0 {
		cfg.MissedAfter = DefaultMissedAfter
	}
	if cfg.Lease == 0 {
		cfg.Lease = DefaultLease
	}
	if cfg.Retention == 0 {
		cfg.Retention = DefaultRetention
	}
	s := &Service{store: &sealedStore{store, m}, m: m, cfg: cfg}
	s.stepSize.Store(firstStep)
	s.zones.retryAt = make(map[string]time.Time)
	m.Tells(store, s)
	return s
}

func (s *Service) log() *slog.Logger { return cmp.Or(s.cfg.Logger, slog.Default()) }

// Schedule implements Scheduler.
func (s *Service) Schedule(ctx context.Context, job Job) (JobID, error) {
	now, err := s.now(ctx)
	if err != nil {
		return "", fmt.Errorf("schedule a job: %w", err)
	}
	e := &Entry{ID: job.ID, Owner: job.Owner}
	if e.ID == "" {
		e.ID = JobID(uuid.Must(uuid.NewV7()).String())
	}
	e.Body = jobstore.Body{
		Overlap: job.Overlap, Missed: job.Missed, MaxMissed: job.MaxMissed, Jitter: job.Jitter,
		State: Scheduled, CreatedAt: now,
	}
	if e.Overlap == "" {
		e.Overlap = AllowOverlap
	}
	if e.Missed == "" {
		e.Missed = FireOnce
	}
	if job.Task != nil {
		e.Task = job.Task.Clone()
		e.Task.ID = string(e.ID) // each firing has another
		e.Task.ScheduledFor = time.Time{}
	}
	err = s.check(e)
	if err == nil {
		err = s.reschedule(e, job.When, now)
	}
	if err == nil {
		err = sealEntry(e, s.m)
	}
	if err == nil {
		err = s.add(ctx, e)
	}
	if err != nil {
		return "", fmt.Errorf("schedule job %s: %w", e.ID, err)
	}
	return e.ID, nil
}

// add writes a new job, which replaces one with its ID that has ended. It does not
// replace a job that continues under another ID, because others find the new ID there.
func (s *Service) add(ctx context.Context, e *Entry) error {
	for {
		err := s.store.Put(ctx, e)
		switch {
		case errors.Is(err, ErrJobNotFound): // removed in between
			e.Version, e.Seed = 0, ""
			continue
		case !errors.Is(err, ErrJobExists) && !errors.Is(err, ErrConflict):
			return err
		}
		have, failed := s.store.Get(ctx, e.ID)
		switch {
		case errors.Is(failed, ErrJobNotFound):
			e.Version, e.Seed = 0, ""
		case failed != nil:
			return failed
		case !hasEnded(have) || have.Handed != nil:
			return fmt.Errorf("%w: %s", ErrJobExists, e.ID)
		default:
			// Its firings differ from those of the previous job, even at the same times.
			e.Version, e.Seed = have.Version, JobID(uuid.Must(uuid.NewV7()).String())
			resetWake(e) // jitter depends on the seed
		}
	}
}

// reschedule sets when a job is due.
func (s *Service) reschedule(e *Entry, w When, now time.Time) error {
	w, err := resolveWhen(w, now)
	if err != nil {
		return err
	}
	times, err := timetableOf(w)
	if err != nil {
		return err
	}
	next := times.first(now)
	if !next.Equal(e.Next) {
		e.Leased = time.Time{} // a firing in progress is for another time
	}
	e.When, e.Next, e.UpdatedAt = w, next, now
	if e.State == Cancelled || e.State == Missing {
		e.State = Scheduled
	}
	e.Forget, e.Handed, e.Was = time.Time{}, nil, time.Time{}
	resetWake(e)
	return nil
}

// redeclare is reschedule for a declaration. Program versions that declare a job in turn
// must not cost it a firing: a firing that is already due stays due, and so does an
// earlier next firing of a job with an interval. A cancelled job that is declared again
// with the same schedule keeps its times, including the last firing that was due
// meanwhile.
func (s *Service) redeclare(e *Entry, w When, now time.Time) error {
	before, was, same, lease := e.Next, e.Was, w.Equal(e.When), e.Leased
	if err := s.reschedule(e, w, now); err != nil {
		return err
	}
	times, err := timetableOf(w)
	if err != nil {
		return err
	}
	interval := times.every() > 0
	if before.IsZero() && same && !was.IsZero() {
		switch {
		case times.next(was).After(now):
			before = was
		case interval:
			before, _ = times.skip(was, now)
		}
	}
	if !before.IsZero() && (!before.After(now) || interval && before.Before(e.Next)) {
		e.Next, e.Leased = before, lease
	}
	resetWake(e)
	return nil
}

// resetWake sets when a service is to handle the job next.
func resetWake(e *Entry) {
	e.Wake, e.Failures, e.Error = dueOf(e), 0, ""
	if e.Paused {
		e.Wake = time.Time{}
	}
}

// end records that the job will not be due again.
func (s *Service) end(e *Entry, now time.Time) {
	e.Next, e.Wake, e.Leased = time.Time{}, time.Time{}, time.Time{}
	if s.cfg.Retention > 0 {
		e.Forget = now.Add(s.cfg.Retention)
	}
}

// Cancel implements Scheduler.
func (s *Service) Cancel(ctx context.Context, id JobID) error {
	now, err := s.now(ctx)
	if err != nil {
		return fmt.Errorf("cancel: %w", err)
	}
	var left *Entry // whose task is to be cancelled
	err = modify(ctx, s.store, id, func(e *Entry) error {
		st := statusOf(e)
		if left = nil; st.State == Enqueued || st.State == Failed {
			left = e
		}
		if hasEnded(e) && e.State != Cancelled && e.Unreadable == nil {
			switch {
			case left == nil:
				return fmt.Errorf("%w: its task is %s", ErrJobEnded, st.State)
			case !s.canCancel(e):
				return fmt.Errorf("%w: its task is on queue %q, which cannot give it back", ErrJobEnded, e.Task.Queue)
			}
		}
		if !e.Next.IsZero() {
			e.Was = e.Next
		}
		e.State, e.UpdatedAt = Cancelled, now
		s.end(e, now)
		return nil
	})
	if err != nil {
		return fmt.Errorf("cancel: %w", err)
	}
	if left == nil {
		return nil
	}
	return s.cancelTask(ctx, left, statusOf(left).Last.TaskID)
}

// cancelTask cancels a task on its queue, where the queue can do that.
func (s *Service) cancelTask(ctx context.Context, e *Entry, taskID string) error {
	q, err := s.m.Queue(e.Task.Queue)
	if err == nil && q.Capabilities().Cancel {
		_, err = q.(driver.Canceller).Cancel(ctx, []string{taskID})
	}
	if err != nil {
		return fmt.Errorf("cancel task %s of job %s: %w", taskID, e.ID, err)
	}
	return nil
}

func (s *Service) canCancel(e *Entry) bool {
	q, err := s.m.Queue(e.Task.Queue)
	return err == nil && q.Capabilities().Cancel
}

// Modify implements Scheduler.
func (s *Service) Modify(ctx context.Context, id JobID, change Change) error {
	now, err := s.now(ctx)
	if err != nil {
		return fmt.Errorf("modify: %w", err)
	}
	err = modify(ctx, s.store, id, func(e *Entry) error {
		whole := change.Task != nil && !change.When.IsZero() // nothing of the existing job is kept
		if e.Unreadable != nil && !whole {
			return e.Err
		}
		if hasEnded(e) && change.When.IsZero() {
			return fmt.Errorf("%w: set When to make it due again, or schedule a new one", ErrJobEnded)
		}
		if e.Unreadable != nil {
			resetUnreadable(e, now)
		}
		err := s.apply(&change, e)
		if err == nil {
			err = s.check(e)
		}
		if err == nil && change.Task != nil {
			err = sealEntry(e, s.m)
		}
		if err != nil {
			return err
		}
		e.UpdatedAt = now
		if change.When.IsZero() {
			resetWake(e)
			return nil
		}
		if change.declared {
			return s.redeclare(e, change.When, now)
		}
		return s.reschedule(e, change.When, now)
	})
	if err != nil {
		return fmt.Errorf("modify: %w", err)
	}
	return nil
}

// apply makes the changes that need no clock.
func (s *Service) apply(c *Change, e *Entry) error {
	if c.Task != nil {
		task := c.Task.Clone()
		if c.amend != nil && e.Task != nil {
			have, err := s.unsealed(e)
			if err != nil {
				have = e.Task // its payload is replaced, and the rest can be read
			}
			if task, err = c.amend(have); err != nil {
				return err
			}
		}
		task.ID, task.ScheduledFor = string(e.ID), time.Time{}
		e.Task = task
	}
	if c.Owner != "" {
		e.Owner = c.Owner
	}
	if c.Overlap != "" {
		e.Overlap = c.Overlap
	}
	if c.Missed != "" {
		e.Missed = c.Missed
	}
	if c.MaxMissed != 0 {
		e.MaxMissed = c.MaxMissed
	}
	if c.Jitter != nil {
		e.Jitter = *c.Jitter
	}
	return nil
}

// Pause implements Scheduler.
func (s *Service) Pause(ctx context.Context, id JobID) error { return s.pause(ctx, id, true) }

// Resume implements Scheduler.
func (s *Service) Resume(ctx context.Context, id JobID) error { return s.pause(ctx, id, false) }

func (s *Service) pause(ctx context.Context, id JobID, paused bool) error {
	now, err := s.now(ctx)
	if err != nil {
		return fmt.Errorf("job %s: %w", id, err)
	}
	return modify(ctx, s.store, id, func(e *Entry) error {
		if e.Unreadable != nil {
			return e.Err
		}
		if hasEnded(e) {
			return fmt.Errorf("it cannot be paused or resumed: %w", ErrJobEnded)
		}
		e.Paused, e.UpdatedAt = paused, now
		resetWake(e)
		return nil
	})
}

// RunNow implements Scheduler.
func (s *Service) RunNow(ctx context.Context, id JobID) (string, error) {
	e, err := s.store.Get(ctx, id)
	if err == nil {
		err = e.Err
	}
	var now time.Time
	if err == nil {
		now, err = s.now(ctx)
	}
	if err != nil {
		return "", fmt.Errorf("run job now: %w", err)
	}
	t, err := s.task(e, taskIDOf(e, fmt.Sprint("now ", uuid.New()), now), now, now)
	if err != nil {
		return "", fmt.Errorf("run job %s now: %w", id, err)
	}
	t.ScheduledFor = time.Time{}
	answers, err := s.m.Enqueue(ctx, []*runtime.Task{t})
	switch {
	case err != nil:
		return "", fmt.Errorf("run job %s now: %w", id, runtime.ErrorAt(err, 0))
	case answers[0].Duplicate:
		return answers[0].ID, fmt.Errorf("run job %s now: its last task %s is not done, and the job does not overlap: %w", id, answers[0].ID, runtime.ErrDuplicate)
	}
	seed := seedOf(e)
	err = modify(ctx, s.store, id, func(e *Entry) error {
		if seedOf(e) != seed || e.Unreadable != nil {
			return nil // another job has the ID now
		}
		e.Fired++
		e.Last = Run{TaskID: t.ID, Due: now, State: Enqueued}
		if e.Wake = dueOf(e); e.Paused || hasEnded(e) {
			e.Wake = time.Time{}
		}
		return nil
	})
	if err != nil && !errors.Is(err, ErrJobNotFound) {
		return t.ID, fmt.Errorf("job %s runs, but that could not be recorded: %w", id, err)
	}
	return t.ID, nil
}

// Status implements Scheduler.
func (s *Service) Status(ctx context.Context, id JobID) (Status, error) {
	e, err := s.store.Get(ctx, id)
	if err != nil {
		return Status{}, err
	}
	return s.status(e), nil
}

// List implements Scheduler.
func (s *Service) List(ctx context.Context, f Filter, cursor string, limit int) ([]Status, string, error) {
	if limit <= 0 {
		return nil, "", fmt.Errorf("list jobs: the limit must be positive, not %d", limit)
	}
	var page []Status
	for {
		es, err := s.store.List(ctx, f.Owner, JobID(cursor), limit)
		if err != nil {
			return nil, "", fmt.Errorf("list jobs: %w", err)
		}
		for i, e := range es {
			if st := s.status(e); f.Matches(&st) {
				page = append(page, st)
			}
			if cursor = string(e.ID); len(page) == limit {
				if i == len(es)-1 && len(es) < limit {
					cursor = ""
				}
				return page, cursor, nil
			}
		}
		if len(es) < limit {
			return page, "", nil
		}
	}
}
