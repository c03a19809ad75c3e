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
		if it := r.choose(now); it != nil {
			r.runs++
			it.consumer().beginLocked(it, ctx, now)
			return it, now
		}
		waited = true
		r.mon.parkLocked()
	}
}

// notifyFetchers tells what waits for workers to become free: the fetchers, which may
// fetch for them, and when all are free the ackers, which need not wait for more.
func (r *run) notifyFetchers() {
	for _, c := range r.active {
		c.fetcher.notifyLocked(c.buffered)
		if r.mon.parked == r.p.cfg.Workers {
			c.acker.nobodyComesLocked()
		}
	}
}

// onTimer has everybody look again. The mutex is locked.
func (r *run) onTimer() {
	r.giveBackAhead(time.Now())
	r.notifyFetchers()
}

// giveBackAhead gives back what was fetched ahead when the workers have been busy with
// other tasks for long: another process may have time for it.
func (r *run) giveBackAhead(now time.Time) {
	if !r.ahead || r.stopping || r.mon.parked > 0 {
		return
	}
	for _, c := range r.active {
		if c.buffered+len(c.held) == 0 {
			continue
		}
		if left := c.fetcher.patience() - now.Sub(r.busy.freed); left > 0 {
			r.mon.lookAgainLocked(left)
			continue
		}
		c.giveAllBack()
	}
}

// choose picks the consumer to serve by priority and takes an item from it.
func (r *run) choose(now time.Time) *item {
	if len(r.consumers) == 1 {
		return r.consumers[0].take(now)
	}
	if r.p.cfg.Strict {
		return r.chooseStrict(now)
	}
	return r.chooseWeighted(now)
}

func (r *run) chooseStrict(now time.Time) *item {
	for _, c := range r.consumers {
		if it := c.take(now); it != nil {
			return it
		}
		if d := c.fetcher.expects(now); d > 0 {
			r.mon.lookAgainLocked(d) // it may have a task yet: the lower queues wait
			return nil
		}
	}
	return nil
}

// chooseWeighted is stride scheduling: each start moves its consumer's pass on by
// the inverse of the weight, and the consumer that is furthest behind is next. One
// that has run out and is about to get more is waited for, else its share would
// go to those whose broker is nearer.
func (r *run) chooseWeighted(now time.Time) *item {
	r.round++
	r.active = slices.DeleteFunc(r.active, func(c *consumer) bool {
		c.active = c.taken > 0 || c.fetcher.waiting || c.promises(now)
		return !c.active
	})
	for {
		var best *consumer
		for _, c := range r.active {
			if c.tried != r.round && (best == nil || c.pass < best.pass) && c.promises(now) {
				best = c
			}
		}
		if best == nil {
			return nil
		}
		if best.buffered+len(best.held) == 0 {
			r.mon.lookAgainLocked(best.fetcher.expects(now))
			return nil
		}
		if it := best.take(now); it != nil {
			r.pass = best.pass
			best.pass += best.share
			return it
		}
		best.tried = r.round
	}
}

// activate adds the consumer to those that are looked at by all. The mutex is locked.
func (c *consumer) activate() {
	if !c.active {
		c.active = true
		c.run.active = append(c.run.active, c)
	}
}

// promises reports whether the consumer has a task, or will have one in a moment.
func (c *consumer) promises(now time.Time) bool {
	return c.buffered+len(c.held) > 0 || c.fetcher.more && c.fetcher.expects(now) > 0
}
