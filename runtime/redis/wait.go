package redis

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A lobby has the callers of Dequeue that wait for one lane, in the order of their
// calls. While there are any, a connection of the process is blocked in Redis until the
// lane has tasks, see watchers, and a timer runs for tasks that will be due. Either
// makes one caller check. A caller that finds tasks makes the next one check too, so
// that none is forgotten and only the last one checks in vain.
type lobby struct {
	lane *lane

	mu      sync.Mutex
	present int       // waiters that wait, or look because they were called
	line    []*waiter // those that wait
	called  bool      // there is something to look for, and all who are present look already
	timer   *time.Timer
	rings   time.Time // when the timer rings; zero: not at all

	watcher *watcher // that has the lane among its own; guarded by watchers.mu, as is checked
	checked bool     // the lane is among those to check
}

// A waiter is one call of Dequeue.
type waiter struct {
	q     *queue
	calls chan struct{} // capacity 1; nil until it waits
	in    []*lobby      // where it is present
}

// wait waits until one of the lanes may have tasks.
func (w *waiter) wait(ctx context.Context, found look) error {
	if w.calls == nil {
		w.calls = make(chan struct{}, 1)
	}
	for i, l := range found.lanes {
		lo := &l.lobby
		if !slices.Contains(w.in, lo) {
			w.in = append(w.in, lo)
			lo.enter()
		}
		lo.queue(w, found.events[i])
	}
	select {
	case <-w.calls:
		for _, lo := range w.in {
			lo.unqueue(w)
		}
		return nil
	case <-ctx.Done():
		return driver.ErrNoTasks
	case <-w.q.ended:
		return w.q.errClosed()
	}
}

// leave ends the waiter's presence, and makes the next one check: this one may have found
// tasks, or have been called and not checked.
func (w *waiter) leave() {
	for _, lo := range w.in {
		lo.unqueue(w)
		lo.leave()
	}
}

func (lo *lobby) enter() {
	lo.mu.Lock()
	defer lo.mu.Unlock()
	lo.present++
}

// queue puts a waiter at the end of the line. It has checked, and there may be tasks at
// the given time.
func (lo *lobby) queue(w *waiter, event time.Time) {
	if lo.append(w, event) {
		lo.lane.p.watchers.join(lo)
	}
}

// append is queue, and reports whether the lane must be watched.
func (lo *lobby) append(w *waiter, event time.Time) bool {
	lo.mu.Lock()
	defer lo.mu.Unlock()
	lo.line = append(lo.line, w)
	if !event.IsZero() && (lo.rings.IsZero() || event.Before(lo.rings)) {
		lo.rings = event
		d := time.Until(event)
		if lo.timer == nil {
			lo.timer = time.AfterFunc(d, lo.ring)
		} else {
			lo.timer.Reset(d)
		}
	}
	if lo.called {
		lo.callNext()
	}
	return len(lo.line) > 0
}

func (lo *lobby) unqueue(w *waiter) {
	lo.mu.Lock()
	defer lo.mu.Unlock()
	if i := slices.Index(lo.line, w); i >= 0 {
		lo.line = slices.Delete(lo.line, i, i+1)
	}
}

func (lo *lobby) leave() {
	lo.mu.Lock()
	lo.present--
	last := lo.present == 0
	handOver := last && (lo.called || !lo.rings.IsZero())
	if last {
		lo.called, lo.rings = false, time.Time{}
		if lo.timer != nil {
			lo.timer.Stop()
		}
	} else {
		lo.callNext()
	}
	lo.mu.Unlock()
	if handOver {
		lo.handOver()
	}
}

// handOver makes another process watch the lane.
func (lo *lobby) handOver() {
	if !lo.lane.p.goWatch(lo.lane.nudge) {
		lo.lane.nudge() // the provider closes, and waits for this
	}
}

func (lo *lobby) ring() {
	lo.mu.Lock()
	defer lo.mu.Unlock()
	lo.rings = time.Time{}
	if lo.present > 0 {
		lo.callNext()
	}
}

// call makes a waiter check. It reports false if there is none.
func (lo *lobby) call() bool {
	lo.mu.Lock()
	defer lo.mu.Unlock()
	if lo.present == 0 {
		return false
	}
	lo.callNext()
	return true
}

// baton makes a waiter check, here or in another process.
func (lo *lobby) baton() {
	if !lo.call() {
		lo.handOver()
	}
}

// callNext calls the first in line, or the next one to come.
func (lo *lobby) callNext() {
	if lo.called = len(lo.line) == 0; lo.called {
		return
	}
	w := lo.line[0]
	lo.line = slices.Delete(lo.line, 0, 1)
	select {
	case w.calls <- struct{}{}:
	default: // another lane has called it
	}
}

// awaited reports whether there are waiters in line.
func (lo *lobby) awaited() bool {
	lo.mu.Lock()
	defer lo.mu.Unlock()
	return len(lo.line) > 0
}

// goWatch starts a goroutine that watches for the waiters, and reports whether it did:
// not when the provider is closed.
func (p *Provider) goWatch(watch func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.watches.Go(watch)
	return true
}

// block waits at most recheck for a baton in one of the lists, takes it, and returns
// the list and the content. After that a silent connection is abandoned: a waiter
// checks, and another connection is blocked. A baton that arrives on the abandoned one
// goes to late.
func (p *Provider) block(late func(list string), lists ...string) (list, says string, err error) {
	ctx, cancel := context.WithTimeout(p.ctx, recheck+blockGrace)
	defer cancel()
	baton, err := boundedOr(ctx, nil, 0, func(ctx context.Context) ([]string, error) {
		// The deadline is not for the connection: it would be closed on it.
		return p.blocking.BLPop(context.WithoutCancel(ctx), recheck, lists...).Result()
	}, func(baton []string) {
		if baton != nil && p.ctx.Err() == nil {
			late(baton[0])
		}
	})
	if err != nil {
		return "", "", err
	}
	return baton[0], baton[1], nil
}

// blockGrace is how long a busy server may take to report a timeout.
const blockGrace = 500 * time.Millisecond

// nudge hands the watch over the lane to another process, if there is anything to watch
// for. If it fails the others notice within recheck.
func (l *lane) nudge() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, _ = l.p.run(ctx, l.newCall(opNudge, 0))
}

// waiters is how many callers of Dequeue wait for the lane, or check it.
func (l *lane) waiters() int {
	l.lobby.mu.Lock()
	defer l.lobby.mu.Unlock()
	return l.lobby.present
}
