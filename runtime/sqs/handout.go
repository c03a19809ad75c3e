package sqs

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

const (
	// unrequestedWait is how long an unrequested message waits for a Dequeue before it goes
	// back to SQS, for other processes.
	unrequestedWait = 500 * time.Millisecond
	// A message may lose 1/staleShare of its lease while it waits here. If it loses more,
	// the lease is renewed when the message is handed out.
	staleShare = 10
)

// scheduleGiveBack sets the timer that gives unrequested messages back. mu is held.
func (e *queueState) scheduleGiveBack() {
	if e.closing || len(e.waiters) > 0 || e.unleased() == 0 {
		return
	}
	if e.giveBackTimer == nil {
		e.giveBackTimer = time.AfterFunc(unrequestedWait, e.giveBackAll)
	} else {
		e.giveBackTimer.Reset(unrequestedWait)
	}
}

// unleased is how many messages are here and not leased. mu is held.
func (e *queueState) unleased() int {
	n := 0
	for _, l := range e.sources {
		for _, m := range l.ready {
			n += m.groupSize()
		}
	}
	for _, m := range e.leased {
		n += m.groupSize() - 1
	}
	for m := range e.delayedHeads {
		n += m.groupSize() - 1
	}
	return n
}

func (e *queueState) giveBackAll() {
	e.mu.Lock()
	if len(e.waiters) > 0 || e.closing {
		e.mu.Unlock()
		return
	}
	ms, back := e.takeReady(), make(chan struct{})
	e.givenBack = back
	e.work.Add(1)
	done := e.markMovingLocked()
	e.mu.Unlock()
	defer e.work.Done()
	defer done()
	defer close(back)
	e.giveBack(e.background, ms)
}

// takeReady removes all ready messages. mu is held.
func (e *queueState) takeReady() []*message {
	var all []*message
	for _, l := range e.sources {
		for _, m := range l.ready {
			if m.group != nil {
				all = append(all, m.group.messages...)
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
func (e *queueState) handOut(ctx context.Context, ms []*message, lease time.Duration, deliveries int) (ds []*driver.Delivery, gone bool) {
	now := e.p.clock.Now()
	var stale []*message
	for _, m := range ms {
		left := m.until.Sub(now)
		if left < lease-lease/staleShare || left > lease {
			stale = append(stale, m.withFollowers()...)
		}
	}
	lost := make(map[*message]bool)
	if len(stale) > 0 || len(e.receivedOften(ms, deliveries)) > 0 {
		var settled atomic.Bool // by the Dequeue or by the renewal
		done := e.markMoving()
		over := e.runDetached(ctx, func(ctx context.Context) {
			defer done()
			for i, err := range e.extend(ctx, stale, lease) {
				if err != nil {
					lost[stale[i]] = true
				}
			}
			e.countStarts(ctx, ms, lost, deliveries)
			if !settled.CompareAndSwap(false, true) {
				e.returnToReady(ctx, ms, lost)
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
		back = append(back, m.cutAtLost(lost)...)
		if lost[m] {
			continue // its lease brings it back
		}
		r := e.p.receipt()
		e.leased[r] = m
		ds = append(ds, m.delivery(r))
	}
	e.forgetExpired(now)
	e.mu.Unlock()
	e.giveBack(ctx, back) // else they, and their group, would stay hidden for the whole new lease
	return ds, false
}

// returnToReady makes messages ready again whose Dequeue ended before it got them.
func (e *queueState) returnToReady(ctx context.Context, ms []*message, lost map[*message]bool) {
	e.recordOutcomes(ctx, ms, make([]error, len(ms)), false)
	var back []*message
	e.mu.Lock()
	for _, m := range slices.Backward(ms) {
		back = append(back, m.cutAtLost(lost)...)
		if !lost[m] {
			m.source.ready = slices.Insert(m.source.ready, 0, m)
		}
	}
	e.wakeAll()
	e.scheduleGiveBack()
	e.mu.Unlock()
	e.giveBack(ctx, back)
}

// forgetExpired forgets deliveries whose lease is over: their workers have died, or notice
// by their own clock. mu is held.
func (e *queueState) forgetExpired(now time.Time) {
	if now.Sub(e.lastForget) < time.Minute {
		return
	}
	e.lastForget = now
	for r, m := range e.leased {
		if !m.until.After(now) && !m.settling {
			delete(e.leased, r)
		}
	}
}
