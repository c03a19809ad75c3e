package pool

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A suspect is a task whose deliveries have ended without an outcome about half as often as
// its queue's MaxDeliveries. A task that kills its process takes its neighbours' leases
// along, and they all come back together each time: left alone, all of them would reach
// the limit and die. So a pool holds one suspect at a time. The guilty one then crashes
// among tasks that are new to it, and each innocent one gets an undisturbed run.
//
// Earlier deaths prove nothing: a task beside others was charged with their deaths, run
// or not. So a suspect dies of MaxDeliveries more, each of which is a run that it
// began.

// The other suspects go back to their queue for as long as the pool has had its current
// one, within these bounds: soon if suspects turn out to be quick, and for longer while
// one takes its time.
const (
	minSuspectDelay = 20 * time.Millisecond
	maxSuspectDelay = 5 * time.Second
)

// suspectQuiet is how long a pool that has taken a suspect fetches nothing more, unless
// the suspect ends before: if the process were killed now, the death would be charged
// to other suspects that were just fetched and not given back yet.
const suspectQuiet = time.Second

// suspects is the suspect that a run holds, if any.
type suspects struct {
	held  *driver.Delivery
	since time.Time // when it came
}

// holdLocked takes a suspect, and reports whether there was none.
func (s *suspects) holdLocked(d *driver.Delivery, now time.Time) bool {
	if s.held != nil {
		return false
	}
	s.held, s.since = d, now
	return true
}

// holdsLocked reports whether a delivery is the suspect.
func (s *suspects) holdsLocked(d *driver.Delivery) bool { return s.held == d }

// letGoLocked takes a delivery that the pool is done with, and reports whether it was
// the suspect.
func (s *suspects) letGoLocked(d *driver.Delivery) bool {
	if s.held != d {
		return false
	}
	s.held = nil
	return true
}

// delayLocked is how long another suspect is to stay away.
func (s *suspects) delayLocked(now time.Time) time.Duration {
	return min(max(now.Sub(s.since), minSuspectDelay), maxSuspectDelay)
}

// quietLocked is how long nothing is fetched because of a suspect.
func (s *suspects) quietLocked(now time.Time) time.Duration {
	if s.held == nil {
		return 0
	}
	return s.since.Add(suspectQuiet).Sub(now)
}

// A suspectFilter lets one suspect at a time into a run, and gives the others back to
// their queue.
type suspectFilter struct {
	mon      *monitor
	suspects *suspects // of all queues of the run
	check    *crashCheck
	queue    driver.Queue
	name     string
	lease    time.Duration

	// What it needs of its consumer: recallLocked gives back a task that has not begun.
	// It returns false if the task is not there yet.
	recallLocked func(*driver.Delivery) bool
}

// init sets what depends on the queue.
func (f *suspectFilter) init(q driver.Queue) {
	cfg := q.Config()
	f.queue, f.name, f.lease = q, cfg.Name, cfg.Visibility
}

// split gives back, uncharged, every fetched suspect but the first, and that one too
// while the run has another. It does so before the first can begin: a crash would count
// against all that are leased. If the queue does not answer in time, they are returned
// as back. Its call to the queue has the values of ctx.
func (f *suspectFilter) split(ctx context.Context, ds []*driver.Delivery) (kept, back []*driver.Delivery) {
	if !slices.ContainsFunc(ds, f.check.suspected) {
		return ds, nil
	}
	kept = make([]*driver.Delivery, 0, len(ds))
	f.mon.Lock()
	now := time.Now()
	for _, d := range ds {
		switch {
		case !f.check.suspected(d):
			kept = append(kept, d)
		case f.suspects.holdLocked(d, now):
			kept = append(kept, d)
			time.AfterFunc(suspectQuiet, func() { f.recall(d) })
		default:
			d.Delay = f.suspects.delayLocked(now)
			back = append(back, d)
		}
	}
	f.mon.Unlock()
	if len(back) == 0 {
		return kept, nil
	}
	return kept, f.release(ctx, back)
}

// release gives suspects back, and returns those that the queue did not take.
func (f *suspectFilter) release(ctx context.Context, ds []*driver.Delivery) (unsettled []*driver.Delivery) {
	// Nothing keeps the leases of the other tasks meanwhile: their remaining time must
	// be enough for the lease extender.
	ctx, cancel := context.WithTimeout(ctx, f.lease/3)
	defer cancel()
	copies := make([]*driver.Delivery, len(ds))
	for i, d := range ds {
		same := *d
		copies[i] = &same
	}
	err := f.queue.Release(ctx, copies)
	failed := itemErrors(err, len(ds))
	for i, d := range ds {
		if e := failed(i); e != nil && !errors.Is(e, driver.ErrLeaseLost) {
			unsettled = append(unsettled, d)
		}
	}
	if len(unsettled) > 0 {
		f.mon.logger().Warn("cannot give tasks back, will keep trying", slog.String("queue", f.name), slog.Int("tasks", len(unsettled)), slog.Any("error", err))
	}
	return unsettled
}

// recall gives back a suspect for which no worker was free: if the process were killed
// now, the task would be charged with a run that it never had.
func (f *suspectFilter) recall(d *driver.Delivery) {
	f.mon.Lock()
	defer f.mon.Unlock()
	if !f.suspects.holdsLocked(d) || f.mon.stoppedLocked() || f.recallLocked(d) {
		return
	}
	time.AfterFunc(suspectQuiet, func() { f.recall(d) }) // it is still on its way into the pool
}
