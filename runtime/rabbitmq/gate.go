package rabbitmq

import (
	"container/heap"
	"context"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// gateWindow is how many tasks of the gate a process has at a time. None of them
// waits longer than a tenth of a second, so none is kept waiting for longer by the others.
const gateWindow = 1000

// headerLine says to which line a task goes when it is due.
const headerLine = "x-taskgen-line"

// A gate brings tasks of the ladder to the queue when they are due, and those that
// are not to the next step. Each goes by publish, confirm, ack.
type gate struct {
	st *station

	mu   sync.Mutex
	ch   *channel
	tags *tags
	held held
	n    int // tasks at the gate
}

// A passer is a task at the gate.
type passer struct {
	due  time.Time
	tag  uint64
	line int
	d    amqp.Delivery
}

// held are tasks that are due soon, the next one first.
type held []*passer

func (h held) Len() int           { return len(h) }
func (h held) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h held) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *held) Push(x any)        { *h = append(*h, x.(*passer)) }
func (h *held) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

// letter is what is to be done with a task now: nil where it is due soon.
func (g *gate) letter(x *passer, now time.Time) *letter {
	l := &letter{id: x.d.MessageId, body: x.d.Body, crashes: number(x.d.Headers[headerCrashes]), line: x.line}
	rest := x.due.Sub(now)
	if rest <= 0 {
		l.to = g.st.lines[x.line]
		return l
	}
	k := stepFor(rest, g.st.p.top)
	if k < 0 {
		return nil
	}
	l.to, l.due = g.st.p.names.wait(g.st.name, k), x.due
	return l
}

// keepGate works at the gate until the provider is closed.
func (st *station) keepGate() {
	ctx := st.p.link.ctx
	for {
		s, err := st.p.link.session(ctx)
		if err != nil {
			return
		}
		if st.gate.work(ctx, s) != nil {
			st.pause(ctx)
		}
	}
}

// work is keepGate for the time of one connection.
func (g *gate) work(ctx context.Context, s *session) error {
	ch, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer ch.Close()
	in, err := await(ctx, func() (<-chan amqp.Delivery, error) {
		ch.rpc.Lock()
		defer ch.rpc.Unlock()
		if err := ch.Qos(gateWindow, 0, false); err != nil {
			return nil, err
		}
		return ch.Consume(g.st.p.names.gate(g.st.name), "gate", false, false, false, false, nil)
	}, nil)
	if err != nil {
		return err
	}
	g.mu.Lock()
	g.ch, g.tags, g.held, g.n = ch, newTags(), nil, 0
	g.mu.Unlock()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		if wait, some := g.next(time.Now()); some {
			timer.Reset(wait)
		} else {
			timer.Stop()
		}
		var batch []*passer
		select {
		case d, ok := <-in:
			if !ok {
				return errAway
			}
			batch = g.gather(in, d)
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := g.pass(ctx, batch); err != nil {
			return err
		}
	}
}

// gather takes in what has come.
func (g *gate) gather(in <-chan amqp.Delivery, first amqp.Delivery) []*passer {
	g.mu.Lock()
	defer g.mu.Unlock()
	var batch []*passer
	for d, ok := first, true; ok; {
		g.tags.came(d.DeliveryTag)
		g.n++
		due, _ := d.Headers[headerDue].(int64)
		line := min(max(number(d.Headers[headerLine]), 0), len(g.st.lines)-1)
		batch = append(batch, &passer{due: time.Unix(0, due), tag: d.DeliveryTag, line: line, d: d})
		select {
		case d, ok = <-in:
		default:
			ok = false
		}
	}
	return batch
}

// next says when the first of those that wait here is due.
func (g *gate) next(now time.Time) (time.Duration, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.held) == 0 {
		return 0, false
	}
	return max(g.held[0].due.Sub(now), 0), true
}

// pass sends on what has come and what has become due.
func (g *gate) pass(ctx context.Context, batch []*passer) error {
	var (
		letters []*letter
		done    []uint64
	)
	now := time.Now()
	g.mu.Lock()
	for len(g.held) > 0 && !g.held[0].due.After(now) {
		x := heap.Pop(&g.held).(*passer)
		letters, done = append(letters, g.letter(x, now)), append(done, x.tag)
	}
	for _, x := range batch {
		if l := g.letter(x, now); l != nil {
			letters, done = append(letters, l), append(done, x.tag)
		} else {
			heap.Push(&g.held, x)
		}
	}
	g.mu.Unlock()
	if len(letters) == 0 {
		return nil
	}
	g.st.p.publish(ctx, letters)
	var failed error
	gone := done[:0]
	for i, l := range letters {
		if l.err != nil {
			failed = l.err
		} else {
			gone = append(gone, done[i])
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.n -= len(gone)
	if err := ackAll(g.ch.Channel, g.tags, gone); err != nil {
		return err
	}
	return failed // the end of the channel gives those back to the gate that were refused
}

// waiting counts the tasks at the gate that this process has.
func (g *gate) waiting() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ch == nil || g.ch.IsClosed() {
		return 0
	}
	return g.n
}
