package runtime

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"
)

// A suspect is a task whose deliveries have ended without a word about half as
// often as its queue allows. A task that kills its process takes its neighbours'
// leases along, and they come back together with it each time: left alone, all of
// them would reach the limit and die with it. So a pool holds one suspect at a
// time. The guilty one then crashes among tasks that are new to it, and the
// innocent get a run that nobody spoils.

// The other suspects go back to their queue for as long as the pool has had the
// one it holds, within these bounds: they come again soon while suspects turn out
// to be quick, and seldom while one takes its time.
const (
	minSuspectDelay = 20 * time.Millisecond
	maxSuspectDelay = 5 * time.Second
)

// suspectQuiet is how long a pool that has taken a suspect fetches nothing more, if
// that has not ended before: were the process killed now, the death would be charged
// to other suspects that it has just fetched and not given back yet.
const suspectQuiet = time.Second

// quiet is how long nothing is fetched because of a suspect. s.mu is held.
func (s *shift) quiet(now time.Time) time.Duration {
	if s.suspect == nil {
		return 0
	}
	return s.since.Add(suspectQuiet).Sub(now)
}

// suspected reports whether a delivery may be what killed its workers. One that
// is at the limit is not run any more, and so does no harm.
func (c QueueConfig) suspected(d *Delivery) bool {
	return d.Crashes >= (c.MaxDeliveries+1)/2 && d.Crashes < c.MaxDeliveries
}

// separate gives back, uncharged, every suspect among fetched deliveries but the
// first, and that one too while the pool has another. It does so before the
// first can begin: a crash would count against those that are leased. Where the
// queue does not answer in time, they are returned as back, for the acker to try
// on while the keeper keeps their leases.
func (l *lane) separate(ds []*Delivery) (kept, back []*Delivery) {
	if !slices.ContainsFunc(ds, l.cfg.suspected) {
		return ds, nil
	}
	s := l.s
	kept = make([]*Delivery, 0, len(ds))
	s.mu.Lock()
	now := time.Now()
	for _, d := range ds {
		switch {
		case !l.cfg.suspected(d):
			kept = append(kept, d)
		case s.suspect == nil:
			s.suspect, s.since = d, now
			kept = append(kept, d)
		default:
			d.Delay = min(max(now.Sub(s.since), minSuspectDelay), maxSuspectDelay)
			back = append(back, d)
		}
	}
	s.mu.Unlock()
	if len(back) == 0 {
		return kept, nil
	}
	// Nobody keeps the leases of kept meanwhile: what is left of them must be
	// enough for the keeper.
	ctx, cancel := context.WithTimeout(s.base, l.lease/3)
	defer cancel()
	copies := make([]*Delivery, len(back))
	for i, d := range back {
		c := *d
		copies[i] = &c
	}
	err := l.queue.Release(ctx, copies)
	failed := itemErrors(err, len(back))
	unsettled := back[:0]
	for i, d := range back {
		if e := failed(i); e != nil && !errors.Is(e, ErrLeaseLost) {
			unsettled = append(unsettled, d)
		}
	}
	if len(unsettled) > 0 {
		s.p.logger().Warn("cannot give tasks back, trying on", slog.String("queue", l.name), slog.Int("tasks", len(unsettled)), slog.Any("error", err))
	}
	return kept, unsettled
}
