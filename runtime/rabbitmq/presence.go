package rabbitmq

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/taskgen/taskgen/runtime/driver"
)

// The broker knows how many messages of a queue wait, but not how many are delivered,
// nor which processes wait for them. Only the processes themselves do. Stats therefore asks them, as does a
// process that needs partitions of a fifo queue. Each connection of a provider has an
// inbox bound to a fanout exchange, and answers questions there in the time of a
// message. The broker knows the number of answers to expect: each connection is a
// consumer of one queue that is always empty, the presence queue.

// presenceWait bounds how long Stats waits for an answer. Tasks of a process that does not
// answer are not counted; nor are those of other processes while the broker takes no
// messages.
const presenceWait = time.Second

// A tally counts the tasks of a queue in one process.
type tally struct {
	leased  int64 // handed out
	drawn   int64 // delivered to the process and not handed out
	waiting int64 // at its gate
	wanting int64 // calls that wait for tasks
	sharing int64 // 1 if it takes part in a fifo queue
}

// An inbox takes questions and answers of one connection.
type inbox struct {
	p    *Provider
	s    *session
	ch   *channel
	name string
	seq  int

	mu    sync.Mutex
	asked map[string]chan tally
}

// join adds the connection to the presence queue's consumers and begins to answer.
func (p *Provider) join(ctx context.Context, s *session) error {
	ch, err := s.open(ctx)
	if err != nil {
		return err
	}
	b := &inbox{p: p, s: s, ch: ch, asked: make(map[string]chan tally)}
	var in, never <-chan amqp.Delivery
	err = ch.call(ctx, func() (err error) { // which may outlast the call, and has an error of its own
		// In the broker emptyQueue keeps its old name, pen: permissions and policies match it.
		id := p.nonce + "." + strconv.FormatUint(p.seq.Add(1), 10)
		for _, own := range []struct {
			name *string
			as   string
		}{{&s.emptyQueue, "pen"}, {&b.name, "inbox"}} {
			q, err := ch.QueueDeclare(p.names.own(own.as, id), false, false, true, false, nil)
			if err != nil {
				return err
			}
			*own.name = q.Name
		}
		if err := ch.ExchangeDeclare(p.names.presence(), amqp.ExchangeFanout, true, false, false, false, nil); err != nil {
			return err
		}
		if err := ch.QueueBind(b.name, "", p.names.presence(), false, nil); err != nil {
			return err
		}
		if err := declareQuorum(ch.Channel, p.names.presenceQueue(), nil); err != nil {
			return err
		}
		if in, err = ch.Consume(b.name, "inbox", true, true, false, false, nil); err != nil {
			return err
		}
		// The tag is the queue's old name, as on processes of earlier versions.
		never, err = ch.Consume(p.names.presenceQueue(), "roll", false, false, false, false, nil)
		return err
	})
	if err != nil {
		return fmt.Errorf("rabbitmq: %w", explain(err))
	}
	s.inbox = b
	go b.read(in)
	go func() {
		for range never { // nothing is published there
		}
	}()
	return nil
}

// read answers questions and passes answers on.
func (b *inbox) read(in <-chan amqp.Delivery) {
	for d := range in {
		if d.ReplyTo != "" {
			go b.answer(&d)
			continue
		}
		b.mu.Lock()
		c := b.asked[d.CorrelationId]
		b.mu.Unlock()
		if c == nil {
			continue
		}
		select {
		case c <- parseTally(string(d.Body)):
		default: // more answers than consumers of the presence queue
		}
	}
}

func (b *inbox) answer(d *amqp.Delivery) {
	var n tally
	if st := b.p.stateOf(string(d.Body)); st != nil {
		if d.Type == hungry {
			st.signalShares()
		}
		n = st.tally(b.s.ctx)
	}
	if out := b.p.out.current(); out != nil {
		_ = out.say("", d.ReplyTo, amqp.Publishing{CorrelationId: d.CorrelationId, Body: []byte(n.String())})
	}
}

func (p *Provider) stateOf(queue string) *queueState {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.states[queue]
}

func (t *tally) fields() []*int64 {
	return []*int64{&t.leased, &t.drawn, &t.waiting, &t.wanting, &t.sharing}
}

func (t tally) String() string {
	var b []byte
	for _, n := range t.fields() {
		b = append(strconv.AppendInt(b, *n, 10), ' ')
	}
	return string(b)
}

func (t *tally) add(o tally) {
	for i, n := range t.fields() {
		*n += *o.fields()[i]
	}
}

func parseTally(text string) (t tally) {
	into := t.fields()
	for i, word := range strings.Fields(text) {
		if i < len(into) {
			*into[i], _ = strconv.ParseInt(word, 10, 64)
		}
	}
	return t
}

// flushWait bounds how long a count waits for messages in transit.
const flushWait = 200 * time.Millisecond

// tally counts the tasks in this process. It waits for tasks on their way to a consumer,
// which the broker no longer counts.
func (st *queueState) tally(ctx context.Context) tally {
	ctx, cancel := context.WithTimeout(ctx, flushWait)
	defer cancel()
	var flushed sync.WaitGroup
	for _, t := range st.receivers() {
		if st.kind == driver.FIFO || !t.idle() {
			flushed.Go(func() { _ = t.barrier(ctx) })
		}
	}
	flushed.Wait()
	n := tally{waiting: int64(st.delayRelay.waiting())}
	st.mu.Lock()
	defer st.mu.Unlock()
	st.forget()
	n.leased, n.drawn, n.wanting = int64(len(st.leases)), int64(st.back), int64(len(st.waiters))
	if st.sharing(time.Now()) {
		n.sharing = 1
	}
	for _, l := range st.drawn {
		state := l.state
		if state == away {
			state = l.then
		}
		switch state {
		case waiting:
			n.drawn++
		case resting:
			n.waiting++
		}
	}
	return n
}

// members counts the consumers of the presence queue: the connections.
func (s *session) members(ctx context.Context) (n int, err error) {
	n, err = s.consumers(ctx, s.inbox.p.names.presenceQueue())
	return n, explain(err)
}

// consumers counts the consumers of one of the broker's queues.
func (s *session) consumers(ctx context.Context, queue string) (int, error) {
	q, err := s.passive(ctx, queue)
	return q.Consumers, err
}

// hungry is the type of a question by a process with less than its share of the
// partitions.
const hungry = "hungry"

// tallyAll asks all processes for their tallies of a queue. as is the type of the question.
func (s *session) tallyAll(ctx context.Context, queue, as string) (sum tally, err error) {
	b := s.inbox
	members, err := s.members(ctx)
	if err != nil {
		return sum, err
	}
	out := b.p.out.current()
	if members <= 1 || out == nil || out.alarm.err() != nil {
		if st := b.p.stateOf(queue); st != nil {
			sum = st.tally(ctx)
		}
		return sum, nil
	}
	answers := make(chan tally, 2*members)
	b.mu.Lock()
	b.seq++
	id := strconv.Itoa(b.seq)
	b.asked[id] = answers
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.asked, id)
	}()
	err = do(ctx, func() error {
		return out.say(b.p.names.presence(), "", amqp.Publishing{Type: as, ReplyTo: b.name, CorrelationId: id, Body: []byte(queue)})
	})
	if err != nil {
		return sum, err
	}
	late := time.NewTimer(presenceWait)
	defer late.Stop()
	for range members {
		select {
		case t := <-answers:
			sum.add(t)
		case <-late.C:
			return sum, nil
		case <-s.ctx.Done():
			return sum, errAway
		case <-ctx.Done():
			return sum, ended(ctx)
		}
	}
	return sum, nil
}

// emptyWait is the time until a queue that looks empty is counted again.
const emptyWait = 30 * time.Millisecond
