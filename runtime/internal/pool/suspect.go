package pool

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
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

// suspects is the suspect that a pool holds, if any. The run's mutex guards it.
type suspects struct {
	held  *driver.Delivery
	since time.Time // when it came
}

// hold takes a suspect, and reports whether there was none.
func (s *suspects) hold(d *driver.Delivery, now time.Time) bool {
	if s.held != nil {
		return false
	}
	s.held, s.since = d, now
	return true
}

// letGo takes a delivery that the pool is done with, and reports whether it was the
// suspect.
func (s *suspects) letGo(d *driver.Delivery) bool {
	if s.held != d {
		return false
	}
	s.held = nil
	return true
}

// delay is how long another suspect is to stay away.
func (s *suspects) delay(now time.Time) time.Duration {
	return min(max(now.Sub(s.since), minSuspectDelay), maxSuspectDelay)
}

// quiet is how long nothing is fetched because of a suspect.
func (s *suspects) quiet(now time.Time) time.Duration {
	if s.held == nil {
		return 0
	}
	return s.since.Add(suspectQuiet).Sub(now)
}

// suspected reports whether a delivery may have killed its workers. One at the limit is
// not run any more, and does no harm.
func (c *consumer) suspected(d *driver.Delivery) bool {
	ends, point := c.ends(d)
	return ends >= point && ends < point+c.cfg.MaxDeliveries
}

// ends is how many deliveries of a task ended without an outcome, by the queue's count less
// those of which this process knows the outcome, and how many of them make it a suspect.
//
// If crashes are charged as failures, they have no count of their own. Charges beyond
// the retries of a task cannot be failures, because the task would have died of them.
func (c *consumer) ends(d *driver.Delivery) (ends, suspicion int) {
	suspicion = (c.cfg.MaxDeliveries + 1) / 2
	if t := d.Task; !c.can.ForgivesCrashes && t.RetryCount > t.MaxRetries {
		return t.RetryCount, max(suspicion, t.MaxRetries+1)
	}
	if d.Crashes == 0 {
		return 0, suspicion
	}
	return max(0, d.Crashes-c.run.p.excused.count(taskKey{c.name, d.Task.ID})), suspicion
}

// trust notes whether a fetch brought no suspect. Until the first such fetch, and after
// each fetch with a suspect, tasks are fetched one by one: if the process were killed
// before the others of a batch are given back, the death would be charged to all of
// them.
func (c *consumer) trust(yes bool) {
	c.run.mon.Lock()
	defer c.run.mon.Unlock()
	c.fetcher.trusts = yes
}

// separate gives back, uncharged, every fetched suspect but the first, and that one too
// while the pool has another. It does so before the first can begin: a crash would
// count against all that are leased. If the queue does not answer in time, they are
// returned as back, for the acker to keep trying while the lease extender keeps their
// leases. So are tasks that the pool hands on because it has no handler for them.
func (c *consumer) separate(ds []*driver.Delivery) (kept, back []*driver.Delivery) {
	plain := true
	for _, d := range ds {
		plain = plain && c.run.knows(d.Task) && !c.suspected(d)
	}
	if plain {
		c.trust(true)
		return ds, nil
	}
	var known, unknown []*driver.Delivery
	for _, d := range ds {
		if c.handOn(d) {
			unknown = append(unknown, d)
		} else {
			known = append(known, d)
		}
	}
	kept, back = c.oneSuspect(known)
	if len(unknown) > 0 {
		c.run.mon.Lock()
		c.tellUnknownLocked(unknown)
		c.run.mon.unlockAndLog()
	}
	return kept, append(back, unknown...)
}

// oneSuspect is separate for suspects.
func (c *consumer) oneSuspect(ds []*driver.Delivery) (kept, back []*driver.Delivery) {
	suspects := slices.ContainsFunc(ds, c.suspected)
	c.trust(!suspects)
	if !suspects {
		return ds, nil
	}
	r := c.run
	kept = make([]*driver.Delivery, 0, len(ds))
	r.mon.Lock()
	now := time.Now()
	for _, d := range ds {
		switch {
		case !c.suspected(d):
			kept = append(kept, d)
		case r.suspects.hold(d, now):
			kept = append(kept, d)
			time.AfterFunc(suspectQuiet, func() { c.unhold(d) })
		default:
			d.Delay = r.suspects.delay(now)
			back = append(back, d)
		}
	}
	r.mon.Unlock()
	if len(back) == 0 {
		return kept, nil
	}
	// Nothing keeps the leases of kept meanwhile: their remaining time must be enough
	// for the lease extender.
	ctx, cancel := context.WithTimeout(r.base, c.lease/3)
	defer cancel()
	copies := make([]*driver.Delivery, len(back))
	for i, d := range back {
		same := *d
		copies[i] = &same
	}
	err := c.queue.Release(ctx, copies)
	failed := itemErrors(err, len(back))
	unsettled := back[:0]
	for i, d := range back {
		if e := failed(i); e != nil && !errors.Is(e, driver.ErrLeaseLost) {
			unsettled = append(unsettled, d)
		}
	}
	if len(unsettled) > 0 {
		r.p.logger().Warn("cannot give tasks back, will keep trying", slog.String("queue", c.name), slog.Int("tasks", len(unsettled)), slog.Any("error", err))
	}
	return kept, unsettled
}

// unhold gives back a suspect for which no worker was free: if the process were killed
// now, the task would be charged with a run that it never had.
func (c *consumer) unhold(d *driver.Delivery) {
	r := c.run
	r.mon.Lock()
	defer r.mon.Unlock()
	if r.suspects.held != d || r.stopping {
		return
	}
	for _, b := range c.open {
		for i := range b.items {
			it := &b.items[i]
			if it.d != d {
				continue
			}
			if it.state == buffered {
				c.recallLocked(it, rand.N(maxSuspectDelay))
			}
			return
		}
	}
	time.AfterFunc(suspectQuiet, func() { c.unhold(d) }) // it is still on its way into the pool
}
