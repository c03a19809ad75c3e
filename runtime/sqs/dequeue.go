package sqs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// Dequeue implements [driver.Queue]. It waits until ctx ends, however long that is. A
// poll in progress continues when ctx ends, and is reported through driver.Behind: the
// next Dequeue gets its messages, or they go back to SQS after half a second. With a
// context that has already ended Dequeue takes only local messages. In the last second
// before ctx ends no poll can wait: Dequeue polls ten times a second, with a request
// per SQS queue.
func (q *Queue) Dequeue(ctx context.Context, limit int, lease time.Duration) ([]*driver.Delivery, error) {
	if err := driver.CheckDequeue(q.cfg.Name, limit, lease); err != nil {
		return nil, err
	}
	if lease > maxLease {
		return nil, q.tooLong(lease)
	}
	if err := errors.Join(q.checkOpen(), q.state.sendsOnly()); err != nil {
		return nil, err
	}
	defer q.state.reportUndecodable(ctx)
	return q.state.dequeue(ctx, q, limit, lease)
}

// shortPollInterval is the time between the short polls of a Dequeue whose context ends
// within a second, which is too soon for long polls. Each round takes one request per SQS
// queue.
const shortPollInterval = 100 * time.Millisecond

func (e *queueState) dequeue(ctx context.Context, q *Queue, limit int, lease time.Duration) ([]*driver.Delivery, error) {
	w := &waiter{ctx: ctx, limit: limit, lease: lease, wake: make(chan struct{}, 1)}
	polled := make(map[*source]bool) // polled and found empty in this round
	e.mu.Lock()
	e.dequeues++
	lowest := e.p.fairEvery > 0 && e.dequeues%e.p.fairEvery == 0 && len(e.sources) > 1
	e.waiters = append(e.waiters, w)
	back := e.givenBack
	e.mu.Unlock()
	defer e.leave(w)
	if len(e.sources) > 1 && back != nil {
		// Messages on their way back are on no level, and may be the most urgent.
		select {
		case <-back:
		case <-q.done:
		case <-ctx.Done():
		}
	}
	for {
		e.mu.Lock()
		e.pollLater(ctx)
		ms, next := e.scan(limit, polled, lowest)
		err := w.err
		if err == nil && len(ms) == 0 {
			err = e.currentForeignErr()
		}
		if len(ms) == 0 && err == nil && ctx.Err() == nil && !e.closing {
			e.startPolls(ctx, w, next)
		}
		e.mu.Unlock()
		if len(ms) > 0 {
			ds, gone := e.handOut(ctx, ms, lease, q.cfg.MaxDeliveries)
			switch {
			case len(ds) > 0:
				return ds, nil
			case gone:
				return nil, e.noTasks()
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := e.await(ctx, q, w, next, polled); err != nil {
			return nil, err
		}
	}
}

// await waits for the poll of next, or for news of any source. It adds to polled the sources
// that need not be polled again in this round.
func (e *queueState) await(ctx context.Context, q *Queue, w *waiter, next *source, polled map[*source]bool) error {
	var pause <-chan time.Time
	var probed <-chan struct{}
	if next != nil {
		e.mu.Lock()
		probed = next.probing
		e.mu.Unlock()
		if probed == nil {
			polled[next] = true // it has answered already
			return nil
		}
	} else if endsSoon(ctx) {
		t := time.NewTimer(time.Until(w.nextShortPoll))
		defer t.Stop()
		pause = t.C
	}
	select {
	case <-probed:
		polled[next] = true
	case <-w.wake:
		if next == nil {
			clear(polled)
		}
	case <-pause:
		clear(polled)
	case <-q.done:
		return driver.QueueClosed(q.cfg.Name)
	case <-ctx.Done():
		return e.noTasks()
	}
	return nil
}

func (e *queueState) noTasks() error { return fmt.Errorf("queue %q: %w", e.name, driver.ErrNoTasks) }

// A waiter is a Dequeue that has found no tasks yet.
type waiter struct {
	ctx           context.Context
	limit         int
	lease         time.Duration
	wake          chan struct{} // capacity 1
	nextShortPoll time.Time     // when it may start short polls again
	err           error         // of a poll
}

// leave ends a waiter. Messages that came for it and that no other waiter takes go back
// to SQS after a while.
func (e *queueState) leave(w *waiter) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.waiters = slices.DeleteFunc(e.waiters, func(o *waiter) bool { return o == w })
	if e.atWork() {
		e.returned = append(e.returned, returnedDequeue{driver.Behind(w.ctx), e.pollsStarted})
	}
	e.notifyReturned()
	e.scheduleGiveBack()
}

// endsSoon reports whether a context ends too soon for a long poll.
func endsSoon(ctx context.Context) bool {
	end, ok := ctx.Deadline()
	return ok && time.Until(end) < time.Second
}

// waitOf is how long a poll for a Dequeue may wait: no longer than the Dequeue itself.
func (e *queueState) waitOf(ctx context.Context) time.Duration {
	if end, ok := ctx.Deadline(); ok {
		return min(e.pollWait(), time.Until(end)).Truncate(time.Second)
	}
	return e.pollWait()
}

const (
	// shortWait is the wait of polls while tasks arrive at times: a stopping pool waits
	// for the last poll.
	shortWait = 5 * time.Second
	// idleAfter is the time without messages after which polls wait as long as SQS allows.
	idleAfter = 5 * time.Minute
)

// pollWait is how long polls wait. mu is held.
func (e *queueState) pollWait() time.Duration {
	switch {
	case e.p.wait != unset:
		return e.p.wait
	case time.Since(e.lastMessage) < idleAfter:
		return shortWait
	}
	return maxWait
}

// scan takes ready messages from the highest level that has some. If a higher level
// has to be polled first, scan returns that. A level counts as empty if it was polled in
// this round, or if a poll waits on it that began after it was found empty. mu is held.
func (e *queueState) scan(limit int, polled map[*source]bool, lowest bool) (ms []*message, next *source) {
	if lowest {
		for _, l := range slices.Backward(e.sources) {
			if ms = l.take(limit); len(ms) > 0 {
				return ms, nil
			}
			if !polled[l] && !l.knownEmpty() {
				return nil, l
			}
		}
		return nil, nil
	}
	for i, l := range e.sources {
		if ms = l.take(limit); len(ms) > 0 {
			return ms, nil
		}
		if i < len(e.sources)-1 && !polled[l] && !l.knownEmpty() {
			return nil, l
		}
	}
	return nil, nil
}

// startPolls starts the polls that a Dequeue needs: a short one of one source if that must be
// polled first, else long ones of all. mu is held.
func (e *queueState) startPolls(ctx context.Context, w *waiter, one *source) {
	if one != nil {
		if one.probing == nil {
			one.probing = make(chan struct{})
			one.start(poll{limit: min(w.limit, maxBatch), lease: w.lease, probe: true})
		}
		return
	}
	wait := e.waitOf(ctx)
	if wait == 0 {
		now := time.Now()
		if now.Before(w.nextShortPoll) {
			return // woken by the last short polls, which found nothing
		}
		w.nextShortPoll = now.Add(shortPollInterval)
	}
	for _, l := range e.sources {
		l.topUpPolls(w.lease, wait)
	}
}
