package pool

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// Bounds of settling.
const (
	flushSize = 128                  // settled tasks that are not kept waiting
	callSize  = 1024                 // most tasks of one call: nobody else waits long for the queue
	callBytes = 4 << 20              // and most bytes of payloads, where they travel
	linger    = 2 * time.Millisecond // how long fewer wait for more
	// payLinger is that for completed tasks where a round trip costs money, and
	// payBackLinger for those that go back or die, which others wait for. payPart bounds
	// both by a part of the lease: what is not told when the process dies is run again.
	payLinger     = 3 * time.Second
	payBackLinger = time.Second
	payPart       = 10
)

// An acker settles the tasks of a queue that are done with: it gathers them, so that one
// call settles many, and tries on while the queue is away. What is neither a function nor
// set once is guarded by the monitor.
type acker struct {
	mon        *monitor
	queue      driver.Queue
	name       string
	lease      time.Duration
	freeLeases bool             // see Capabilities
	now        func() time.Time // by which leases end

	// What it needs of its consumer. All are called with the mutex locked.
	//
	// company is how long the items at hand are to wait for others, most at the most.
	// lose is for an item whose lease has ended. close is for one that is settled or
	// given up; lost says that the queue has ended its lease.
	companyLocked func(now time.Time, most time.Duration) time.Duration
	loseLocked    func(*item)
	closeLocked   func(it *item, lost bool)

	wake     chan struct{}       // capacity 1
	eager    bool                // never linger: the next of a group waits for the ack
	linger   time.Duration       // how long fewer than full wait for more
	back     time.Duration       // that for those that were not completed
	full     int                 // items that are not kept waiting
	paid     int                 // items that one paid request carries; 0: they are free
	hurried  bool                // nothing waits any more, for the pool stops
	finished bool                // nothing more is added
	acks     []*item             // to be settled
	due      time.Time           // until when acks may wait for more
	retry    []*item             // those the queue did not take
	refused  map[*item]time.Time // since when
	retryAt  time.Time
	away     bool // the last call failed as a whole: the others wait as well
	failing  backoff
	putOff   map[string]bool // IDs of what went back with a delay, for Drain; nil: not kept

	// Room of the acker's goroutine, used again for each call.
	batch, done, dead, released []*item
	room                        []driver.Delivery
	ds                          []*driver.Delivery
}

// init sets what depends on the queue. batch is how many tasks a paid request carries.
func (a *acker) init(q driver.Queue, batch int) {
	cfg := q.Config()
	a.queue, a.name, a.lease, a.freeLeases = q, cfg.Name, cfg.Visibility, q.Capabilities().FreeLeases
	a.wake, a.eager, a.refused = make(chan struct{}, 1), cfg.Type == driver.FIFO, make(map[*item]time.Time)
	a.linger, a.back, a.full, a.paid = linger, linger, flushSize, batch
	if batch > 0 {
		part := cfg.Visibility / payPart
		a.linger, a.back, a.full = min(payLinger, part), min(payBackLinger, part), min(batch, flushSize)
	}
}

// addLocked takes an item that is to be settled. last says that there is nothing else at
// hand that the others could wait for.
func (a *acker) addLocked(it *item, last bool) {
	a.acks = append(a.acks, it)
	switch n := len(a.acks); {
	case n == 1:
		a.due = time.Now().Add(a.patience(it))
	case a.back < a.linger && it.outcome != Completed:
		a.due = earlier(a.due, time.Now().Add(a.back))
	case n != a.full && (a.paid == 0 || !last):
		return
	}
	a.signal()
}

// pendingLocked is how many items are settled but for the answer.
func (a *acker) pendingLocked() int { return len(a.acks) + len(a.retry) }

// nobodyComesLocked has the acker wait for nobody, where it waits, because no more items are to
// be expected soon.
func (a *acker) nobodyComesLocked() {
	if len(a.acks) > 0 {
		a.signal()
	}
}

// hurryLocked has the acker keep nothing waiting from now on.
func (a *acker) hurryLocked() {
	a.hurried = true
	a.signal()
}

// finishLocked has the acker end once all is settled: nothing more is added.
func (a *acker) finishLocked() {
	a.finished = true
	a.signal()
}

// patience is how long an item may wait for others to be settled with.
func (a *acker) patience(it *item) time.Duration {
	if it.outcome == Completed {
		return a.linger
	}
	return a.back
}

func (a *acker) signal() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// run is the acker's goroutine. It ends once it is finished and all is settled. The calls
// to the queue have the values of ctx.
func (a *acker) run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		items, wait, over := a.gather(time.Now())
		switch {
		case over:
			return
		case len(items) > 0:
			a.settleAll(ctx, items)
			continue
		case wait > 0:
			timer.Reset(wait)
		default:
			timer.Stop()
		}
		select {
		case <-a.wake:
		case <-timer.C:
		}
	}
}

// gather takes what is to be settled now. When that is nothing, wait is how long
// until there is something (0: until the next signal).
func (a *acker) gather(now time.Time) (items []*item, wait time.Duration, over bool) {
	a.mon.Lock()
	defer a.mon.Unlock()
	pause := a.retryAt.Sub(now)
	items = a.batch[:0]
	if len(a.retry) > 0 && pause <= 0 {
		items = append(items, a.retry...)
		a.retry = nil
	}
	if n := len(a.acks); n > 0 && (!a.away || pause <= 0) {
		wait = a.companyLocked(now, a.due.Sub(now))
		all := a.eager || a.hurried || wait <= 0
		if n >= a.full && !all && a.paid > 0 {
			n -= n % a.paid // whole requests
		} else if n < a.full && !all {
			n = 0
		}
		items = append(items, a.acks[:n]...)
		if n > 0 {
			left := copy(a.acks, a.acks[n:])
			clear(a.acks[left:])
			a.acks = a.acks[:left]
			a.due = now.Add(a.linger)
			for _, it := range a.acks {
				a.due = earlier(a.due, now.Add(a.patience(it)))
			}
		}
	}
	a.batch = items
	if (len(a.retry) > 0 || a.away && len(a.acks) > 0) && (wait == 0 || pause < wait) {
		wait = pause
	}
	return items, wait, a.finished && len(items)+a.pendingLocked() == 0
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// settleAll settles items with the queue, each by its outcome. Those whose lease
// has ended are dropped: they are other workers' tasks.
func (a *acker) settleAll(ctx context.Context, items []*item) {
	now := a.now()
	done, dead, back := a.done[:0], a.dead[:0], a.released[:0]
	a.mon.Lock()
	for _, it := range items {
		if !it.lost && !it.d.LeaseUntil.After(now) {
			a.loseLocked(it)
		}
		switch {
		case it.lost:
			a.forgetLocked(it)
			a.closeLocked(it, false)
		case it.outcome == Completed:
			done = append(done, it)
		case it.outcome == Died:
			dead = append(dead, it)
		default:
			back = append(back, it)
			if a.putOff != nil && it.d.Delay > 0 {
				a.putOff[it.d.Task.ID] = true
			}
		}
	}
	a.mon.unlockAndLog()
	ok := a.sendAll(ctx, "complete", a.queue.Complete, done)
	ok = a.sendAll(ctx, "dead letter", a.queue.DeadLetter, dead) && ok
	ok = a.sendAll(ctx, "release", a.queue.Release, back) && ok
	a.done, a.dead, a.released = done, dead, back

	a.mon.Lock()
	defer a.mon.Unlock()
	if ok {
		a.failing.streak, a.away = 0, false
		return
	}
	a.retryAt = time.Now().Add(a.failing.next(maxAckPause))
}

type settleCall func(context.Context, []*driver.Delivery) error

func (a *acker) sendAll(ctx context.Context, verb string, call settleCall, items []*item) bool {
	ok := true
	for len(items) > 0 {
		n := a.oneCall(items, verb != "complete")
		ok = a.send(ctx, verb, call, items[:n]) && ok
		items = items[n:]
	}
	return ok
}

// oneCall is how many of items one call settles. What is completed goes without its
// payload.
func (a *acker) oneCall(items []*item, travels bool) int {
	most := min(len(items), callSize)
	if !travels {
		return most
	}
	a.mon.Lock() // the lease extender may close an item
	defer a.mon.Unlock()
	bytes := 0
	for i, it := range items[:most] {
		if it.d != nil {
			bytes += len(it.d.Task.Payload)
		}
		if i > 0 && bytes > callBytes {
			return i
		}
	}
	return most
}

// send makes one call to the queue, and reports whether it settled everything.
// What it did not settle is kept for another try. The call is not cancelled by
// the pool's stop; the length of a lease bounds it.
func (a *acker) send(ctx context.Context, verb string, call settleCall, items []*item) bool {
	ds := a.copies(items)
	ctx, cancel := context.WithTimeout(ctx, a.lease)
	err := call(ctx, ds)
	cancel()
	if err != nil {
		a.room, a.ds = nil, nil // the queue may be at them still
	}
	failed := itemErrors(err, len(items))

	a.mon.Lock()
	defer a.mon.unlockAndLog()
	ok := true
	for i, it := range items {
		if !a.settledLocked(it, verb, failed(i)) {
			ok = false
			a.retry = append(a.retry, it)
		}
	}
	if !ok {
		if a.failing.streak == 0 {
			a.mon.logLocked(slog.LevelWarn, "cannot settle tasks, will keep trying", slog.String("queue", a.name), slog.String("call", verb), slog.Any("error", err))
		}
		var be *driver.BatchError
		a.away = !errors.As(err, &be)
	}
	return ok
}

// copies returns copies of the items' deliveries for a call that is to settle them,
// in room that is used again.
func (a *acker) copies(items []*item) []*driver.Delivery {
	if cap(a.room) < len(items) {
		a.room = make([]driver.Delivery, max(len(items), flushSize))
		a.ds = make([]*driver.Delivery, len(a.room))
		for i := range a.ds {
			a.ds[i] = &a.room[i]
		}
	}
	a.mon.Lock()
	defer a.mon.Unlock()
	for i, it := range items {
		it.asked = true
		a.room[i] = *it.d
	}
	return a.ds[:len(items)]
}

// settledLocked takes the queue's answer for one item, and reports whether that was
// the last word.
func (a *acker) settledLocked(it *item, verb string, err error) bool {
	it.asked = false
	if err == nil {
		a.forgetLocked(it)
		a.closeLocked(it, false)
		return true
	}
	task, now := about(a.name, it.d.Task), time.Now()
	since, again := a.refused[it]
	switch {
	case errors.Is(err, driver.ErrLeaseLost) && it.wasSettledLocked(a.freeLeases, a.now()):
		a.mon.logLocked(slog.LevelDebug, "the task was settled by a call whose answer was lost", task, slog.String("call", verb))
	case errors.Is(err, driver.ErrLeaseLost):
		a.mon.logLocked(slog.LevelWarn, "lease lost before the task was settled: it will be delivered again", task, slog.String("call", verb))
		a.forgetLocked(it)
		a.closeLocked(it, true)
		return true
	case it.outcome == Died && errors.Is(err, driver.ErrUnsupported):
		// A dead letter queue has none of its own: the task stays on it.
		it.outcome, it.d.Delay = Released, DefaultRetryCap
		a.mon.logLocked(slog.LevelError, "the queue takes no dead letters: the task goes back to it", task, slog.Duration("delay", it.d.Delay))
		return false
	case errors.Is(err, driver.ErrClosed) || again && now.Sub(since) > a.lease && (a.hurried || !errors.Is(err, driver.ErrQueueFull)):
		a.mon.logLocked(slog.LevelError, "the task could not be settled: it will be delivered again", task, slog.String("call", verb), slog.Any("error", err))
	default:
		if !again {
			a.refused[it] = now
		}
		it.doubt = true
		return false
	}
	a.forgetLocked(it)
	a.closeLocked(it, false)
	return true
}

func (a *acker) forgetLocked(it *item) {
	if len(a.refused) > 0 {
		delete(a.refused, it)
	}
}
