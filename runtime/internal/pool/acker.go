package pool

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// Bounds of settling.
const (
	flushSize = 128                  // settled tasks that are not kept waiting
	callSize  = 1024                 // most tasks of one call: nobody else waits long for the queue
	callBytes = 4 << 20              // and most bytes of payloads, where they travel
	linger    = 2 * time.Millisecond // how long fewer wait for more
	// payLinger is that for completed tasks where a round trip costs money, and
	// payBackLinger for those that go back or die, which others wait for. payPart bounds
	// both by a part of the lease: what is not told when the process dies is run again.
	payLinger     = 3 * time.Second
	payBackLinger = time.Second
	payPart       = 10
)

// An acker gathers the settled tasks of a consumer, so that one round trip settles
// many. It is guarded by the run's mutex.
type acker struct {
	wake    chan struct{}       // capacity 1
	eager   bool                // never linger: the next of a group waits for the ack
	linger  time.Duration       // how long fewer than full wait for more
	back    time.Duration       // that for those that were not completed
	full    int                 // tasks that are not kept waiting
	paid    int                 // tasks that one paid request carries; 0: they are free
	due     time.Time           // until when consumer.acks may wait for more
	retry   []*item             // those the queue did not take
	refused map[*item]time.Time // since when
	retryAt time.Time
	away    bool // the last call failed as a whole: the others wait as well
	failing backoff
	putOff  map[string]bool // IDs of what went back with a delay, for Drain; nil: not kept

	// Room of the acker's goroutine, used again for each call.
	batch, done, dead, released []*item
	room                        []driver.Delivery
	ds                          []*driver.Delivery
}

func (a *acker) init(cfg driver.QueueConfig, batch int) {
	a.wake, a.eager, a.refused = make(chan struct{}, 1), cfg.Type == driver.FIFO, make(map[*item]time.Time)
	a.linger, a.back, a.full, a.paid = linger, linger, flushSize, batch
	if batch > 0 {
		part := cfg.Visibility / payPart
		a.linger, a.back, a.full = min(payLinger, part), min(payBackLinger, part), min(batch, flushSize)
	}
}

// patience is how long an item may wait for others to be settled with.
func (a *acker) patience(it *item) time.Duration {
	if it.outcome == Completed {
		return a.linger
	}
	return a.back
}

func (a *acker) signal() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// ackAll is the acker's goroutine. It ends once all workers are done and all is
// settled.
func (c *consumer) ackAll() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		items, wait, over := c.gather(time.Now())
		switch {
		case over:
			return
		case len(items) > 0:
			c.settleAll(items)
			continue
		case wait > 0:
			timer.Reset(wait)
		default:
			timer.Stop()
		}
		select {
		case <-c.acker.wake:
		case <-timer.C:
		}
	}
}

// gather takes what is to be settled now. When that is nothing, wait is how long
// until there is something (0: until the next signal).
func (c *consumer) gather(now time.Time) (items []*item, wait time.Duration, over bool) {
	r, a := c.run, &c.acker
	r.mon.Lock()
	defer r.mon.Unlock()
	pause := a.retryAt.Sub(now)
	items = a.batch[:0]
	if len(a.retry) > 0 && pause <= 0 {
		items = append(items, a.retry...)
		a.retry = nil
	}
	if n := len(c.acks); n > 0 && (!a.away || pause <= 0) {
		wait = c.company(now)
		all := a.eager || r.stopping || wait <= 0
		if n >= a.full && !all && a.paid > 0 {
			n -= n % a.paid // whole requests
		} else if n < a.full && !all {
			n = 0
		}
		items = append(items, c.acks[:n]...)
		if n > 0 {
			left := copy(c.acks, c.acks[n:])
			clear(c.acks[left:])
			c.acks = c.acks[:left]
			a.due = now.Add(a.linger)
			for _, it := range c.acks {
				a.due = earlier(a.due, now.Add(a.patience(it)))
			}
		}
	}
	a.batch = items
	if (len(a.retry) > 0 || a.away && len(c.acks) > 0) && (wait == 0 || pause < wait) {
		wait = pause
	}
	return items, wait, r.draining && len(items)+len(a.retry)+len(c.acks) == 0
}

// company is how long the consumer's acks are to wait for others, which is not at all where
// none are expected: as no worker is busy, or, where a round trip costs money, as nothing
// of the consumer is at hand or on its way, or takes longer than the acks may wait. The mutex is
// locked.
func (c *consumer) company(now time.Time) time.Duration {
	a, wait := &c.acker, c.acker.due.Sub(now)
	switch {
	case a.paid == 0 && c.run.mon.parked == c.run.p.cfg.Workers:
		return 0
	case a.paid == 0:
		return wait
	case c.rate(now)*a.linger.Seconds() < 1:
		return 0
	case c.alone() && !c.fetcher.more:
		return 0
	case c.alone():
		return min(wait, c.fetcher.expects(now))
	}
	return wait
}

// alone reports whether all that the consumer has at hand is settled but for the answer.
func (c *consumer) alone() bool { return c.taken == len(c.acks)+len(c.acker.retry) }

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// settleAll settles items with the queue, each by its outcome. Those whose lease
// has ended are dropped: they are other workers' tasks.
func (c *consumer) settleAll(items []*item) {
	now, a := c.run.p.now(), &c.acker
	done, dead, back := a.done[:0], a.dead[:0], a.released[:0]
	c.run.mon.Lock()
	for _, it := range items {
		if !it.lost && !it.d.LeaseUntil.After(now) {
			c.lose(it)
		}
		switch {
		case it.lost:
			a.forget(it)
			c.close(it)
		case it.outcome == Completed:
			done = append(done, it)
		case it.outcome == Died:
			dead = append(dead, it)
		default:
			back = append(back, it)
			if a.putOff != nil && it.d.Delay > 0 {
				a.putOff[it.d.Task.ID] = true
			}
		}
	}
	c.run.mon.unlockAndLog()
	ok := c.sendAll("complete", c.queue.Complete, done)
	ok = c.sendAll("dead letter", c.queue.DeadLetter, dead) && ok
	ok = c.sendAll("release", c.queue.Release, back) && ok
	a.done, a.dead, a.released = done, dead, back

	c.run.mon.Lock()
	defer c.run.mon.Unlock()
	if ok {
		a.failing.streak, a.away = 0, false
		return
	}
	a.retryAt = time.Now().Add(a.failing.next(maxAckPause))
}

type settleCall func(context.Context, []*driver.Delivery) error

func (c *consumer) sendAll(verb string, call settleCall, items []*item) bool {
	ok := true
	for len(items) > 0 {
		n := c.oneCall(items, verb != "complete")
		ok = c.send(verb, call, items[:n]) && ok
		items = items[n:]
	}
	return ok
}

// oneCall is how many of items one call settles. What is completed goes without its
// payload.
func (c *consumer) oneCall(items []*item, travels bool) int {
	most := min(len(items), callSize)
	if !travels {
		return most
	}
	c.run.mon.Lock() // the lease extender may close an item
	defer c.run.mon.Unlock()
	bytes := 0
	for i, it := range items[:most] {
		if it.d != nil {
			bytes += len(it.d.Task.Payload)
		}
		if i > 0 && bytes > callBytes {
			return i
		}
	}
	return most
}

// send makes one call to the queue, and reports whether it settled everything.
// What it did not settle is kept for another try. The call is not cancelled by
// the pool's stop; the length of a lease bounds it.
func (c *consumer) send(verb string, call settleCall, items []*item) bool {
	a := &c.acker
	ds := a.copies(c.run, items)
	ctx, cancel := context.WithTimeout(c.run.base, c.lease)
	err := call(ctx, ds)
	cancel()
	if err != nil {
		a.room, a.ds = nil, nil // the queue may be at them still
	}
	failed := itemErrors(err, len(items))

	c.run.mon.Lock()
	defer c.run.mon.unlockAndLog()
	ok := true
	for i, it := range items {
		if !c.settled(it, verb, failed(i)) {
			ok = false
			a.retry = append(a.retry, it)
		}
	}
	if !ok {
		if a.failing.streak == 0 {
			c.run.mon.logLocked(slog.LevelWarn, "cannot settle tasks, trying on", slog.String("queue", c.name), slog.String("call", verb), slog.Any("error", err))
		}
		var be *driver.BatchError
		a.away = !errors.As(err, &be)
	}
	return ok
}

// copies returns copies of the items' deliveries for a call that is to settle them,
// in room that is used again.
func (a *acker) copies(r *run, items []*item) []*driver.Delivery {
	if cap(a.room) < len(items) {
		a.room = make([]driver.Delivery, max(len(items), flushSize))
		a.ds = make([]*driver.Delivery, len(a.room))
		for i := range a.ds {
			a.ds[i] = &a.room[i]
		}
	}
	r.mon.Lock()
	defer r.mon.Unlock()
	for i, it := range items {
		it.asked = true
		a.room[i] = *it.d
	}
	return a.ds[:len(items)]
}

// settled takes the queue's answer for one item, and reports whether that was
// the last word. the mutex is locked.
func (c *consumer) settled(it *item, verb string, err error) bool {
	it.asked = false
	if err == nil {
		c.acker.forget(it)
		c.close(it)
		return true
	}
	task, now := about(c.name, it.d.Task), time.Now()
	since, again := c.acker.refused[it]
	switch {
	case errors.Is(err, driver.ErrLeaseLost) && c.wasSettled(it, c.run.p.now()):
		c.run.mon.logLocked(slog.LevelDebug, "the task was settled by a call whose answer was lost", task, slog.String("call", verb))
	case errors.Is(err, driver.ErrLeaseLost):
		c.run.mon.logLocked(slog.LevelWarn, "lease lost before the task was settled: it will be delivered again", task, slog.String("call", verb))
		c.excuse(it)
	case it.outcome == Died && errors.Is(err, driver.ErrUnsupported):
		// A dead letter queue has none of its own: the task stays on it.
		it.outcome, it.d.Delay = Released, DefaultRetryCap
		c.run.mon.logLocked(slog.LevelError, "the queue takes no dead letters: the task goes back to it", task, slog.Duration("delay", it.d.Delay))
		return false
	case errors.Is(err, driver.ErrClosed) || again && now.Sub(since) > c.lease && (c.run.stopping || !errors.Is(err, driver.ErrQueueFull)):
		c.run.mon.logLocked(slog.LevelError, "the task could not be settled: it will be delivered again", task, slog.String("call", verb), slog.Any("error", err))
	default:
		if !again {
			c.acker.refused[it] = now
		}
		it.doubt = true
		return false
	}
	c.acker.forget(it)
	c.close(it)
	return true
}

// wasSettled reports whether ErrLeaseLost means that an earlier call has settled
// an item, whose answer was lost: nobody else can have had the task while its
// lease holds. Leases that are bound to a connection may have ended with it.
func (c *consumer) wasSettled(it *item, now time.Time) bool {
	return it.doubt && c.freeLeases && it.d.LeaseUntil.After(now)
}

func (a *acker) forget(it *item) {
	if len(a.refused) > 0 {
		delete(a.refused, it)
	}
}
