package runtime

import (
	"context"
	"errors"
	"time"
)

// Bounds of settling.
const (
	flushSize = 128                  // settled tasks that are not kept waiting
	linger    = 2 * time.Millisecond // how long fewer wait for more
)

// An acker gathers the settled tasks of a lane, so that one round trip settles
// many. It is guarded by shift.mu.
type acker struct {
	wake    chan struct{} // capacity 1
	eager   bool          // never linger: the next of a group waits for the ack
	since   time.Time     // when the oldest of lane.acks came
	retry   []*item       // those the queue did not take
	retryAt time.Time
	away    bool // the last call failed as a whole: the others wait as well
	failing backoff
}

func (a *acker) init(t QueueType) {
	a.wake, a.eager = make(chan struct{}, 1), t == FIFO
}

func (a *acker) kick() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// ackAll is the acker's goroutine. It ends once all workers are done and all is
// settled.
func (l *lane) ackAll() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		items, wait, over := l.gather(time.Now())
		switch {
		case over:
			return
		case len(items) > 0:
			l.settleAll(items)
			continue
		case wait > 0:
			timer.Reset(wait)
		default:
			timer.Stop()
		}
		select {
		case <-l.acker.wake:
		case <-timer.C:
		}
	}
}

// gather takes what is to be settled now. When that is nothing, wait is how long
// until there is something (0: until the next kick).
func (l *lane) gather(now time.Time) (items []*item, wait time.Duration, over bool) {
	s, a := l.s, &l.acker
	s.mu.Lock()
	defer s.mu.Unlock()
	pause := a.retryAt.Sub(now)
	if len(a.retry) > 0 && pause <= 0 {
		items, a.retry = a.retry, nil
	}
	if n := len(l.acks); n > 0 && (!a.away || pause <= 0) {
		full := a.eager || n >= flushSize || s.parked == s.p.cfg.Workers || s.stopping
		if rest := linger - now.Sub(a.since); full || rest <= 0 {
			items = append(items, l.acks...)
			clear(l.acks)
			l.acks = l.acks[:0]
		} else {
			wait = rest
		}
	}
	if (len(a.retry) > 0 || a.away && len(l.acks) > 0) && (wait == 0 || pause < wait) {
		wait = pause
	}
	return items, wait, s.draining && len(items)+len(a.retry)+len(l.acks) == 0
}

// settleAll settles items with the queue, each by its outcome. Those whose lease
// has ended are dropped: they are other workers' tasks.
func (l *lane) settleAll(items []*item) {
	now := l.s.p.m.Now()
	var done, dead, back []*item
	l.s.mu.Lock()
	for _, it := range items {
		if !it.lost && !it.until.After(now) {
			l.lose(it)
		}
		if it.lost {
			l.close(it)
			continue
		}
		it.d.LeaseUntil = it.until
		switch it.outcome {
		case Completed:
			done = append(done, it)
		case Died:
			dead = append(dead, it)
		default:
			back = append(back, it)
		}
	}
	l.s.mu.Unlock()
	ok := l.send("complete", l.queue.Complete, done)
	ok = l.send("dead letter", l.queue.DeadLetter, dead) && ok
	ok = l.send("release", l.queue.Release, back) && ok

	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	a := &l.acker
	if ok {
		a.failing.streak, a.away = 0, false
		return
	}
	a.retryAt = time.Now().Add(a.failing.next(maxAckPause))
}

// send makes one call to the queue, and reports whether it settled everything.
// What it did not settle is kept for another try. The call is not cancelled by
// the pool's stop; the length of a lease bounds it.
func (l *lane) send(verb string, call func(context.Context, []*Delivery) error, items []*item) bool {
	if len(items) == 0 {
		return true
	}
	ds := make([]*Delivery, len(items))
	for i, it := range items {
		ds[i] = it.d
	}
	ctx, cancel := context.WithTimeout(l.s.base, l.lease)
	err := call(ctx, ds)
	cancel()
	failed := itemErrors(err, len(ds))

	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	ok := true
	for i, it := range items {
		if !l.settled(it, verb, failed(i)) {
			ok = false
			l.acker.retry = append(l.acker.retry, it)
		}
	}
	if !ok {
		if l.acker.failing.streak == 0 {
			l.s.p.log.Warn("cannot settle tasks, trying on", "queue", l.name, "call", verb, "error", err)
		}
		var be *BatchError
		l.acker.away = !errors.As(err, &be)
	}
	return ok
}

// settled takes the queue's answer for one item, and reports whether that was
// the last word. s.mu is held.
func (l *lane) settled(it *item, verb string, err error) bool {
	log, now := l.s.p.log, time.Now()
	if it.refusal.IsZero() {
		it.refusal = now
	}
	switch {
	case err == nil:
	case errors.Is(err, ErrLeaseLost):
		log.Warn("lease lost before the task was settled: it will be delivered again", about(l, it.d.Task), "call", verb)
	case it.outcome == Died && errors.Is(err, ErrUnsupported):
		// A dead letter queue has none of its own: the task stays on it.
		it.outcome, it.d.Delay, it.refusal = Released, DefaultRetryCap, time.Time{}
		log.Error("the queue takes no dead letters: the task goes back to it", about(l, it.d.Task), "delay", it.d.Delay)
		return false
	case errors.Is(err, ErrClosed) || now.Sub(it.refusal) > l.lease:
		log.Error("the task could not be settled: it will be delivered again", about(l, it.d.Task), "call", verb, "error", err)
	default:
		return false
	}
	l.close(it)
	return true
}
