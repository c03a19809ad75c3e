package rabbitmq

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/taskgen/taskgen/runtime/driver"
)

// maxDraw bounds the tasks of one draw.
const maxDraw = 2000

// A queueState is one queue of this process's provider, shared by all its handles. One
// goroutine draws for all waiters; another relays delayed tasks.
type queueState struct {
	p          *Provider
	name       string
	dlq        string
	kind       driver.QueueType
	lines      []string // the broker's queues, the highest level last
	isDLQ      bool
	delayRelay delayRelay

	signal  chan struct{}   // capacity 1: there is a waiter
	digging chan struct{}   // capacity 1: held by a scan of the dead letter queue
	burying chan struct{}   // capacity burials
	alarm   *time.Timer     // fires when the next lease ends
	ctx     context.Context // ends when the queue is deleted, and with the provider's
	stop    context.CancelFunc

	mu       sync.Mutex
	receiver *receiver // the one that draws; nil if it is lost
	other    *receiver // the previous one, whose tasks are being settled meanwhile
	waiters  []*waiter
	unwanted chan struct{} // closed when no waiter is left
	left     time.Time     // when the last waiter was served or left
	drawn    []*lease      // not handed out: those of the highest line first
	leases   map[driver.Receipt]*lease
	next     time.Time         // when alarm fires; zero: never
	back     int               // drawn tasks that are being given back
	served   map[string]uint64 // when a group was served last, by turn
	turn     uint64

	// Of a fifo queue.
	recheck chan struct{} // capacity 1: the partitions are to be checked
	parts   []*receiver   // by partition: nil if it is not held
	leaving map[int]bool  // partitions that are given up when none of their tasks runs
	opening bool          // the first partitions are being taken
	asked   time.Time     // when a worker last waited
	share   int           // partitions that this process may have
	orphans map[int]int   // how often a partition was seen without a process
}

func newQueueState(p *Provider, cfg driver.QueueConfig, isDLQ bool) *queueState {
	st := &queueState{p: p, name: cfg.Name, dlq: cfg.DLQ, kind: cfg.Type, isDLQ: isDLQ, signal: make(chan struct{}, 1), digging: make(chan struct{}, 1), burying: make(chan struct{}, burials), leases: make(map[driver.Receipt]*lease), served: make(map[string]uint64), recheck: make(chan struct{}, 1), share: partitions, orphans: make(map[int]int)}
	st.ctx, st.stop = context.WithCancel(p.ctx)
	for i := range lines(cfg) {
		st.lines = append(st.lines, p.names.line(cfg.Name, i))
	}
	if cfg.Type == driver.FIFO {
		st.parts = make([]*receiver, len(st.lines))
	}
	st.delayRelay.st = st
	return st
}

// idleWait is how long a task stays here that was drawn for a waiter who has left. A
// task that came late stays for as long as it was late, but not beyond maxIdleWait: a
// large task on a slow link takes longer to come than a Dequeue waits, and would go
// back and forth for ever.
const (
	idleWait    = 100 * time.Millisecond
	maxIdleWait = 10 * time.Second
)

// deadIdleWait and maxDeadIdleWait are those of a dead letter queue: its letters are
// browsed more often than worked off, and a redrive waits for those that are here, for
// drawnWait.
const (
	deadIdleWait    = 5 * time.Millisecond
	maxDeadIdleWait = drawnWait / 10
)

func (st *queueState) idleWait() time.Duration {
	if st.isDLQ {
		return deadIdleWait
	}
	return idleWait
}

func (st *queueState) maxIdleWait() time.Duration {
	if st.isDLQ {
		return maxDeadIdleWait
	}
	return maxIdleWait
}

// run draws tasks for the waiters, until the provider is closed or the queue deleted.
func (st *queueState) run() {
	ctx := st.ctx
	for {
		n, unwanted, stale := st.demand(time.Now())
		if stale {
			st.giveBack(ctx)
		}
		if n == 0 {
			var idle <-chan time.Time
			if wait := st.givesBackIn(time.Now()); wait > 0 {
				idle = time.After(wait)
			}
			select {
			case <-st.signal:
			case <-idle:
				st.giveBack(ctx)
			case <-ctx.Done():
				return
			}
			continue
		}
		s, err := st.p.link.session(ctx)
		if err != nil {
			return
		}
		t, err := st.receiverOf(ctx, s)
		if err != nil {
			st.pause(ctx)
			continue
		}
		if err := t.draw(n, unwanted); err != nil {
			_ = t.ch.Close()
			st.refuse(err)
			st.pause(ctx)
		}
		st.serve()
	}
}

// receiverOf returns a receiver of a connection. It alternates between two, because the
// broker works on one channel step by step: tasks of one are settled while the other
// draws. A receiver that has just given tasks back keeps drawing, because it alone is
// sure to find them.
func (st *queueState) receiverOf(ctx context.Context, s *session) (*receiver, error) {
	st.mu.Lock()
	st.forget()
	if st.receiver == nil || !st.receiver.returned() && st.receiver.idle() {
		st.receiver, st.other = st.other, st.receiver
	}
	t := st.receiver
	st.mu.Unlock()
	if t != nil {
		return t, nil
	}
	t, err := st.newReceiver(ctx, s)
	if err != nil {
		return nil, err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	st.receiver = t
	return t, nil
}

func (st *queueState) pause(ctx context.Context) {
	select {
	case <-time.After(firstPause):
	case <-ctx.Done():
	}
}

// demand returns how many tasks are to be drawn now, and whether some drawn tasks have
// found no taker for a while.
func (st *queueState) demand(now time.Time) (n int, unwanted <-chan struct{}, stale bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.forget()
	stale = slices.ContainsFunc(st.drawn, func(l *lease) bool { return now.After(l.keep) })
	if len(st.waiters) == 0 {
		return 0, nil, stale
	}
	return min(st.waiters[0].limit, maxDraw), st.unwanted, stale && len(st.drawn) > st.waiters[0].limit
}

// givesBackIn is how long without a waiter there may be consumers and drawn tasks; 0 if
// there are none.
func (st *queueState) givesBackIn(now time.Time) time.Duration {
	if slices.ContainsFunc(st.receivers(), func(t *receiver) bool { return !t.idle() }) {
		return st.idleWait()
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if len(st.drawn) == 0 {
		return 0
	}
	first := slices.MinFunc(st.drawn, func(a, b *lease) int { return a.keep.Compare(b.keep) })
	return max(first.keep.Sub(now), st.idleWait())
}

// receivers are the receivers that are alive.
func (st *queueState) receivers() []*receiver {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.forget()
	return slices.DeleteFunc(append([]*receiver{st.receiver, st.other}, st.parts...), func(t *receiver) bool { return t == nil })
}

// forget drops the tasks of a lost receiver: the broker has them again. st.mu is held.
func (st *queueState) forget() {
	lost := false
	for _, t := range []**receiver{&st.receiver, &st.other} {
		if *t != nil && !(*t).alive() {
			*t, lost = nil, true
		}
	}
	for line, t := range st.parts {
		if t != nil && !t.alive() {
			st.parts[line], lost = nil, true
		}
	}
	if !lost {
		return
	}
	dead := func(l *lease) bool { return !l.t.alive() }
	st.drawn = slices.DeleteFunc(st.drawn, dead)
	for r, l := range st.leases {
		if dead(l) {
			delete(st.leases, r)
		}
	}
}

// refuse ends the wait of all waiters if the broker does not let the queue be consumed:
// the queue is missing, the user may not read it, or another consumer has it
// exclusively.
func (st *queueState) refuse(err error) {
	if exception(err) == nil {
		return
	}
	err = explain(err)
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, w := range st.waiters {
		w.fail <- err
	}
	st.waiters = nil
	st.unwant()
}

func (st *queueState) unwant() {
	if len(st.waiters) == 0 && st.unwanted != nil {
		close(st.unwanted)
		st.unwanted = nil
		st.left = time.Now()
	}
}

// arrived takes in a delivery.
func (st *queueState) arrived(t *receiver, c *consumer, d *amqp.Delivery) {
	line := c.line
	l := &lease{t: t, consumer: c, tag: d.DeliveryTag, line: line, id: d.MessageId, body: d.Body, crashes: crashes(d.Headers), at: time.Now()}
	l.counted = l.crashes
	l.from = foreign(d, counters)
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.kind == driver.FIFO {
		st.arrivedInGroup(l, d)
		return
	}
	l.keep = l.at.Add(st.idleWait())
	if len(st.waiters) == 0 {
		late := min(l.at.Sub(st.left), st.maxIdleWait())
		l.keep = l.at.Add(max(late, st.idleWait()))
	}
	st.draw(l)
}

// draw adds a task to those to be handed out. st.mu is held.
func (st *queueState) draw(l *lease) {
	i := len(st.drawn)
	for i > 0 && st.drawn[i-1].line < l.line {
		i--
	}
	st.drawn = slices.Insert(st.drawn, i, l)
}

// crashes counts the deliveries of a message that ended without an outcome: the broker's
// count for this copy, and the count of the copies before.
func crashes(h amqp.Table) int {
	return number(h[headerCrashes]) + number(h[headerDeliveries])
}

func number(v any) int {
	switch v := v.(type) {
	case int64:
		return int(v)
	case int32:
		return int(v)
	case int16:
		return int(v)
	case int8:
		return int(v)
	case uint8:
		return int(v)
	}
	return 0
}

func (st *queueState) wake() {
	select {
	case st.signal <- struct{}{}:
	default:
	}
}

// giveBack ends all consumers and returns drawn tasks without a taker, each to the end
// of its line: a return to its place would count as a crash. While the broker takes no
// messages, they stay here.
func (st *queueState) giveBack(ctx context.Context) {
	for _, t := range st.receivers() {
		if t.shut() != nil {
			_ = t.ch.Close()
		}
	}
	st.mu.Lock()
	st.forget()
	var back []*lease
	if out := st.p.out.current(); out != nil && out.alarm.err() != nil {
		st.mu.Unlock()
		return
	}
	if len(st.waiters) == 0 {
		now := time.Now()
		st.drawn = slices.DeleteFunc(st.drawn, func(l *lease) bool {
			stale := now.After(l.keep)
			if stale {
				back = append(back, l)
			}
			return stale
		})
	} else if most := st.waiters[0].limit; len(st.drawn) > most {
		back = slices.Clone(st.drawn[most:])
		st.drawn = st.drawn[:most]
	}
	st.back = len(back)
	st.mu.Unlock()
	st.putBack(ctx, back)
	st.mu.Lock()
	st.back = 0
	st.mu.Unlock()
}

// replaced ends the lease of a task whose new copy the broker has, or, with an error, has not.
func (st *queueState) replaced(l *lease, err error) {
	if err != nil {
		l.t.reject(l)
		return
	}
	_ = l.t.ack([]*lease{l})
}

func (st *queueState) putBack(ctx context.Context, back []*lease) {
	letters := make([]*letter, len(back))
	for i, l := range back {
		letters[i] = &letter{to: st.lines[l.line], id: l.id, body: l.body, from: l.from, crashes: l.crashes}
	}
	moving, cancel := outlast(ctx)
	defer cancel()
	st.p.publish(moving, letters)
	var kept []*lease
	for i, l := range back {
		switch err := letters[i].err; {
		case errors.Is(err, driver.ErrQueueFull):
			kept = append(kept, l)
		case errors.Is(err, errUnanswered):
			st.p.wg.Go(func() { // the copy may be stored when the alarm is over
				st.p.publishPatiently(ctx, letters[i:i+1])
				st.replaced(l, letters[i].err)
			})
		default:
			st.replaced(l, err)
		}
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, l := range kept {
		st.draw(l)
	}
}
