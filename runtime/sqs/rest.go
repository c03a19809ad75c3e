package sqs

import (
	"context"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// restGrace is how long the lease of a group whose head waits for its retry is to last
// beyond the end of the wait, until a worker here is given the head.
const restGrace = firstLease

// mostRest bounds how long after its receive a message may still wait here. What waits
// for longer is received anew, and so has 12 hours for its lease again.
const mostRest = maxLease / 2

// rests reports whether a message can wait here until then.
func (m *message) rests(due time.Time) bool {
	return !due.Add(restGrace).After(m.received.Add(mostRest))
}

// rest keeps heads of fifo groups here until their retries are due, under their leases
// and those of all that stand behind them. So a retry is no receive: not of the head, whose
// retries SQS could not count, and not of the others, which did not begin. Where the
// process is killed meanwhile, the group is back when the retry is due, or shortly after.
func (e *engine) rest(ctx context.Context, ds []*driver.Delivery, ms []*message, errs []error) {
	var all []*message
	lasts := make(map[*message]time.Duration)
	place := make(map[*message]int)
	e.mu.Lock()
	for i, m := range ms {
		if m == nil {
			continue
		}
		place[m] = i
		for _, o := range m.lined() {
			all = append(all, o)
			lasts[o] = ds[i].Delay + restGrace
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
		back = append(back, m.cutLine(lost)...)
		delete(e.out, ds[i].Receipt)
		m.task, m.due = ds[i].Task.Clone(), due.Add(ds[i].Delay)
		m.settling, m.kept = false, true
		m.releases(false)
		if e.closing {
			back = append(back, m.group.line...)
			continue
		}
		if ds[i].Delay <= 0 {
			e.wakeUp(m)
			continue
		}
		if e.resting == nil {
			e.resting = make(map[*message]driver.Timer)
		}
		e.resting[m] = e.p.clock.AfterFunc(ds[i].Delay, func() {
			e.mu.Lock()
			defer e.mu.Unlock()
			if _, ok := e.resting[m]; ok {
				delete(e.resting, m)
				e.wakeUp(m)
			}
		})
	}
	e.mu.Unlock()
	e.giveBack(ctx, back)
}

// wakeUp makes a message ready whose retry is due. mu is held.
func (e *engine) wakeUp(m *message) {
	m.lane.ready = append(m.lane.ready, m)
	e.wakeAll()
	e.holdBack()
}

// rise takes out everything that waits for its retry, with what stands behind it. mu is
// held.
func (e *engine) rise() []*message {
	var all []*message
	for m, timer := range e.resting {
		timer.Stop()
		all = append(all, m.group.line...)
	}
	clear(e.resting)
	return all
}
