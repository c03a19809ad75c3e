package sqs

import (
	"context"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// delayGrace is how long the lease of a group whose head waits for its retry is to last
// beyond the end of the wait, until a worker here is given the head.
const delayGrace = firstLease

// maxDelayHere bounds how long after its receive a message may still wait here. A message
// that waits for longer is received anew, and so has 12 hours for its lease again.
const maxDelayHere = maxLease / 2

// canWaitHere reports whether a message can wait here until then.
func (m *message) canWaitHere(due time.Time) bool {
	return !due.Add(delayGrace).After(m.received.Add(maxDelayHere))
}

// delayHeads keeps heads of fifo groups here until their retries are due. It extends their
// leases and those of their followers. So a retry is no receive: not of the head, whose
// retries SQS could not count, and not of the followers, which did not begin. If the process
// is killed meanwhile, the group is back when the retry is due, or shortly after.
func (e *queueState) delayHeads(ctx context.Context, ds []*driver.Delivery, ms []*message, errs []error) {
	var all []*message
	lasts := make(map[*message]time.Duration)
	place := make(map[*message]int)
	e.mu.Lock()
	for i, m := range ms {
		if m == nil {
			continue
		}
		place[m] = i
		for _, o := range m.withFollowers() {
			all = append(all, o)
			lasts[o] = ds[i].Delay + delayGrace
		}
	}
	e.mu.Unlock()
	if len(all) == 0 {
		return
	}
	due := e.p.clock.Now()
	lost := make(map[*message]bool)
	for k, err := range e.extendEach(ctx, all, func(m *message) time.Duration { return lasts[m] }) {
		if i, head := place[all[k]]; head {
			errs[i] = err
		} else if err != nil {
			lost[all[k]] = true
		}
	}
	var back []*message
	e.mu.Lock()
	for i, m := range ms {
		if m == nil || errs[i] != nil {
			continue
		}
		back = append(back, m.cutAtLost(lost)...)
		delete(e.leased, ds[i].Receipt)
		m.task, m.due = ds[i].Task.Clone(), due.Add(ds[i].Delay)
		m.settling, m.releasedHere = false, true
		m.setReleasing(false)
		if e.closing {
			back = append(back, m.group.messages...)
			continue
		}
		if ds[i].Delay <= 0 {
			e.makeReady(m)
			continue
		}
		if e.delayedHeads == nil {
			e.delayedHeads = make(map[*message]driver.Timer)
		}
		e.delayedHeads[m] = e.p.clock.AfterFunc(ds[i].Delay, func() {
			e.mu.Lock()
			defer e.mu.Unlock()
			if _, ok := e.delayedHeads[m]; ok {
				delete(e.delayedHeads, m)
				e.makeReady(m)
			}
		})
	}
	e.mu.Unlock()
	e.giveBack(ctx, back)
}

// makeReady makes a message ready whose retry is due. mu is held.
func (e *queueState) makeReady(m *message) {
	m.source.ready = append(m.source.ready, m)
	e.wakeAll()
	e.scheduleGiveBack()
}

// takeDelayedHeads removes all heads that wait for their retry, and their followers. mu is
// held.
func (e *queueState) takeDelayedHeads() []*message {
	var all []*message
	for m, timer := range e.delayedHeads {
		timer.Stop()
		all = append(all, m.group.messages...)
	}
	clear(e.delayedHeads)
	return all
}
