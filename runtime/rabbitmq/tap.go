package rabbitmq

import (
	"context"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// A tap draws tasks from the lines of one queue: a channel with consumers that
// live only as long as somebody asks for tasks, and are never given more than
// that. So what the broker counts as delivered is what was handed out, and a
// process that dies takes no task along that it had not begun.
//
// Whatever was drawn through a tap is settled through it, and lost with it.
type tap struct {
	st   *station
	s    *session
	ch   *channel
	seq  uint64 // tells the taps of a provider apart
	qos  int    // the channel's prefetch; guarded by ch.rpc
	pull int    // numbers the consumers

	mu   sync.Mutex
	tags *tags
	back map[int]time.Time // when a task was last given back to its place in a line
	came chan struct{}     // capacity 1: a delivery has come
}

func (st *station) newTap(ctx context.Context, s *session) (*tap, error) {
	ch, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	return &tap{st: st, s: s, ch: ch, seq: st.p.seq.Add(1), tags: newTags(), back: make(map[int]time.Time), came: make(chan struct{}, 1)}, nil
}

// A sip is one consumer of a tap: at most n tasks of one line.
type sip struct {
	tag  string
	n    int
	got  int           // guarded by tap.mu
	done chan struct{} // all that the client has for this consumer was taken in
}

// open begins to draw at most n tasks of a line.
func (t *tap) open(line, n int) (*sip, error) {
	t.pull++
	c := &sip{tag: fmt.Sprintf("%d.%d", t.seq, t.pull), n: n, done: make(chan struct{})}
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
	go t.drink(line, c, in)
	return c, nil
}

// drink takes in what comes for one consumer.
func (t *tap) drink(line int, c *sip, in <-chan amqp.Delivery) {
	defer close(c.done)
	for d := range in {
		t.take(line, &d)
		t.mu.Lock()
		c.got++
		t.mu.Unlock()
		select {
		case t.came <- struct{}{}:
		default:
		}
	}
}

func (t *tap) take(line int, d *amqp.Delivery) {
	t.mu.Lock()
	// A delivery that the client dropped between two registrations of its
	// consumer (see shut): the broker hands it out again.
	for _, tag := range t.tags.came(d.DeliveryTag) {
		_ = t.ch.Reject(tag, true)
	}
	t.mu.Unlock()
	t.st.arrived(t, line, d)
}

func (t *tap) gotten(c *sip) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return c.got
}

// shut ends a consumer and takes in everything that was sent to it.
//
// A consumer that has had its n tasks, none of which is settled, cannot get any
// more. To others the broker may send a task that came at this moment, after it
// has confirmed the end, and the client drops what comes for a consumer that it
// does not know. So the same tag is registered once more on a queue that is always
// empty; when that is confirmed all that was sent is on its way here, and when the
// end of this second one is confirmed it has come.
func (t *tap) shut(line int, c *sip) error {
	t.ch.rpc.Lock()
	defer t.ch.rpc.Unlock()
	full := t.gotten(c) >= c.n
	if err := t.ch.Cancel(c.tag, true); err != nil {
		return err
	}
	if full {
		<-c.done
		return nil
	}
	late, err := t.ch.Consume(t.s.pen, c.tag, false, false, false, false, nil)
	if err != nil {
		return err
	}
	err = t.ch.Cancel(c.tag, false)
	<-c.done
	if err != nil {
		return err
	}
	for d := range late {
		t.take(line, &d)
	}
	return nil
}

// ack acknowledges deliveries.
func (t *tap) ack(done []uint64) error {
	t.mu.Lock()
	defer t.mu.Unlock() // acks by a run must not overtake each other
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

// reject gives a delivery back to its place in its line. The broker counts it.
func (t *tap) reject(l *lease) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tags.settle([]uint64{l.tag})
	t.back[l.line] = time.Now()
	_ = t.ch.Reject(l.tag, true)
}

// returning reports whether tasks may be on their way back to a line that the
// broker does not count yet. A consumer of the same channel finds them.
func (t *tap) returning(line int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return time.Since(t.back[line]) < returnWait
}

// barrier waits until the broker has worked through what the channel has sent.
func (t *tap) barrier(ctx context.Context) error {
	return t.ch.call(ctx, func() error { return t.ch.Qos(t.qos, 0, false) })
}

// alive reports whether what was drawn through the tap can still be settled.
func (t *tap) alive() bool {
	select {
	case <-t.ch.gone:
		return false
	default:
		return t.s.ctx.Err() == nil && !t.ch.IsClosed()
	}
}

// settleWait is how long a tap waits for tasks that a count of the broker has
// promised and another process may have drawn.
const settleWait = 30 * time.Millisecond

// returnWait is how long a returned task may be on its way.
const returnWait = 100 * time.Millisecond

// draw takes up to n tasks, from the highest line that has any; it waits for one
// as long as somebody wants it.
func (t *tap) draw(n int, unwanted <-chan struct{}) error {
	if len(t.st.lines) == 1 {
		return t.await([]int{0}, n, unwanted)
	}
	got, err := t.sweep(n)
	if err != nil || got > 0 {
		return err
	}
	all := make([]int, len(t.st.lines))
	for i := range all {
		all[i] = i
	}
	return t.await(all, 1, unwanted)
}

// sweep takes what is there, line by line, the highest first.
func (t *tap) sweep(n int) (got int, err error) {
	for line := len(t.st.lines) - 1; line >= 0 && got < n; line-- {
		ready, err := t.s.ready(t.s.ctx, t.st.lines[line])
		if err != nil {
			return got, err
		}
		if t.returning(line) {
			ready = n
		}
		if ready == 0 {
			continue
		}
		c, err := t.open(line, min(ready, n-got))
		if err != nil {
			return got, err
		}
		late := time.NewTimer(settleWait)
		for over := false; !over && t.gotten(c) < c.n; {
			select {
			case <-t.came:
			case <-late.C:
				over = true
			case <-t.ch.gone:
				over = true
			}
		}
		late.Stop()
		if err := t.shut(line, c); err != nil {
			return got, err
		}
		got += t.gotten(c)
	}
	return got, nil
}

// await waits for the first task of any line, and takes up to n of each.
func (t *tap) await(lines []int, n int, unwanted <-chan struct{}) error {
	select { // of an earlier draw
	case <-t.came:
	default:
	}
	open := make([]*sip, 0, len(lines))
	var failed error
	for _, line := range lines {
		c, err := t.open(line, n)
		if err != nil {
			failed = err
			break
		}
		open = append(open, c)
	}
	if failed == nil {
		select {
		case <-t.came:
		case <-unwanted:
		case <-t.ch.gone:
		}
	}
	for i, c := range open {
		if err := t.shut(lines[i], c); err != nil && failed == nil {
			failed = err
		}
	}
	return failed
}
