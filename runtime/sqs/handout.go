package sqs

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

const (
	// hold is how long an unrequested message waits for a Dequeue before it goes back
	// to SQS, for other processes.
	hold = 500 * time.Millisecond
	// A message may lose 1/nearly of its lease while it waits here. If it loses more,
	// the lease is renewed when the message is handed out.
	nearly = 10
)

// holdBack sets the timer that gives unrequested messages back. mu is held.
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

// atHand is how many messages are here and not leased. mu is held.
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
	e.giveBack(e.moves, ms)
}

// clear removes all ready messages. mu is held.
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

// handOut leases messages to a worker. It renews the leases of messages that have
// waited here for long, or were received for another lease. If SQS does not answer
// before ctx ends, the next Dequeue gets the messages, and gone is true.
func (e *engine) handOut(ctx context.Context, ms []*message, lease time.Duration, deliveries int) (ds []*driver.Delivery, gone bool) {
	now := e.p.clock.Now()
	var stale []*message
	for _, m := range ms {
		left := m.until.Sub(now)
		if left < lease-lease/nearly || left > lease {
			stale = append(stale, m.lined()...)
		}
	}
	lost := make(map[*message]bool)
	if len(stale) > 0 || len(e.often(ms, deliveries)) > 0 {
		var settled atomic.Bool // by the Dequeue or by the renewal
		done := e.aside()
		over := e.linger(ctx, func(ctx context.Context) {
			defer done()
			for i, err := range e.extend(ctx, stale, lease) {
				if err != nil {
					lost[stale[i]] = true
				}
			}
			e.begin(ctx, ms, lost, deliveries)
			if !settled.CompareAndSwap(false, true) {
				e.backToHand(ctx, ms, lost)
			}
		})
		if !over && settled.CompareAndSwap(false, true) {
			return nil, true
		}
	}
	ds = make([]*driver.Delivery, 0, len(ms))
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
	e.giveBack(ctx, back) // else they, and their group, would stay hidden for the whole new lease
	return ds, false
}

// backToHand makes messages ready again whose Dequeue ended before it got them.
func (e *engine) backToHand(ctx context.Context, ms []*message, lost map[*message]bool) {
	e.said(ctx, ms, make([]error, len(ms)), false)
	var back []*message
	e.mu.Lock()
	for _, m := range slices.Backward(ms) {
		back = append(back, m.cutLine(lost)...)
		if !lost[m] {
			m.lane.ready = slices.Insert(m.lane.ready, 0, m)
		}
	}
	e.wakeAll()
	e.holdBack()
	e.mu.Unlock()
	e.giveBack(ctx, back)
}

// sweep forgets deliveries whose lease is over: their workers have died, or notice by
// their own clock. mu is held.
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
