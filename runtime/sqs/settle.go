package sqs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// Complete implements [driver.Queue]. It costs one request for ten tasks.
func (q *Queue) Complete(ctx context.Context, ds []*driver.Delivery) error {
	return q.settle(ctx, ds, func(e *queueState, ms []*message, errs []error) {
		e.deleteMessages(ctx, ms, errs)
		e.recordOutcomes(ctx, ms, errs, true)
		for i, m := range ms {
			if errs[i] == nil && m.stored != "" && e.p.store != nil {
				// Where that fails an object stays behind, and expires in the store.
				_ = e.p.store.Delete(ctx, m.stored)
			}
		}
	})
}

// Release implements [driver.Queue]. On standard and priority queues it sends the task
// again, as it is in the delivery, and then deletes the old message: two requests for
// ten tasks. With RetryByVisibility a charged retry hides the message for the delay:
// one request for ten.
//
// On fifo queues it costs one request. A task whose retry was charged stays leased
// here, with its followers, and is handed out here again. An uncharged one goes back
// to SQS, hidden for the delay, for any process that can run it. A delay beyond the
// rest of the 12 hours from the receive is refused with ErrUnsupported, as it is with
// RetryByVisibility.
func (q *Queue) Release(ctx context.Context, ds []*driver.Delivery) error {
	return q.settle(ctx, ds, func(e *queueState, ms []*message, errs []error) {
		e.awaitExtends(ctx, ms, errs)
		kept, hidden, anew := make([]*message, len(ms)), make([]*message, len(ms)), make([]*message, len(ms))
		now := e.p.clock.Now()
		for i, m := range ms {
			if m == nil || errs[i] != nil {
				continue
			}
			charged := ds[i].Task.RetryCount > m.retries
			switch {
			case e.fifo && charged && !e.isDLQ && m.canWaitHere(now.Add(ds[i].Delay)):
				kept[i] = m
			case e.fifo, e.retriesInPlace() && charged && m.receives < maxReceives/2: // far from where SQS moves it
				hidden[i] = m
			default:
				if anew[i] = m; ds[i].Delay > 0 {
					later := *m.task
					later.ScheduledFor = now.Add(ds[i].Delay)
					m.task = &later
				}
			}
		}
		e.recordOutcomes(ctx, ms, errs, false)
		e.delayHeads(ctx, ds, kept, errs)
		e.hideForDelay(ctx, ds, hidden, errs)
		e.resend(ctx, anew, errs)
		for i, m := range kept {
			if m != nil && errs[i] == nil {
				ms[i] = nil // settle must not touch it any more
			}
		}
	})
}

// awaitExtends waits for the current calls of Extend for messages that are about to be
// hidden, and lets no more begin: for SQS the last request counts, and an Extend would
// make them visible when the lease ends.
func (e *queueState) awaitExtends(ctx context.Context, ms []*message, errs []error) {
	for i, m := range ms {
		if m == nil {
			continue
		}
		e.mu.Lock()
		over := m.extended
		m.setReleasing(true)
		e.mu.Unlock()
		if over == nil {
			continue
		}
		select {
		case <-over:
		case <-ctx.Done():
			errs[i] = fmt.Errorf("release task %s, whose lease is being extended: %w", m.task.ID, unavailable(ctx.Err()))
		}
	}
}

// setReleasing records that a Release of the message begins or has ended. queueState.mu is
// held.
func (m *message) setReleasing(begins bool) {
	if m.releasing != nil {
		close(m.releasing)
		m.releasing = nil
	}
	if begins {
		m.releasing = make(chan struct{})
	}
}

// hideForDelay hides messages for their delays. It makes their followers visible: SQS hands
// out nothing of a group before its head.
func (e *queueState) hideForDelay(ctx context.Context, ds []*driver.Delivery, ms []*message, errs []error) {
	now := e.p.clock.Now()
	all := make([]*message, len(ms), 2*len(ms))
	copy(all, ms)
	delays := make(map[*message]time.Duration)
	for i, m := range ms {
		if m == nil || errs[i] != nil {
			continue
		}
		most := m.received.Add(maxLease).Sub(now)
		if ds[i].Delay > most {
			errs[i] = fmt.Errorf("%w: task %s cannot wait for %s: SQS hides a message for 12 hours from its receive at most, of which %s are left", driver.ErrUnsupported, m.task.ID, ds[i].Delay, most)
			continue
		}
		delays[m] = ds[i].Delay
		if e.fifo {
			delays[m] = min(max(delays[m], m.giveBackDelay()), most)
		}
		e.attemptHints.record(m, m.task)
		e.mu.Lock()
		rest := m.followers()
		if m.group != nil {
			m.group.messages = m.group.messages[:1]
		}
		e.mu.Unlock()
		for _, o := range rest {
			delays[o] = o.giveBackDelay()
			all = append(all, o)
		}
	}
	allErrs := append(errs[:len(errs):len(errs)], make([]error, len(all)-len(ms))...)
	e.hide(ctx, true, all, allErrs, func(m *message) int32 { return seconds(delays[m]) })
	copy(errs, allErrs)
}

// DeadLetter implements [driver.Queue]. It sends the tasks to the dead letter queue and
// then deletes them: two requests for ten tasks. If the delete fails, the task is on
// both for a while, and the call is to be repeated.
func (q *Queue) DeadLetter(ctx context.Context, ds []*driver.Delivery) error {
	if q.state.isDLQ {
		return driver.NoDLQ(q.cfg.Name)
	}
	return q.settle(ctx, ds, func(e *queueState, ms []*message, errs []error) {
		e.moveToDLQ(ctx, ms, errs)
		e.recordOutcomes(ctx, ms, errs, true)
	})
}

// Extend implements [driver.Queue]. It costs one request for ten tasks. SQS leases a
// message for 12 hours at most, counted from its receive: a lease ends then, however
// far it was extended, and LeaseUntil says so. A lease of more than 12 hours is refused
// with ErrUnsupported.
func (q *Queue) Extend(ctx context.Context, ds []*driver.Delivery, lease time.Duration) error {
	if err := driver.CheckExtend(q.cfg.Name, lease); err != nil {
		return err
	}
	if lease > maxLease {
		return q.tooLong(lease)
	}
	if err := q.checkOpen(); err != nil {
		return err
	}
	errs := q.state.extendLeases(ctx, ds, lease)
	return result(errs, func(i int) string { return idOf(ds[i]) })
}

// extendLeases is Extend. For messages that are being released it waits for the release:
// then the lease is over, or still runs if the release has failed.
func (e *queueState) extendLeases(ctx context.Context, ds []*driver.Delivery, lease time.Duration) []error {
	ms, errs := e.claim(ds, false)
	var all []*message // with their followers
	var released []<-chan struct{}
	var waiting []int
	var owner []int
	e.mu.Lock()
	for i, m := range ms {
		if errs[i] == nil && m.releasing != nil {
			waiting, released, ms[i] = append(waiting, i), append(released, m.releasing), nil
		} else if errs[i] == nil {
			e.countExtends(m, 1)
			for _, o := range m.withFollowers() {
				all = append(all, o)
				owner = append(owner, i)
			}
		}
	}
	e.mu.Unlock()
	lost := make(map[*message]bool)
	for k, err := range e.extend(ctx, all, lease) {
		if i := owner[k]; all[k] == ms[i] {
			errs[i] = err
		} else if err != nil {
			lost[all[k]] = true
		}
	}
	var back []*message
	e.mu.Lock()
	for i, m := range ms {
		if m != nil {
			e.countExtends(m, -1)
		}
		if m != nil && errs[i] == nil {
			ds[i].LeaseUntil = m.until
			back = append(back, m.cutAtLost(lost)...)
		}
	}
	e.mu.Unlock()
	back = append(back, e.abandon(ds, ms, errs)...)
	e.giveBack(ctx, back)
	for k, over := range released {
		i := waiting[k]
		select {
		case <-over:
			errs[i] = e.extendLeases(ctx, ds[i:i+1], lease)[0]
		case <-ctx.Done():
			errs[i] = fmt.Errorf("extend the lease of task %s, which is being released: %w", idOf(ds[i]), unavailable(ctx.Err()))
		}
	}
	return errs
}

// countExtends counts the calls of Extend for a message. mu is held.
func (e *queueState) countExtends(m *message, more int) {
	if m.extended == nil {
		m.extended = make(chan struct{})
	}
	if m.extending += more; m.extending == 0 {
		close(m.extended)
		m.extended = nil
	}
}

// settle does what takes deliveries off their leases.
func (q *Queue) settle(ctx context.Context, ds []*driver.Delivery, do func(e *queueState, ms []*message, errs []error)) error {
	if err := q.checkOpen(); err != nil {
		return err
	}
	e := q.state
	ms, errs := e.claim(ds, true)
	do(e, ms, errs)
	e.mu.Lock()
	for i, m := range ms {
		if m == nil {
			continue
		}
		m.settling = false
		m.setReleasing(false)
		if errs[i] == nil {
			delete(e.leased, ds[i].Receipt)
			e.attemptHints.forget(m)
			e.advanceGroup(m)
		}
	}
	e.mu.Unlock()
	e.giveBack(ctx, e.abandon(ds, ms, errs))
	return result(errs, func(i int) string { return idOf(ds[i]) })
}

// claim finds the messages of deliveries. A message whose lease is over by the local
// clock is lost, whatever SQS would say: standard queues do not fence. With settling
// set it belongs to the caller until settle is done with it.
func (e *queueState) claim(ds []*driver.Delivery, settling bool) ([]*message, []error) {
	ms, errs := make([]*message, len(ds)), make([]error, len(ds))
	now := e.p.clock.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, d := range ds {
		m := e.leased[d.Receipt]
		if m == nil || !m.until.After(now) || settling && m.settling {
			errs[i] = fmt.Errorf("task %s: %w", idOf(d), driver.ErrLeaseLost)
			continue
		}
		m.settling = m.settling || settling
		if settling {
			m.task = d.Task
		}
		ms[i] = m
	}
	return ms, errs
}

// abandon forgets deliveries that SQS says are lost, and returns their followers. One that
// another call is settling is that call's: it may be lost to an Extend because it was just
// deleted, and then the next of its group is handed out.
func (e *queueState) abandon(ds []*driver.Delivery, ms []*message, errs []error) []*message {
	var back []*message
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, m := range ms {
		if m != nil && !m.settling && errors.Is(errs[i], driver.ErrLeaseLost) && e.leased[ds[i].Receipt] == m {
			delete(e.leased, ds[i].Receipt)
			back = append(back, m.followers()...)
		}
	}
	return back
}

// extend makes the leases of messages end the given time from now, or 12 hours
// after their receive where that is sooner.
func (e *queueState) extend(ctx context.Context, ms []*message, lease time.Duration) []error {
	return e.extendEach(ctx, ms, func(*message) time.Duration { return lease })
}

func (e *queueState) extendEach(ctx context.Context, ms []*message, lease func(*message) time.Duration) []error {
	errs := make([]error, len(ms))
	now := e.p.clock.Now()
	ends := make(map[*message]time.Time, len(ms))
	longer := make([]*message, len(ms))
	for i, m := range ms {
		// The last second is left out: SQS refuses what goes beyond it by its clock.
		last := m.received.Add(maxLease - time.Second)
		if ends[m] = now.Add(lease(m)); ends[m].Before(last) {
			longer[i] = m
		} else if ends[m] = last; last.Sub(m.until) >= time.Second {
			longer[i] = m
		} else {
			ends[m] = m.until // no further extension is possible
		}
	}
	e.hide(ctx, false, longer, errs, func(m *message) int32 { return seconds(ends[m].Sub(now)) })
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, m := range ms {
		if errs[i] == nil {
			m.until = ends[m]
		}
	}
	return errs
}

// giveBack returns messages that will not run here. It sends them again if possible, so
// that this receive is no crash; messages of a fifo queue become visible again when they
// are due, and keep their place. A caller does not wait for it beyond the end of ctx.
func (e *queueState) giveBack(ctx context.Context, ms []*message) {
	if len(ms) == 0 {
		return
	}
	done := e.markMoving()
	e.runDetached(ctx, func(ctx context.Context) {
		defer done()
		ctx, cancel := context.WithTimeout(ctx, giveBackTimeout)
		defer cancel()
		e.putBack(ctx, ms)
	})
}

func (e *queueState) putBack(ctx context.Context, ms []*message) {
	errs := make([]error, len(ms)) // failed ones come back when their lease ends
	if !e.fifo {
		e.resend(ctx, ms, errs)
		return
	}
	now := e.p.clock.Now()
	for _, m := range ms {
		if m.releasedHere && e.retriesInPlace() {
			e.attemptHints.record(m, m.task)
		}
	}
	e.hide(ctx, true, ms, errs, func(m *message) int32 {
		most := m.received.Add(maxLease - time.Second).Sub(now)
		return seconds(min(max(m.due.Sub(now), m.giveBackDelay()), most))
	})
}

// giveBackDelay is how long a message stays hidden that goes back to a fifo queue unused. It
// is 0 until SQS has counted half of the receives after which it moves a message to the
// dead letter queue by itself. Then it is so long that the other half lasts for as long
// as SQS keeps a message: no message dies of being given back.
func (m *message) giveBackDelay() time.Duration {
	const half = maxReceives / 2
	if m.source.policy == nil && !m.source.assumed || m.receives < half {
		return 0
	}
	return maxRetention / half
}
