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

// A consumer is one Dequeue that waits.
type consumer struct {
	owner *queue
	queue int64
	limit int
	lease time.Duration
	once  bool // it looks once and does not wait

	got   []claimed
	until int64
	done  chan error

	gone bool // its context has ended while the writer had it in hand; the lobby's
}

// A lobby has the waiting consumers, in a room for each queue and in the order of their
// calls. The writer serves them in the same transaction that adds tasks: nothing polls,
// and no consumer is woken in vain.
type lobby struct {
	clock driver.Clock
	nudge func(queue int64) // has the writer look at a queue

	mu    sync.Mutex
	rooms map[int64]*room
	count int
	busy  chan struct{} // tells the watcher that somebody waits
}

type room struct {
	waiting []*consumer
	timer   driver.Timer
	planned int64 // when the timer rings; 0: not at all
	forward int64 // what the watcher brought forward since the last plan; 0: nothing
}

func newLobby(clock driver.Clock) *lobby {
	return &lobby{clock: clock, rooms: make(map[int64]*room), busy: make(chan struct{}, 1)}
}

// enter adds a consumer.
func (l *lobby) enter(c *consumer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.rooms[c.queue]
	if r == nil {
		r = new(room)
		l.rooms[c.queue] = r
	}
	r.waiting = append(r.waiting, c)
	l.count++
}

// withdraw removes a consumer whose context has ended. It reports false if the writer is
// serving the consumer and will answer it.
func (l *lobby) withdraw(c *consumer) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.remove(c) {
		return true
	}
	c.gone = true
	return false
}

func (l *lobby) remove(c *consumer) bool {
	r := l.rooms[c.queue]
	if r == nil {
		return false
	}
	i := slices.Index(r.waiting, c)
	if i < 0 {
		return false
	}
	r.waiting = slices.Delete(r.waiting, i, i+1)
	l.count--
	return true
}

// serve claims tasks for the consumers of the queues that t has touched, first come first
// served, and removes the served ones from their room.
func (l *lobby) serve(t *tx) (served []*consumer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range t.states {
		r := l.rooms[s.id]
		if r == nil {
			continue
		}
		n := 0
		for _, c := range r.waiting {
			c.until = after(t.now, c.lease)
			if c.got = t.claim(s, c.limit, c.until); len(c.got) == 0 {
				break
			}
			n++
		}
		served = append(served, r.waiting[:n]...)
		r.waiting = slices.Delete(r.waiting, 0, n)
		l.count -= n
	}
	return served
}

// restore adds consumers again after the transaction that served them has failed.
func (l *lobby) restore(served []*consumer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range slices.Backward(served) {
		r := l.rooms[c.queue]
		r.waiting = slices.Insert(r.waiting, 0, c)
		c.got = nil
		l.count++
	}
}

// without tells the lobby that there was no transaction. If the file was only locked the
// consumers keep waiting, and without returns their queues, which must be visited again.
// Any other error goes to the consumers.
func (l *lobby) without(err error) (queues []int64) {
	if !errors.Is(err, ErrBusy) {
		l.evict(err, func(*consumer) bool { return true })
		return nil
	}
	return l.queues()
}

// queues lists the queues that have waiting consumers.
func (l *lobby) queues() (queues []int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for queue, r := range l.rooms {
		if len(r.waiting) > 0 {
			queues = append(queues, queue)
		}
	}
	return queues
}

// dismiss ends consumers that do not wait, or no longer wait, and those whose queue was
// closed before they came in.
func (l *lobby) dismiss() {
	l.evict(errClosed, func(c *consumer) bool { return c.owner.closed.Load() })
	l.evict(driver.ErrNoTasks, func(c *consumer) bool { return c.once || c.gone })
	// Only now: most consumers are served at once and do not need the watcher.
	if l.occupied() {
		select {
		case l.busy <- struct{}{}:
		default:
		}
	}
}

// fail answers the consumers of one queue with an error.
func (l *lobby) fail(queue int64, err error) {
	l.evict(err, func(c *consumer) bool { return c.queue == queue })
}

func (l *lobby) evict(err error, which func(*consumer) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.rooms {
		r.waiting = slices.DeleteFunc(r.waiting, func(c *consumer) bool {
			if !which(c) {
				return false
			}
			l.count--
			c.done <- err
			return true
		})
	}
}

// plan reads, for the queues of t with waiting consumers, when there may be tasks for
// them.
func (l *lobby) plan(t *tx) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range t.states {
		if r := l.rooms[s.id]; r != nil {
			r.forward = 0 // nobody else can write until the commit
			if len(r.waiting) > 0 {
				s.event = t.nextEvent(s.id)
			}
		}
	}
}

// nextEvent is when the next delayed task of a queue becomes due or the next
// lease ends; 0 when there is neither.
func (t *tx) nextEvent(queue int64) int64 {
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

// arm sets the timers to the times that plan has read, or to earlier ones that another
// process has written since and the watcher has seen.
func (l *lobby) arm(t *tx) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range t.states {
		if r := l.rooms[s.id]; r != nil {
			if r.forward != 0 && (s.event == 0 || r.forward < s.event) {
				s.event = r.forward
			}
			l.set(s.id, r, s.event)
		}
	}
}

// longestTimer bounds a timer, so that a wall clock that was set forward is
// noticed.
const longestTimer = 10 * time.Second

// set sets the timer of a room to the given time.
func (l *lobby) set(queue int64, r *room, at int64) {
	r.planned = at
	if at == 0 || len(r.waiting) == 0 {
		if r.timer != nil {
			r.timer.Stop()
		}
		return
	}
	d := min(max(time.Duration(at-l.clock.Now().UnixNano()), 0), longestTimer)
	if r.timer == nil {
		r.timer = l.clock.AfterFunc(d, func() { l.nudge(queue) })
	} else {
		r.timer.Reset(d)
	}
	// The clock may jump in between: a machine wakes from sleep, a test moves the time.
	if d > 0 && l.clock.Now().UnixNano() >= at {
		r.timer.Reset(0)
	}
}

// close ends all consumers and stops the timers.
func (l *lobby) close() {
	l.evict(errClosed, func(*consumer) bool { return true })
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.rooms {
		if r.timer != nil {
			r.timer.Stop()
		}
	}
}

// onceLimit is how long a consumer that does not wait for tasks waits for its
// turn at the file.
const onceLimit = time.Second

// consume waits for tasks for c, until ctx ends.
func (w *writer) consume(ctx context.Context, c *consumer) error {
	cl := &call{consumer: c, done: c.done}
	if c.once = ctx.Err() != nil; c.once {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), onceLimit)
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
	case err := <-c.done:
		return unavailable(err)
	case <-ctx.Done():
	case <-w.stopped:
		end = errClosed
	}
	if cl.began.CompareAndSwap(false, true) || w.lobby.withdraw(c) {
		return end
	}
	return unavailable(<-c.done)
}

// occupied reports whether there are consumers.
func (l *lobby) occupied() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count > 0
}

// look reads, after another connection has written, whether there are tasks for waiting
// consumers, and makes the writer serve them. If it cannot read, the writer meets the
// error and reports it.
func (l *lobby) look(r *reader) {
	for _, queue := range l.queues() {
		var available bool
		var event int64
		err := r.do(context.Background(), 0, func(t *tx) {
			a := t.query(sqlAvailable, queue)
			available = a.next() && a.int(0) != 0
			a.done()
			event = t.nextEvent(queue)
		})
		switch {
		case err != nil || available || event != 0 && event <= l.clock.Now().UnixNano():
			l.nudge(queue)
		case event != 0:
			l.bringForward(queue, event)
		}
	}
}

// bringForward sets the timer of a room to an earlier time.
func (l *lobby) bringForward(queue, at int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.rooms[queue]
	r.forward = at
	if r.planned == 0 || at < r.planned {
		l.set(queue, r, at)
	}
}
