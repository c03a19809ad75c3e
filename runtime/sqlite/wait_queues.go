package sqlite

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

const (
	// Each reads one row, at the head of its index.
	sqlDelayNext = `SELECT min(due) FROM taskgen_delayed WHERE queue = ?`
	sqlLeaseNext = `SELECT min(until) FROM taskgen_lease INDEXED BY taskgen_lease_until WHERE queue = ?`
)

// A waiter is a Dequeue that waits for tasks.
type waiter struct {
	owner *queue
	queue int64
	limit int
	lease time.Duration
	once  bool // it checks once and does not wait

	got   []claimed
	until int64
	done  chan error

	gone bool // its context has ended while the writer had it in hand; guarded by waitQueues.mu
}

// waitQueues has the waiters, a waitQueue for each queue, in the order of their
// calls. The writer serves them in the same transaction that adds tasks: nothing polls,
// and no waiter is woken in vain.
type waitQueues struct {
	clock  driver.Clock
	signal func(queue int64) // makes the writer check a queue

	mu          sync.Mutex
	byQueue     map[int64]*waitQueue
	count       int
	wakeWatcher chan struct{} // signals the watcher that there are waiters
}

type waitQueue struct {
	waiting []*waiter
	timer   driver.Timer
	timerAt int64 // when the timer fires; 0: not at all
	earlier int64 // what the watcher brought forward since the last readEvents; 0: nothing
}

func newWaitQueues(clock driver.Clock) *waitQueues {
	return &waitQueues{clock: clock, byQueue: make(map[int64]*waitQueue), wakeWatcher: make(chan struct{}, 1)}
}

func (ws *waitQueues) add(w *waiter) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	r := ws.byQueue[w.queue]
	if r == nil {
		r = new(waitQueue)
		ws.byQueue[w.queue] = r
	}
	r.waiting = append(r.waiting, w)
	ws.count++
}

// withdraw removes a waiter whose context has ended. It reports false if the writer is
// serving the waiter and will answer it.
func (ws *waitQueues) withdraw(w *waiter) bool {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.remove(w) {
		return true
	}
	w.gone = true
	return false
}

func (ws *waitQueues) remove(w *waiter) bool {
	r := ws.byQueue[w.queue]
	if r == nil {
		return false
	}
	i := slices.Index(r.waiting, w)
	if i < 0 {
		return false
	}
	r.waiting = slices.Delete(r.waiting, i, i+1)
	ws.count--
	return true
}

// serve claims tasks for the waiters of the queues that t has touched, first come first
// served, and removes the served ones from their waitQueue.
func (ws *waitQueues) serve(t *tx) (served []*waiter) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for _, s := range t.states {
		r := ws.byQueue[s.id]
		if r == nil {
			continue
		}
		n := 0
		for _, w := range r.waiting {
			w.until = after(t.now, w.lease)
			if w.got = t.claim(s, w.limit, w.until); len(w.got) == 0 {
				break
			}
			n++
		}
		served = append(served, r.waiting[:n]...)
		r.waiting = slices.Delete(r.waiting, 0, n)
		ws.count -= n
	}
	return served
}

// restore adds waiters again after the transaction that served them has failed.
func (ws *waitQueues) restore(served []*waiter) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for _, w := range slices.Backward(served) {
		r := ws.byQueue[w.queue]
		r.waiting = slices.Insert(r.waiting, 0, w)
		w.got = nil
		ws.count++
	}
}

// noTransaction is called when a transaction did not begin. If the file was only locked, the
// waiters keep waiting, and noTransaction returns their queues, which must be visited again.
// Any other error goes to the waiters.
func (ws *waitQueues) noTransaction(err error) (queues []int64) {
	if !errors.Is(err, ErrBusy) {
		ws.evict(err, func(*waiter) bool { return true })
		return nil
	}
	return ws.queues()
}

// queues lists the queues that have waiters.
func (ws *waitQueues) queues() (queues []int64) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for queue, r := range ws.byQueue {
		if len(r.waiting) > 0 {
			queues = append(queues, queue)
		}
	}
	return queues
}

// dismiss ends waiters that do not wait, or no longer wait, and those whose queue was
// closed before they came in.
func (ws *waitQueues) dismiss() {
	ws.evict(errClosed, func(w *waiter) bool { return w.owner.closed.Load() })
	ws.evict(driver.ErrNoTasks, func(w *waiter) bool { return w.once || w.gone })
	// Only now: most waiters are served at once and do not need the watcher.
	if ws.hasWaiters() {
		select {
		case ws.wakeWatcher <- struct{}{}:
		default:
		}
	}
}

// fail answers the waiters of one queue with an error.
func (ws *waitQueues) fail(queue int64, err error) {
	ws.evict(err, func(w *waiter) bool { return w.queue == queue })
}

func (ws *waitQueues) evict(err error, which func(*waiter) bool) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for _, r := range ws.byQueue {
		r.waiting = slices.DeleteFunc(r.waiting, func(w *waiter) bool {
			if !which(w) {
				return false
			}
			ws.count--
			w.done <- err
			return true
		})
	}
}

// readEvents reads, for the queues of t with waiters, when there may be tasks
// for them.
func (ws *waitQueues) readEvents(t *tx) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for _, s := range t.states {
		if r := ws.byQueue[s.id]; r != nil {
			r.earlier = 0 // nobody else can write until the commit
			if len(r.waiting) > 0 {
				s.event = t.nextEvent(s.id, s.paused)
			}
		}
	}
}

// nextEvent is when the next delayed task of a queue becomes due or the next lease ends;
// 0 when there is neither. On a paused queue it is when the pause ends: nothing is handed
// out before.
func (t *tx) nextEvent(queue, paused int64) int64 {
	if paused > noEnd {
		return paused
	}
	var next int64
	for _, query := range [...]string{sqlDelayNext, sqlLeaseNext} {
		r := t.query(query, queue)
		if r.next() && !r.null(0) && (next == 0 || r.int(0) < next) {
			next = r.int(0)
		}
		r.done()
	}
	return next
}

// setTimers sets the timers to the times that readEvents has read, or to earlier ones
// that another process has written since and the watcher has seen.
func (ws *waitQueues) setTimers(t *tx) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for _, s := range t.states {
		if r := ws.byQueue[s.id]; r != nil {
			if r.earlier != 0 && (s.event == 0 || r.earlier < s.event) {
				s.event = r.earlier
			}
			ws.setTimer(s.id, r, s.event)
		}
	}
}

// longestTimer bounds a timer, so that a wall clock that was set forward is
// noticed.
const longestTimer = 10 * time.Second

// setTimer sets the timer of a waitQueue to the given time.
func (ws *waitQueues) setTimer(queue int64, r *waitQueue, at int64) {
	r.timerAt = at
	if at == 0 || len(r.waiting) == 0 {
		if r.timer != nil {
			r.timer.Stop()
		}
		return
	}
	d := min(max(time.Duration(at-ws.clock.Now().UnixNano()), 0), longestTimer)
	if r.timer == nil {
		r.timer = ws.clock.AfterFunc(d, func() { ws.signal(queue) })
	} else {
		r.timer.Reset(d)
	}
	// The clock may jump in between: a machine wakes from sleep, a test moves the time.
	if d > 0 && ws.clock.Now().UnixNano() >= at {
		r.timer.Reset(0)
	}
}

// close ends all waiters and stops the timers.
func (ws *waitQueues) close() {
	ws.evict(errClosed, func(*waiter) bool { return true })
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for _, r := range ws.byQueue {
		if r.timer != nil {
			r.timer.Stop()
		}
	}
}

// onceTimeout is how long a Dequeue that does not wait for tasks waits for its turn at the
// file.
const onceTimeout = time.Second

// awaitTasks waits for the tasks of a waiter, until ctx ends.
func (w *writer) awaitTasks(ctx context.Context, waiting *waiter) error {
	cl := &call{waiter: waiting, done: waiting.done}
	if waiting.once = ctx.Err() != nil; waiting.once {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), onceTimeout)
		defer cancel()
	}
	if err := w.submit(ctx, cl); err != nil {
		if ctx.Err() != nil {
			err = driver.ErrNoTasks
		}
		return err
	}
	end := driver.ErrNoTasks
	select {
	case err := <-waiting.done:
		return unavailable(err)
	case <-ctx.Done():
	case <-w.stopped:
		end = errClosed
	}
	if cl.began.CompareAndSwap(false, true) || w.waitQueues.withdraw(waiting) {
		return end
	}
	return unavailable(<-waiting.done)
}

// hasWaiters reports whether there are waiters.
func (ws *waitQueues) hasWaiters() bool {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	return ws.count > 0
}

// poll reads, after another connection has written, whether there are tasks for waiting
// waiters, and makes the writer serve them. If it cannot read, the writer meets the
// error and reports it.
func (ws *waitQueues) poll(r *reader) {
	for _, queue := range ws.queues() {
		var available bool
		var event int64
		err := r.do(context.Background(), 0, func(t *tx) {
			a := t.query(sqlAvailable, queue)
			if available = !a.next(); !available { // of a deleted queue the writer reports that it is gone
				available = a.int(0) != 0
				a.done()
			}
			event = t.nextEvent(queue, t.pause(queue))
		})
		switch {
		case err != nil || available || event != 0 && event <= ws.clock.Now().UnixNano():
			ws.signal(queue)
		case event != 0:
			ws.bringForward(queue, event)
		}
	}
}

// bringForward sets the timer of a waitQueue to an earlier time.
func (ws *waitQueues) bringForward(queue, at int64) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	r := ws.byQueue[queue]
	r.earlier = at
	if r.timerAt == 0 || at < r.timerAt {
		ws.setTimer(queue, r, at)
	}
}
