package pool

import (
	"slices"
	"time"
)

// A chooser picks the consumer whose task a worker runs next: by the order of the
// queues in a strict pool, else by their weights.
type chooser struct {
	mon       *monitor
	strict    bool
	consumers []*consumer
	active    []*consumer // with tasks, or waiting for room: of very many queues most are idle
	pass      float64     // the weighted choice's present
	round     int
}

// A turn is the chooser's state of a consumer.
type turn struct {
	share  float64 // 1 / weight
	pass   float64 // the consumer with the lowest is served next
	tried  int     // the round that last passed the consumer by
	active bool    // in chooser.active
}

// nextLocked picks the consumer to serve and takes an item from it that may run now. It
// returns nil if there is none.
func (ch *chooser) nextLocked(now time.Time) *item {
	if len(ch.consumers) == 1 {
		return ch.consumers[0].takeLocked(now)
	}
	if ch.strict {
		return ch.strictLocked(now)
	}
	return ch.weightedLocked(now)
}

func (ch *chooser) strictLocked(now time.Time) *item {
	for _, c := range ch.consumers {
		if it := c.takeLocked(now); it != nil {
			return it
		}
		if d := c.expectsLocked(now); d > 0 {
			ch.mon.lookAgainLocked(d) // it may still have a task: the lower queues wait
			return nil
		}
	}
	return nil
}

// weightedLocked is stride scheduling: each start moves its consumer's pass on by the
// inverse of the weight, and the consumer that is furthest behind is next. A consumer
// that has run out and is about to get more is waited for, else its share would go to
// those whose broker is nearer.
func (ch *chooser) weightedLocked(now time.Time) *item {
	ch.round++
	ch.active = slices.DeleteFunc(ch.active, func(c *consumer) bool {
		c.active = c.isActiveLocked(now)
		return !c.active
	})
	for {
		var best *consumer
		for _, c := range ch.active {
			if c.tried != ch.round && (best == nil || c.pass < best.pass) && c.promisesLocked(now) {
				best = c
			}
		}
		if best == nil {
			return nil
		}
		if best.handyLocked() == 0 {
			ch.mon.lookAgainLocked(best.expectsLocked(now))
			return nil
		}
		if it := best.takeLocked(now); it != nil {
			ch.pass = best.pass
			best.pass += best.share
			return it
		}
		best.tried = ch.round
	}
}

// activeLocked are the consumers that have tasks or wait for room, and perhaps some that
// have and do no more.
func (ch *chooser) activeLocked() []*consumer { return ch.active }

// activateLocked adds a consumer to the active ones.
func (ch *chooser) activateLocked(c *consumer) {
	if !c.active {
		c.active = true
		ch.active = append(ch.active, c)
	}
}

// filledLocked gives a consumer that was empty and now has tasks no credit for the time
// in between.
func (ch *chooser) filledLocked(c *consumer) { c.pass = max(c.pass, ch.pass) }
