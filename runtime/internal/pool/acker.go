package pool

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/taskgen/taskgen/internal/deliveries"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/observe"
)

// Bounds of settling.
const (
	flushSize = 128                  // so many settled tasks do not wait
	callSize  = 1024                 // most tasks of one call: no other call waits long for the queue
	callBytes = 4 << 20              // most bytes of payloads, if the call carries them
	linger    = 2 * time.Millisecond // how long fewer than flushSize wait for more
	// payLinger is the linger of completed tasks where a round trip costs money, and
	// payBackLinger that of tasks that go back or die, for which others wait. payPart
	// bounds both by a part of the lease: a task not reported when the process dies is
	// run again.
	payLinger     = 3 * time.Second
	payBackLinger = time.Second
	payPart       = 10
)

// An acker settles the finished tasks of a queue. It gathers them, so that one call
// settles many, and keeps trying while the queue is away. The monitor guards its
// fields, except functions and fields that are set once.
type acker struct {
	mon        *monitor
	queue      driver.Queue
	name       string
	lease      time.Duration
	freeLeases bool             // see Capabilities
	now        func() time.Time // the clock of leases

	// What it needs of its consumer.
	//
	// companyLocked is how long the items at hand are to wait for others, most at the
	// most. leaving, called without the mutex, takes note of items that are about to be
	// settled. closeLocked takes one that is settled or given up; lost says that its
	// lease has ended.
	companyLocked func(now time.Time, most time.Duration) time.Duration
	leaving       func([]*item)
	closeLocked   func(it *item, lost bool)

	wake     chan struct{}       // capacity 1
	eager    bool                // never linger: the next of a group waits for the ack
	linger   time.Duration       // how long fewer than full wait for more
	back     time.Duration       // the linger of those that were not completed
	full     int                 // so many items do not wait
	paid     int                 // items that one paid request carries; 0: requests are free
	hurried  bool                // nothing waits any more: the pool stops
	finished bool                // nothing more is added
	acks     []*item             // to be settled
	due      time.Time           // until then acks may wait for more
	retry    []*item             // those the queue did not take
	refused  map[*item]time.Time // since when
	retryAt  time.Time
	away     bool // the last call failed as a whole: all items wait
	failing  backoff

	heard  *deliveries.Queue // who hears what is settled; nil: nobody
	worker string            // as listeners know it

	// Buffers of the acker's goroutine, reused by each call.
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

// addLocked takes an item that is to be settled. last says that nothing else is at hand
// for which it could wait.
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

// pendingLocked is how many items only wait for the queue's answer.
func (a *acker) pendingLocked() int { return len(a.acks) + len(a.retry) }

// nobodyComesLocked ends a wait of the acker for more items, because none are to be
// expected soon.
func (a *acker) nobodyComesLocked() {
	if len(a.acks) > 0 {
		a.signal()
	}
}

// hurryLocked makes the acker keep nothing waiting from now on.
func (a *acker) hurryLocked() {
	a.hurried = true
	a.signal()
}

// lingers is how long completed items wait for more, at the most.
func (a *acker) lingers() time.Duration { return a.linger }

// finishLocked makes the acker end once all is settled: nothing more is added.
func (a *acker) finishLocked() {
	a.finished = true
	a.signal()
}

// patience is how long an item may wait to be settled together with others.
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

// run is the acker's goroutine. It ends once it is finished and all is settled. Its
// calls to the queue have the values of ctx.
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

// gather takes what is to be settled now. If there is nothing, wait is how long until
// there is (0: until the next signal).
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

// settleAll settles items with the queue, each by its outcome. It drops those whose
// lease has ended: the tasks are other workers'.
func (a *acker) settleAll(ctx context.Context, items []*item) {
	now := a.now()
	done, dead, back := a.done[:0], a.dead[:0], a.released[:0]
	before := a.settlement(time.Now(), 0) // what earlier calls settled whose answer was lost
	a.mon.Lock()
	for _, it := range items {
		switch {
		case it.lost:
			if before != nil && !it.excused {
				before.Items = append(before.Items, observe.Settled{Task: it.d.Task, Outcome: it.outcome, Ran: it.ran})
			}
			a.forgetLocked(it)
			a.closeLocked(it, false)
		case !it.d.LeaseUntil.After(now):
			a.mon.logLocked(slog.LevelWarn, textLeaseLost, about(a.name, it.d.Task))
			a.forgetLocked(it)
			a.closeLocked(it, true)
		case it.outcome == Completed, it.outcome == Cancelled:
			done = append(done, it)
		case it.outcome == Died:
			dead = append(dead, it)
		default:
			back = append(back, it)
		}
	}
	a.tellLocked(before)
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
	if len(items) > 0 {
		a.leaving(items)
	}
	for len(items) > 0 {
		n := a.oneCall(items, verb != "complete")
		ok = a.send(ctx, verb, call, items[:n]) && ok
		items = items[n:]
	}
	return ok
}

// oneCall is how many of items one call settles. Completed items go without their
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

// send makes one call to the queue, and reports whether it settled everything. The rest
// is kept for another try. The pool's stop does not cancel the call; the length of a
// lease bounds it.
func (a *acker) send(ctx context.Context, verb string, call settleCall, items []*item) bool {
	ds := a.copies(items)
	ctx, cancel := context.WithTimeout(ctx, a.lease)
	began := time.Now()
	err := call(ctx, ds)
	cancel()
	if err != nil {
		a.room, a.ds = nil, nil // the queue may still use them
	}
	failed := itemErrors(err, len(items))

	a.mon.Lock()
	defer a.mon.unlockAndLog()
	ok := true
	ended := a.settlement(began, len(items))
	for i, it := range items {
		end := observe.Settled{Task: it.d.Task, Outcome: it.outcome, Ran: it.ran}
		if !a.settledLocked(it, verb, failed(i), &end) {
			ok = false
			a.retry = append(a.retry, it)
		} else if ended != nil && end.Outcome != Abandoned {
			ended.Items = append(ended.Items, end)
		}
	}
	a.tellLocked(ended)
	if !ok {
		if a.failing.streak == 0 {
			a.mon.logLocked(slog.LevelWarn, "cannot settle tasks, will keep trying", slog.String("queue", a.name), slog.String("call", verb), slog.Any("error", err))
		}
		var be *driver.BatchError
		a.away = !errors.As(err, &be)
	}
	return ok
}

// copies returns copies of the items' deliveries for a call that settles them, in a
// buffer that is reused.
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
		it.askLocked()
		a.room[i] = *it.d
	}
	return a.ds[:len(items)]
}

// settledLocked takes the queue's answer for one item, and reports whether it was
// final. It then writes into end what differs from the item's outcome.
func (a *acker) settledLocked(it *item, verb string, err error, end *observe.Settled) bool {
	it.answeredLocked()
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
		end.Outcome = Abandoned
		return true
	case it.outcome == Died && errors.Is(err, driver.ErrUnsupported):
		// A dead letter queue has none of its own: the task stays on it.
		it.decide(Released, DefaultRetryCap)
		a.mon.logLocked(slog.LevelError, "the queue takes no dead letters: the task goes back to it", task, slog.Duration("delay", it.d.Delay))
		return false
	case errors.Is(err, driver.ErrClosed) || again && now.Sub(since) > a.lease && (a.hurried || !errors.Is(err, driver.ErrQueueFull)):
		a.mon.logLocked(slog.LevelError, "the task could not be settled: it will be delivered again", task, slog.String("call", verb), slog.Any("error", err))
		end.Err = err
	default:
		if !again {
			a.refused[it] = now
		}
		it.doubtLocked()
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
