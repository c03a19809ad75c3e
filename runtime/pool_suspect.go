package runtime

import (
	"context"
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

// suspected reports whether a delivery may be what killed its workers. One that
// is at the limit is not run any more, and so does no harm.
func (c QueueConfig) suspected(d *Delivery) bool {
	return d.Crashes >= (c.MaxDeliveries+1)/2 && d.Crashes < c.MaxDeliveries
}

// separate gives back, uncharged, every suspect among fetched deliveries but the
// first, and that one too while the pool has another. It does so before the
// first can begin: a crash would count against those that are leased.
func (l *lane) separate(ds []*Delivery) []*Delivery {
	if !slices.ContainsFunc(ds, l.cfg.suspected) {
		return ds
	}
	s := l.s
	var back []*Delivery
	kept := make([]*Delivery, 0, len(ds))
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
	if len(back) > 0 {
		ctx, cancel := context.WithTimeout(s.base, l.lease)
		defer cancel()
		if err := l.queue.Release(ctx, back); err != nil {
			s.p.log.Warn("cannot give tasks back: they are delivered again when their leases end", "queue", l.name, "tasks", len(back), "error", err)
		}
	}
	return kept
}
