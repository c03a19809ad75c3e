package redis

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A waitQueue has the callers of Dequeue that wait for one keyspace, in the order of
// their calls. While there are any, a connection of the process is blocked in Redis until
// the keyspace has tasks, see watchers, and a timer runs for tasks that will be due.
// Either wakes one caller, which polls. A caller that finds tasks makes the next one
// check too, so that none is forgotten and only the last one checks in vain.
type waitQueue struct {
	keyspace *keyspace

	mu          sync.Mutex
	present     int       // waiters that wait, or poll because they were woken
	waiting     []*waiter // those that wait
	wakePending bool      // there is something to poll for, and all who are present poll already
	timer       *time.Timer
	timerAt     time.Time // when the timer fires; zero: not at all

	watcher *watcher // that has the keyspace among its own; guarded by watchers.mu, as is checked
	checked bool     // the keyspace is among those to check
}

// A waiter is one call of Dequeue.
type waiter struct {
	q       *queue
	wakeups chan struct{} // capacity 1; nil until it waits
	queues  []*waitQueue  // where it is present
}

// wait waits until one of the keyspaces may have tasks.
func (w *waiter) wait(ctx context.Context, found pollResult) error {
	if w.wakeups == nil {
		w.wakeups = make(chan struct{}, 1)
	}
	for i, ks := range found.keyspaces {
		wq := &ks.waitQueue
		if !slices.Contains(w.queues, wq) {
			w.queues = append(w.queues, wq)
			wq.enter()
		}
		wq.add(w, found.events[i])
	}
	select {
	case <-w.wakeups:
		for _, wq := range w.queues {
			wq.remove(w)
		}
		return nil
	case <-ctx.Done():
		return driver.ErrNoTasks
	case <-w.q.ended:
		return w.q.errClosed()
	}
}

// leave ends the waiter's presence, and makes the next one check: this one may have found
// tasks, or have been woken and not polled.
func (w *waiter) leave() {
	for _, wq := range w.queues {
		wq.remove(w)
		wq.leave()
	}
}

func (wq *waitQueue) enter() {
	wq.mu.Lock()
	defer wq.mu.Unlock()
	wq.present++
}

// add puts a waiter at the end of the line. It has checked, and there may be tasks at
// the given time.
func (wq *waitQueue) add(w *waiter, event time.Time) {
	if wq.insert(w, event) {
		wq.keyspace.p.watchers.join(wq)
	}
}

// insert is add, and reports whether the keyspace must be watched.
func (wq *waitQueue) insert(w *waiter, event time.Time) bool {
	wq.mu.Lock()
	defer wq.mu.Unlock()
	wq.waiting = append(wq.waiting, w)
	if !event.IsZero() && (wq.timerAt.IsZero() || event.Before(wq.timerAt)) {
		wq.timerAt = event
		d := time.Until(event)
		if wq.timer == nil {
			wq.timer = time.AfterFunc(d, wq.onTimer)
		} else {
			wq.timer.Reset(d)
		}
	}
	if wq.wakePending {
		wq.wakeNext()
	}
	return len(wq.waiting) > 0
}

func (wq *waitQueue) remove(w *waiter) {
	wq.mu.Lock()
	defer wq.mu.Unlock()
	if i := slices.Index(wq.waiting, w); i >= 0 {
		wq.waiting = slices.Delete(wq.waiting, i, i+1)
	}
}

func (wq *waitQueue) leave() {
	wq.mu.Lock()
	wq.present--
	last := wq.present == 0
	handOver := last && (wq.wakePending || !wq.timerAt.IsZero())
	if last {
		wq.wakePending, wq.timerAt = false, time.Time{}
		if wq.timer != nil {
			wq.timer.Stop()
		}
	} else {
		wq.wakeNext()
	}
	wq.mu.Unlock()
	if handOver {
		wq.handOver()
	}
}

// handOver makes another process watch the keyspace.
func (wq *waitQueue) handOver() {
	if !wq.keyspace.p.goWatch(wq.keyspace.signalOthers) {
		wq.keyspace.signalOthers() // the provider closes, and waits for this
	}
}

func (wq *waitQueue) onTimer() {
	wq.mu.Lock()
	defer wq.mu.Unlock()
	wq.timerAt = time.Time{}
	if wq.present > 0 {
		wq.wakeNext()
	}
}

// wake makes a waiter check. It reports false if there is none.
func (wq *waitQueue) wake() bool {
	wq.mu.Lock()
	defer wq.mu.Unlock()
	if wq.present == 0 {
		return false
	}
	wq.wakeNext()
	return true
}

// passOn makes a waiter check, here or in another process.
func (wq *waitQueue) passOn() {
	if !wq.wake() {
		wq.handOver()
	}
}

// wakeNext wakes the first in line, or the next one to come.
func (wq *waitQueue) wakeNext() {
	if wq.wakePending = len(wq.waiting) == 0; wq.wakePending {
		return
	}
	w := wq.waiting[0]
	wq.waiting = slices.Delete(wq.waiting, 0, 1)
	select {
	case w.wakeups <- struct{}{}:
	default: // another keyspace has woken it
	}
}

// hasWaiters reports whether there are waiters in line.
func (wq *waitQueue) hasWaiters() bool {
	wq.mu.Lock()
	defer wq.mu.Unlock()
	return len(wq.waiting) > 0
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

// block waits at most recheck for a signal in one of the lists, takes it, and returns
// the list and the content. After that a silent connection is abandoned: a waiter
// checks, and another connection is blocked. A signal that arrives on the abandoned one
// goes to late.
func (p *Provider) block(late func(list string), lists ...string) (list, says string, err error) {
	ctx, cancel := context.WithTimeout(p.ctx, recheck+blockGrace)
	defer cancel()
	signal, err := boundedOr(ctx, nil, 0, func(ctx context.Context) ([]string, error) {
		// The deadline is not for the connection: it would be closed on it.
		return p.blocking.BLPop(context.WithoutCancel(ctx), recheck, lists...).Result()
	}, func(signal []string) {
		if signal != nil && p.ctx.Err() == nil {
			late(signal[0])
		}
	})
	if err != nil {
		return "", "", err
	}
	return signal[0], signal[1], nil
}

// blockGrace is how long a busy server may take to report a timeout.
const blockGrace = 500 * time.Millisecond

// signalOthers hands the watch over the keyspace to another process, if there is anything
// to watch for. If it fails the others notice within recheck.
func (ks *keyspace) signalOthers() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, _ = ks.p.run(ctx, ks.newCall(opSignal, 0))
}

// waiters is how many callers of Dequeue wait for the keyspace, or check it.
func (ks *keyspace) waiters() int {
	ks.waitQueue.mu.Lock()
	defer ks.waitQueue.mu.Unlock()
	return ks.waitQueue.present
}
