package sqs

import (
	"context"
	"time"
)

// grace is how long a call whose context has ended still waits for what would else be left
// to itself: one answer of SQS, which comes in less.
const grace = 500 * time.Millisecond

// linger runs f, and returns when that has ended, or shortly after ctx has: f then goes on
// by itself, and the engine's end waits for it. It reports whether f has ended.
func (e *engine) linger(ctx context.Context, f func(context.Context)) bool {
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
		f(e.moves)
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

// closeWait bounds how long shut waits for polls: as long as one may take.
func (e *engine) closeWait() time.Duration {
	if e.p.closeWait != unset {
		return e.p.closeWait
	}
	wait := e.p.wait
	if wait == unset {
		wait = maxWait
	}
	return wait + e.p.api.patience + time.Second
}

// lastMoves bounds how long shut waits for messages to be moved, once there are no polls.
// Those that are not come back when their lease ends.
const lastMoves = 5 * time.Second

// shut ends the engine: it waits for polls that are under way and gives back what
// they brought.
func (e *engine) shut() {
	e.mu.Lock()
	e.wakeAll()
	if e.holding != nil {
		e.holding.Stop()
	}
	e.mu.Unlock()
	done := make(chan struct{})
	go func() {
		e.work.Wait()
		close(done)
	}()
	polls := time.AfterFunc(e.closeWait(), e.cut)
	moves := time.AfterFunc(e.closeWait()+lastMoves, e.halt)
	<-done
	polls.Stop()
	moves.Reset(lastMoves)
	e.mu.Lock()
	ms := append(e.clear(), e.rise()...)
	e.mu.Unlock()
	e.giveBack(e.moves, ms)
	e.mu.Lock()
	e.tellBehind()
	e.mu.Unlock()
	moves.Stop()
	e.cut()
	e.halt()
}
