package sqs

import (
	"context"
	"time"

	"github.com/taskgen/taskgen/runtime"
)

const (
	// hold is how long a message that nobody asks for waits for a Dequeue before
	// it goes back to SQS, for other processes.
	hold = 500 * time.Millisecond
	// nearly is the part of a lease that a message may have lost while it waited
	// here, without its lease being renewed when it is handed out.
	nearly = 10
)

// holdBack sets the timer that gives back what nobody asks for. mu is held.
func (e *engine) holdBack() {
	if e.closing || len(e.waiters) > 0 || e.atHand() == 0 {
		return
	}
	if e.holding == nil {
		e.holding = time.AfterFunc(hold, e.giveBackAll)
	} else {
		e.holding.Reset(hold)
	}
}

// atHand is how many messages are here and with no worker. mu is held.
func (e *engine) atHand() int {
	n := 0
	for _, l := range e.lanes {
		for _, m := range l.ready {
			n += m.line()
		}
	}
	for _, m := range e.out {
		n += m.line() - 1
	}
	for m := range e.resting {
		n += m.line() - 1
	}
	return n
}

func (e *engine) giveBackAll() {
	e.mu.Lock()
	if len(e.waiters) > 0 || e.closing {
		e.mu.Unlock()
		return
	}
	ms, back := e.clear(), make(chan struct{})
	e.back = back
	e.work.Add(1)
	done := e.asideLocked()
	e.mu.Unlock()
	defer e.work.Done()
	defer done()
	defer close(back)
	e.giveBack(ms)
}

// clear takes out everything that is ready. mu is held.
func (e *engine) clear() []*message {
	var all []*message
	for _, l := range e.lanes {
		for _, m := range l.ready {
			if m.group != nil {
				all = append(all, m.group.line...)
			} else {
				all = append(all, m)
			}
		}
		l.ready = nil
	}
	return all
}

// handOut leases messages to a worker. Those that have waited here for long, or
// were received for another lease, have theirs renewed.
func (e *engine) handOut(ctx context.Context, ms []*message, lease time.Duration, deliveries int) []*runtime.Delivery {
	now := e.p.clock.Now()
	var stale []*message
	for _, m := range ms {
		left := m.until.Sub(now)
		if left < lease-lease/nearly || left > lease {
			stale = append(stale, m.lined()...)
		}
	}
	lost := make(map[*message]bool)
	if len(stale) > 0 {
		for i, err := range e.extend(context.WithoutCancel(ctx), stale, lease) {
			if err != nil {
				lost[stale[i]] = true
			}
		}
	}
	e.begin(ctx, ms, lost, deliveries)
	ds := make([]*runtime.Delivery, 0, len(ms))
	var back []*message
	e.mu.Lock()
	for _, m := range ms {
		back = append(back, m.cutLine(lost)...)
		if lost[m] {
			continue // its lease brings it back
		}
		r := e.p.receipt()
		e.out[r] = m
		ds = append(ds, m.delivery(r))
	}
	e.sweep(now)
	e.mu.Unlock()
	e.giveBack(back) // else they would hide, and their group with them, for the lease that they were just given
	return ds
}

// sweep forgets deliveries whose lease is over: their workers have died, or know
// it by their own clock. mu is held.
func (e *engine) sweep(now time.Time) {
	if now.Sub(e.swept) < time.Minute {
		return
	}
	e.swept = now
	for r, m := range e.out {
		if !m.until.After(now) && !m.settling {
			delete(e.out, r)
		}
	}
}
