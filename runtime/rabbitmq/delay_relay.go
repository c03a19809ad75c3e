package rabbitmq

import (
	"cmp"
	"container/heap"
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// relayWindow is how many tasks at the gate a process has at a time. None of them waits
// longer than a tenth of a second, so none delays the others for longer.
const relayWindow = 1000

// headerLine is the line that a task goes to when it is due.
const headerLine = "x-taskgen-line"

// A delayRelay moves due tasks of the ladder to the queue, and others to the next step.
// Each move is publish, confirm, ack.
type delayRelay struct {
	st *queueState

	mu   sync.Mutex
	ch   *channel
	tags *tags
	held held
	n    int // tasks at the gate

	failing bool // and logged
}

// A delayedMessage is a task at the gate.
type delayedMessage struct {
	due  time.Time
	at   time.Time // when it is handled next: when it is due, or a while after a failed move
	tag  uint64
	line int
	d    amqp.Delivery
}

// held are tasks that are due soon, the next one first.
type held []*delayedMessage

func (h held) Len() int           { return len(h) }
func (h held) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h held) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *held) Push(x any)        { *h = append(*h, x.(*delayedMessage)) }
func (h *held) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

// letter is the next move of a task: nil if it is due soon.
func (g *delayRelay) letter(x *delayedMessage, now time.Time) *letter {
	if l := g.caught(&x.d, now); l != nil {
		return l
	}
	l := &letter{id: x.d.MessageId, body: x.d.Body, from: foreign(&x.d, accounts), crashes: number(x.d.Headers[headerCrashes]), line: x.line}
	rest := x.due.Sub(now)
	if rest <= 0 {
		l.to = g.st.lines[x.line]
		return l
	}
	k := stepFor(rest, g.st.p.top)
	if k < 0 {
		return nil
	}
	l.exchange, l.to, l.due = g.st.p.names.wait(k), g.st.p.names.gate(g.st.name), x.due
	return l
}

// caught is the move of a task that the broker has taken off a line by itself: nil if
// the task comes from the ladder. A task that waited longer than a policy's message-ttl
// starts waiting again; any other is dead.
func (g *delayRelay) caught(d *amqp.Delivery, now time.Time) *letter {
	queue, reason := died(d.Headers)
	line := slices.Index(g.st.lines, queue)
	if line < 0 {
		return nil
	}
	l := &letter{id: d.MessageId, body: d.Body, from: foreign(d, accounts), crashes: number(d.Headers[headerCrashes])}
	if reason == "expired" {
		l.to = g.st.lines[line]
		return l
	}
	l.to = g.st.p.names.line(g.st.dlq, 0)
	l.headers = amqp.Table{headerReason: removed(reason).Error(), headerQueue: g.st.name, headerDied: now.UTC().Format(time.RFC3339Nano)}
	if size(headersOf(l.from)) > maxHeaders {
		l.headers = nil
	}
	return l
}

// relayDelayed handles tasks at the gate until the provider is closed or the queue deleted.
// Where another process has deleted the queue it looks for the gate once a second.
func (st *queueState) relayDelayed() {
	ctx := st.ctx
	for pause := firstPause; ; {
		s, err := st.p.link.session(ctx)
		if err != nil {
			return
		}
		began := time.Now()
		if st.delayRelay.work(ctx, s) == nil {
			continue
		}
		if pause = min(2*pause, maxPause); time.Since(began) > maxPause {
			pause = firstPause // it has worked for a while
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// work is relayDelayed for one connection.
func (g *delayRelay) work(ctx context.Context, s *session) error {
	ch, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer ch.Close()
	in, err := await(ctx, func() (<-chan amqp.Delivery, error) {
		ch.rpc.Lock()
		defer ch.rpc.Unlock()
		if err := ch.Qos(relayWindow, 0, false); err != nil {
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
		var batch []*delayedMessage
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

// gather takes in the arrived tasks.
func (g *delayRelay) gather(in <-chan amqp.Delivery, first amqp.Delivery) []*delayedMessage {
	g.mu.Lock()
	defer g.mu.Unlock()
	var batch []*delayedMessage
	for d, ok := first, true; ok; {
		g.tags.came(d.DeliveryTag)
		g.n++
		due, _ := d.Headers[headerDue].(int64)
		line := min(max(number(d.Headers[headerLine]), 0), len(g.st.lines)-1)
		batch = append(batch, &delayedMessage{due: time.Unix(0, due), at: time.Unix(0, due), tag: d.DeliveryTag, line: line, d: d})
		select {
		case d, ok = <-in:
		default:
			ok = false
		}
	}
	return batch
}

// next returns when the first of the held tasks is due.
func (g *delayRelay) next(now time.Time) (time.Duration, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.held) == 0 {
		return 0, false
	}
	return max(g.held[0].at.Sub(now), 0), true
}

// againWait is how long a task stays at the gate after the broker refused its move.
const againWait = time.Second

// pass moves tasks that have arrived or become due. A task that the broker refuses stays,
// and delays no other; all wait while it takes no messages.
func (g *delayRelay) pass(ctx context.Context, batch []*delayedMessage) error {
	var (
		letters []*letter
		delayed []*delayedMessage
	)
	now := time.Now()
	g.mu.Lock()
	for len(g.held) > 0 && !g.held[0].at.After(now) {
		x := heap.Pop(&g.held).(*delayedMessage)
		letters, delayed = append(letters, g.letter(x, now)), append(delayed, x)
	}
	for _, x := range batch {
		if l := g.letter(x, now); l != nil {
			letters, delayed = append(letters, l), append(delayed, x)
		} else {
			heap.Push(&g.held, x)
		}
	}
	g.mu.Unlock()
	if len(letters) == 0 {
		return nil
	}
	g.st.p.publishPatiently(ctx, letters)
	var gone []uint64
	var failed error
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, l := range letters {
		if l.err == nil {
			gone = append(gone, delayed[i].tag)
			continue
		}
		failed = cmp.Or(failed, l.err)
		delayed[i].at = now.Add(againWait)
		heap.Push(&g.held, delayed[i])
	}
	if failed != nil && ctx.Err() == nil && !g.failing {
		g.st.p.logger().LogAttrs(ctx, slog.LevelWarn, "rabbitmq: due tasks cannot be moved to their queue for now, will keep trying", slog.String("queue", g.st.name), slog.Any("error", failed))
	}
	g.failing = failed != nil
	g.n -= len(gone)
	return ackAll(g.ch.Channel, g.tags, gone)
}

// waiting counts the tasks at the gate that this process has.
func (g *delayRelay) waiting() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ch == nil || g.ch.IsClosed() {
		return 0
	}
	return g.n
}
