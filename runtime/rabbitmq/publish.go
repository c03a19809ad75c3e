package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/taskgen/taskgen/runtime"
)

const (
	// window is how many publishings of one call wait for their confirms at a
	// time.
	window = 256
	// publishers are the channels that calls spread over: the broker works on
	// each of them by itself.
	publishers = 2
)

// Headers of a message, beside the envelope in its body.
const (
	headerCrashes = "x-taskgen-crashes" // deliveries that ended with nothing said, before this copy was made
	headerDue     = "x-taskgen-due"     // nanoseconds since 1970; on messages that are not due yet
	// The broker's count of deliveries of this copy that ended so.
	headerDeliveries = "x-delivery-count"
)

var (
	errUnconfirmed = errors.New("rabbitmq: the connection ended before the broker confirmed")
	errRefused     = fmt.Errorf("rabbitmq: the broker refused the message (basic.nack): %w", runtime.ErrQueueFull)
)

// A letter is a message on its way to a queue.
type letter struct {
	to      string
	id      string
	body    []byte
	crashes int
	line    int // where it goes when it is due
	due     time.Time
	err     error // why it is not there; nil: the broker has it
	open    bool  // not confirmed yet
}

func (l *letter) publishing() amqp.Publishing {
	p := amqp.Publishing{DeliveryMode: amqp.Persistent, ContentType: "application/json", MessageId: short(l.id), Body: l.body}
	if l.crashes > 0 || !l.due.IsZero() {
		p.Headers = make(amqp.Table, 3)
		if l.crashes > 0 {
			p.Headers[headerCrashes] = int64(l.crashes)
		}
		if !l.due.IsZero() {
			p.Headers[headerDue] = l.due.UnixNano()
			if l.line > 0 {
				p.Headers[headerLine] = int64(l.line)
			}
		}
	}
	return p
}

// short cuts what AMQP could not carry.
func short(s string) string { return s[:min(len(s), maxName)] }

// A publisher is a channel in confirm mode. Many may use it at once.
type publisher struct {
	ch   *channel
	sync chan chan struct{}

	mu       sync.Mutex
	returned map[string]int // by queue and message ID
}

func (s *session) newPublisher(ctx context.Context) (*publisher, error) {
	ch, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	p := &publisher{ch: ch, sync: make(chan chan struct{}), returned: make(map[string]int)}
	if err := ch.call(ctx, func() error { return ch.Confirm(false) }); err != nil {
		return nil, err
	}
	returns := ch.NotifyReturn(make(chan amqp.Return))
	go p.note(returns)
	return p, nil
}

// note keeps what the broker returns because no queue takes it. A return comes
// before its confirm.
func (p *publisher) note(returns <-chan amqp.Return) {
	for {
		select {
		case r, ok := <-returns:
			if !ok {
				return // the channel has ended
			}
			p.mu.Lock()
			p.returned[r.RoutingKey+"\x00"+r.MessageId]++
			p.mu.Unlock()
		case c := <-p.sync:
			close(c)
		}
	}
}

// unroutable reports whether a letter that was confirmed had come back.
func (p *publisher) unroutable(l *letter) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.returned) == 0 {
		return false
	}
	key := l.to + "\x00" + short(l.id)
	if p.returned[key] == 0 {
		return false
	}
	if p.returned[key]--; p.returned[key] == 0 {
		delete(p.returned, key)
	}
	return true
}

// send publishes the open letters, at most window ahead of the confirms, and
// waits for all of them. What it could not settle stays open.
func (p *publisher) send(letters []*letter) {
	waiting := make([]*amqp.DeferredConfirmation, 0, len(letters))
	sent := make([]*letter, 0, len(letters))
	next := 0
	wait := func(most int) {
		for ; len(waiting)-next > most; next++ {
			if waiting[next].Wait() {
				sent[next].open = false
			} else if !p.ch.IsClosed() {
				sent[next].open, sent[next].err = false, errRefused
			}
		}
	}
	for _, l := range letters {
		if !l.open {
			continue
		}
		wait(window - 1)
		c, err := p.ch.PublishWithDeferredConfirm("", l.to, true, false, l.publishing())
		if err != nil {
			break
		}
		waiting, sent = append(waiting, c), append(sent, l)
	}
	wait(0)
	seen := make(chan struct{})
	select {
	case p.sync <- seen:
		<-seen
	case <-p.ch.gone:
	}
	for _, l := range sent {
		if !l.open && l.err == nil && p.unroutable(l) {
			l.err = fmt.Errorf("rabbitmq: queue %q is gone from the broker: open it again: %w", l.to, runtime.ErrUnknownQueue)
		}
	}
}

// publish sends letters and waits until the broker has confirmed or refused each.
// Where the connection ends before that, it sends those again, with the same
// message ID, over the next one. The error of each is in the letter; where ctx
// ends, that of those that are open says so, and the broker may have them.
func (p *Provider) publish(ctx context.Context, letters []*letter) {
	for _, l := range letters {
		l.open, l.err = true, nil
	}
	for {
		s, err := p.link.session(ctx)
		if err == nil {
			err = s.publish(ctx, letters)
		}
		left := false
		for _, l := range letters {
			left = left || l.open
		}
		if !left {
			return
		}
		if err != nil && (ctx.Err() != nil || errors.Is(err, runtime.ErrClosed)) {
			for _, l := range letters {
				if l.open {
					l.err = fmt.Errorf("%w: %w", errUnconfirmed, err)
				}
			}
			return
		}
	}
}

func (s *session) publish(ctx context.Context, letters []*letter) error {
	i := <-s.turn
	s.turn <- (i + 1) % len(s.pubs)
	pub := s.pubs[i]
	// The copies are the goroutine's own: it may outlast the call.
	own := make([]letter, len(letters))
	all := make([]*letter, len(letters))
	for i, l := range letters {
		own[i] = *l
		all[i] = &own[i]
	}
	if err := do(ctx, func() error { pub.send(all); return nil }); err != nil {
		return err
	}
	for i, l := range letters {
		l.open, l.err = own[i].open, own[i].err
	}
	select {
	case <-pub.ch.gone:
		s.end() // a channel that publishes has no other reason to end
		return errAway
	default:
		return nil
	}
}
