package rabbitmq

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A receiver draws tasks from the lines of one queue: a channel with consumers, each
// with room for as many tasks as were requested when it was opened. A full one ends
// before its tasks are settled; one with room left stays for the next request, and ends
// after a while without one. So almost all tasks that the broker counts as delivered
// were handed out, and a process that dies takes along next to no task that it had not
// begun.
//
// Every task drawn through a receiver is settled through it, and lost with it.
type receiver struct {
	st   *queueState
	s    *session
	ch   *channel
	seq  uint64 // distinguishes the receivers of a provider
	qos  int    // the channel's prefetch; guarded by ch.rpc
	pull int    // numbers the consumers

	mu        sync.Mutex
	tags      *tags
	consumers []*consumer       // the open consumers
	shutting  bool              // their last tasks are arriving
	back      map[int]time.Time // when a task was last returned to its place in a line
	came      chan struct{}     // capacity 1: a delivery has come
}

func (st *queueState) newReceiver(ctx context.Context, s *session) (*receiver, error) {
	ch, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	return &receiver{st: st, s: s, ch: ch, seq: st.p.seq.Add(1), tags: newTags(), back: make(map[int]time.Time), came: make(chan struct{}, 1)}, nil
}

// A consumer belongs to a receiver: it has at most n tasks of one line at a time.
type consumer struct {
	line int
	tag  string
	n    int
	out  int           // tasks that are not settled; guarded by receiver.mu
	done chan struct{} // all that the client has for this consumer has been taken in
}

// open begins to draw at most n tasks of a line.
func (t *receiver) open(line, n int) (*consumer, error) {
	t.pull++
	c := &consumer{line: line, tag: fmt.Sprintf("%d.%d", t.seq, t.pull), n: n, done: make(chan struct{})}
	t.mu.Lock()
	t.consumers = append(t.consumers, c)
	t.mu.Unlock()
	t.ch.rpc.Lock()
	defer t.ch.rpc.Unlock()
	if t.qos != n {
		if err := t.ch.Qos(n, 0, false); err != nil {
			return nil, err
		}
		t.qos = n
	}
	in, err := t.ch.Consume(t.st.lines[line], c.tag, false, false, false, false, nil)
	if err != nil {
		return nil, err
	}
	go t.receive(c, in)
	return c, nil
}

// receive takes in the deliveries of one consumer.
func (t *receiver) receive(c *consumer, in <-chan amqp.Delivery) {
	defer close(c.done)
	for d := range in {
		t.take(c, &d)
		t.signal()
	}
	// If the broker ended the consumer, another must be opened.
	t.mu.Lock()
	ended := len(t.closing(func(o *consumer) bool { return o == c })) > 0
	t.mu.Unlock()
	if ended {
		t.signal()
		t.st.wake()
		t.st.signalShares()
	}
}

func (t *receiver) signal() {
	select {
	case t.came <- struct{}{}:
	default:
	}
}

func (t *receiver) take(c *consumer, d *amqp.Delivery) {
	t.mu.Lock()
	t.tags.came(d.DeliveryTag)
	c.out++
	t.mu.Unlock()
	t.st.arrived(t, c, d)
}

// taken is how many tasks a consumer has.
func (t *receiver) taken(c *consumer) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return c.out
}

// credit is how many more tasks of a line the broker may send.
func (t *receiver) credit(line int) (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.consumers {
		if c.line == line {
			n += c.n - c.out
		}
	}
	return n
}

// closing removes consumers from the list. t.mu is held.
func (t *receiver) closing(gone func(*consumer) bool) (out []*consumer) {
	t.consumers = slices.DeleteFunc(t.consumers, func(c *consumer) bool {
		if gone(c) {
			out = append(out, c)
			return true
		}
		return false
	})
	return out
}

// free notes that tasks are about to leave their consumers. A full consumer is ended
// before: nothing is in transit to it, and no unrequested task can come when it has
// room again. t.mu is held.
func (t *receiver) free(ls []*lease) {
	if t.st.kind == driver.FIFO {
		return // these keep drawing until their process leaves
	}
	for _, c := range t.closing(func(c *consumer) bool {
		return c.out >= c.n && slices.ContainsFunc(ls, func(l *lease) bool { return l.consumer == c })
	}) {
		_ = t.ch.Cancel(c.tag, true)
	}
	for _, l := range ls {
		l.consumer.out--
	}
}

// shut ends consumers and takes in everything that was sent to them.
//
// A delivery to a consumer that is ending can come after the broker has confirmed the
// end, and the client drops deliveries for an unknown consumer. So the same tag is
// registered once more, on a queue that is always empty: when that is confirmed, every
// delivery is on its way here, and when the end of this second consumer is confirmed,
// every delivery has come. The broker takes some of them back by itself, and counts
// that like a crash: so a consumer is not ended without need.
func (t *receiver) shut() error {
	t.mu.Lock()
	all := t.closing(func(*consumer) bool { return true })
	t.shutting = true
	t.mu.Unlock()
	t.ch.rpc.Lock()
	defer t.ch.rpc.Unlock()
	for _, c := range all {
		if err := t.ch.Cancel(c.tag, true); err != nil {
			return err
		}
		late, err := t.ch.Consume(t.s.emptyQueue, c.tag, false, false, false, false, nil)
		if err != nil {
			return err
		}
		err = t.ch.Cancel(c.tag, false)
		<-c.done
		if err != nil {
			return err
		}
		for d := range late {
			t.take(c, &d)
		}
	}
	// The broker redelivers what the client dropped between two registrations.
	t.mu.Lock()
	defer t.mu.Unlock()
	t.shutting = false
	for _, tag := range t.tags.dropped() {
		_ = t.ch.Reject(tag, true)
	}
	return nil
}

// ack acknowledges deliveries.
func (t *receiver) ack(ls []*lease) error {
	done := make([]uint64, len(ls))
	for i, l := range ls {
		done[i] = l.tag
	}
	t.mu.Lock()
	defer t.mu.Unlock() // acks by a run must not overtake each other
	t.free(ls)
	return ackAll(t.ch.Channel, t.tags, done)
}

func ackAll(ch *amqp.Channel, of *tags, done []uint64) error {
	multiple, singles := of.settle(done)
	if multiple > 0 {
		if err := ch.Ack(multiple, true); err != nil {
			return err
		}
	}
	for _, tag := range singles {
		if err := ch.Ack(tag, false); err != nil {
			return err
		}
	}
	return nil
}

// reject returns a delivery to its place in its line. The broker counts it.
func (t *receiver) reject(l *lease) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.free([]*lease{l})
	t.tags.settle([]uint64{l.tag})
	t.back[l.line] = time.Now()
	_ = t.ch.Reject(l.tag, true)
}

// returning reports whether tasks may be on their way back to a line, not yet counted
// by the broker. A consumer of the same channel finds them.
func (t *receiver) returning(line int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return time.Since(t.back[line]) < returnWait
}

// barrier waits until the broker has processed everything that the channel has sent.
func (t *receiver) barrier(ctx context.Context) error {
	return t.ch.call(ctx, func() error { return t.ch.Qos(t.qos, 0, false) })
}

// idle reports whether nothing can be in transit to the receiver.
func (t *receiver) idle() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.shutting && !slices.ContainsFunc(t.consumers, func(c *consumer) bool { return c.out < c.n })
}

// returned reports whether tasks of any line may be on their way back.
func (t *receiver) returned() bool {
	for line := range t.st.lines {
		if t.returning(line) {
			return true
		}
	}
	return false
}

// alive reports whether the receiver's tasks can still be settled.
func (t *receiver) alive() bool {
	select {
	case <-t.ch.gone:
		return false
	default:
		return t.s.alive() && !t.ch.IsClosed()
	}
}

// settleWait is how long a receiver waits for tasks that the broker has counted and
// another process may have drawn, and for those that came with the first.
const settleWait = 30 * time.Millisecond

// returnWait is how long a returned task may be on its way.
const returnWait = 300 * time.Millisecond

// draw takes tasks until n are drawn, from the highest line that has any. It waits for
// the first as long as a worker wants it.
func (t *receiver) draw(n int, unwanted <-chan struct{}) error {
	select { // of an earlier draw
	case <-t.came:
	default:
	}
	ask := n
	if len(t.st.lines) > 1 {
		if err := t.sweep(n); err != nil {
			return err
		}
		ask = 1 // of each line: the next sweep takes the rest
	}
	if t.st.drawnFrom(0) > 0 {
		return nil
	}
	for line := range t.st.lines {
		if room := t.credit(line); room < ask && (room == 0 || !t.asking()) {
			if _, err := t.open(line, ask-room); err != nil {
				return err
			}
		}
	}
	select {
	case <-t.came:
	case <-unwanted:
		return nil
	case <-t.ch.gone:
		return errAway
	}
	if t.st.drawnFrom(0) < ask {
		return t.gather()
	}
	return nil
}

// gather waits for a moment for the tasks that came with the first: while large tasks
// arrive, the first of them does not wait for the last.
func (t *receiver) gather() error {
	ctx, cancel := context.WithTimeout(t.s.ctx, settleWait)
	defer cancel()
	if err := t.barrier(ctx); ctx.Err() == nil {
		return err
	}
	return context.Cause(t.s.ctx)
}

// asking reports whether the broker has yet to answer a call: its earlier messages come
// first.
func (t *receiver) asking() bool {
	if t.ch.rpc.TryLock() {
		t.ch.rpc.Unlock()
		return false
	}
	return true
}

// sweep takes waiting tasks, line by line, the highest first.
func (t *receiver) sweep(n int) error {
	for line := len(t.st.lines) - 1; line >= 0; line-- {
		have := t.st.drawnFrom(line)
		if have >= n {
			return nil
		}
		ready, err := t.s.ready(t.s.ctx, t.st.lines[line])
		if err != nil {
			return err
		}
		wait := settleWait
		if t.returning(line) {
			ready, wait = n, returnWait
		}
		if ready = min(ready, n-have); ready == 0 {
			continue
		}
		c, err := t.open(line, ready)
		if err != nil {
			return err
		}
		late := time.NewTimer(wait)
		for over := false; !over && t.taken(c) < c.n; {
			select {
			case <-t.came:
				if wait > settleWait { // the rest comes with the first
					wait = settleWait
					late.Reset(wait)
				}
			case <-late.C:
				over = true
			case <-t.ch.gone:
				return errAway
			}
		}
		late.Stop()
	}
	return nil
}

// drawnFrom counts the tasks drawn from a line and those above it.
func (st *queueState) drawnFrom(line int) (n int) {
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, l := range st.drawn {
		if l.line >= line {
			n++
		}
	}
	return n
}
