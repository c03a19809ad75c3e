package sqs

import (
	"context"
	"time"
)

// grace is how long a call whose context has ended still waits for what would else be left
// to itself: one answer of SQS, which comes in less.
const grace = 500 * time.Millisecond

// runDetached runs f, and returns when f has ended, or shortly after ctx has: f then goes on
// by itself, and shutDown waits for it. It reports whether f has ended.
func (e *queueState) runDetached(ctx context.Context, f func(context.Context)) bool {
	e.mu.Lock()
	if e.closing {
		e.mu.Unlock()
		f(ctx)
		return true
	}
	e.work.Add(1)
	e.mu.Unlock()
	over := make(chan struct{})
	go func() {
		defer e.work.Done()
		defer close(over)
		f(e.background)
	}()
	select {
	case <-over:
		return true
	case <-ctx.Done():
	}
	t := time.NewTimer(grace)
	defer t.Stop()
	select {
	case <-over:
		return true
	case <-t.C:
		return false
	}
}

// closeWait bounds how long shutDown waits for polls: as long as one may take.
func (e *queueState) closeWait() time.Duration {
	if e.p.closeWait != unset {
		return e.p.closeWait
	}
	wait := e.p.wait
	if wait == unset {
		wait = maxWait
	}
	return wait + e.p.api.answerWait + time.Second
}

// lastGiveBack bounds how long shutDown waits for messages to be moved, once there are no polls.
// Those that are not come back when their lease ends.
const lastGiveBack = 5 * time.Second

// shutDown ends the work on the queue: it waits for polls that are under way and gives back
// what they brought.
func (e *queueState) shutDown() {
	e.mu.Lock()
	e.wakeAll()
	if e.giveBackTimer != nil {
		e.giveBackTimer.Stop()
	}
	e.mu.Unlock()
	done := make(chan struct{})
	go func() {
		e.work.Wait()
		close(done)
	}()
	polls := time.AfterFunc(e.closeWait(), e.cancelPolls)
	moves := time.AfterFunc(e.closeWait()+lastGiveBack, e.cancelBackground)
	<-done
	polls.Stop()
	moves.Reset(lastGiveBack)
	e.mu.Lock()
	ms := append(e.takeReady(), e.takeDelayedHeads()...)
	e.mu.Unlock()
	e.giveBack(e.background, ms)
	e.mu.Lock()
	e.notifyReturned()
	e.mu.Unlock()
	moves.Stop()
	e.cancelPolls()
	e.cancelBackground()
}
