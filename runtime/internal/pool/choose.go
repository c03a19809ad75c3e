package pool

import (
	"slices"
	"time"
)

// next hands back a worker's finished item and returns its next one, to be run
// with ctx, and when that begins: now, if there was no wait. It returns nil when
// the run ends.
func (r *run) next(done *item, took time.Duration, now time.Time, ctx *taskContext) (*item, time.Time) {
	r.mon.Lock()
	defer r.mon.Unlock()
	if done != nil {
		done.consumer().finishLocked(done, took, now)
	}
	waited := false
	for {
		if r.stopping {
			return nil, now
		}
		if waited {
			now = time.Now()
		}
		if it := r.chooseLocked(now); it != nil {
			r.runs++
			it.consumer().beginLocked(it, ctx, now)
			return it, now
		}
		waited = true
		r.mon.parkLocked()
	}
}

// notifyFetchersLocked tells what waits for workers to become free: the fetchers, which may
// fetch for them, and when all are free the ackers, which need not wait for more.
func (r *run) notifyFetchersLocked() {
	for _, c := range r.active {
		c.fetcher.notifyLocked(c.buffered)
		if r.mon.parked == r.p.cfg.Workers {
			c.acker.nobodyComesLocked()
		}
	}
}

// onTimerLocked has everybody look again.
func (r *run) onTimerLocked() {
	r.giveBackAheadLocked(time.Now())
	r.notifyFetchersLocked()
}

// giveBackAheadLocked gives back what was fetched ahead when the workers have been busy with
// other tasks for long: another process may have time for it.
func (r *run) giveBackAheadLocked(now time.Time) {
	if !r.ahead || r.stopping || r.mon.parked > 0 {
		return
	}
	for _, c := range r.active {
		if c.handyLocked() == 0 {
			continue
		}
		if left := c.fetcher.patience() - now.Sub(r.busy.freed); left > 0 {
			r.mon.lookAgainLocked(left)
			continue
		}
		c.giveAllBackLocked()
	}
}

// chooseLocked picks the consumer to serve by priority and takes an item from it.
func (r *run) chooseLocked(now time.Time) *item {
	if len(r.consumers) == 1 {
		return r.consumers[0].takeLocked(now)
	}
	if r.p.cfg.Strict {
		return r.chooseStrictLocked(now)
	}
	return r.chooseWeightedLocked(now)
}

func (r *run) chooseStrictLocked(now time.Time) *item {
	for _, c := range r.consumers {
		if it := c.takeLocked(now); it != nil {
			return it
		}
		if d := c.fetcher.expects(now); d > 0 {
			r.mon.lookAgainLocked(d) // it may have a task yet: the lower queues wait
			return nil
		}
	}
	return nil
}

// chooseWeightedLocked is stride scheduling: each start moves its consumer's pass on by
// the inverse of the weight, and the consumer that is furthest behind is next. One
// that has run out and is about to get more is waited for, else its share would
// go to those whose broker is nearer.
func (r *run) chooseWeightedLocked(now time.Time) *item {
	r.round++
	r.active = slices.DeleteFunc(r.active, func(c *consumer) bool {
		c.active = c.taken > 0 || c.fetcher.waiting || c.promisesLocked(now)
		return !c.active
	})
	for {
		var best *consumer
		for _, c := range r.active {
			if c.tried != r.round && (best == nil || c.pass < best.pass) && c.promisesLocked(now) {
				best = c
			}
		}
		if best == nil {
			return nil
		}
		if best.handyLocked() == 0 {
			r.mon.lookAgainLocked(best.fetcher.expects(now))
			return nil
		}
		if it := best.takeLocked(now); it != nil {
			r.pass = best.pass
			best.pass += best.share
			return it
		}
		best.tried = r.round
	}
}

// activateLocked adds the consumer to those that are looked at by all.
func (c *consumer) activateLocked() {
	if !c.active {
		c.active = true
		c.run.active = append(c.run.active, c)
	}
}

// promisesLocked reports whether the consumer has a task, or will have one in a moment.
func (c *consumer) promisesLocked(now time.Time) bool {
	return c.handyLocked() > 0 || c.fetcher.more && c.fetcher.expects(now) > 0
}
