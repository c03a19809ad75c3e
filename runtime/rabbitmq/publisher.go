package rabbitmq

import (
	"cmp"
	"context"
	"fmt"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A publisher is a channel in confirm mode. Many goroutines may use it at once.
type publisher struct {
	ch   *channel
	busy chan struct{} // capacity 1: held by the writer, which may hang in it
	sync chan chan struct{}

	mu       sync.Mutex
	returned map[returned]int
}

// returned identifies a returned message: several tasks may have one message ID.
type returned struct{ exchange, to, id string }

func (s *session) newPublisher(ctx context.Context) (*publisher, error) {
	ch, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	p := &publisher{ch: ch, busy: make(chan struct{}, 1), sync: make(chan chan struct{}), returned: make(map[returned]int)}
	if err := ch.call(ctx, func() error { return ch.Confirm(false) }); err != nil {
		return nil, err
	}
	returns := ch.NotifyReturn(make(chan amqp.Return))
	go p.note(returns)
	return p, nil
}

// note keeps the messages that the broker returns because no queue takes them. A return
// comes before its confirm.
func (p *publisher) note(returns <-chan amqp.Return) {
	for {
		select {
		case r, ok := <-returns:
			if !ok {
				return // the channel has ended
			}
			p.mu.Lock()
			p.returned[returned{r.Exchange, r.RoutingKey, r.MessageId}]++
			p.mu.Unlock()
		case c := <-p.sync:
			close(c)
		}
	}
}

// noted waits until all arrived returns are noted.
func (p *publisher) noted() {
	seen := make(chan struct{})
	select {
	case p.sync <- seen:
		<-seen
	case <-p.ch.gone:
	}
}

// unroutable reports whether a confirmed letter was returned.
func (p *publisher) unroutable(l *letter) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.returned) == 0 {
		return false
	}
	id := short(l.id)
	if l.from != nil {
		id = l.from.MessageId
	}
	key := returned{l.exchange, l.to, id}
	if p.returned[key] == 0 {
		return false
	}
	if p.returned[key]--; p.returned[key] == 0 {
		delete(p.returned, key)
	}
	return true
}

// send publishes the letters, at most window ahead of the confirms, and waits for all
// of them. Unsettled letters stay open.
func (p *publisher) send(ctx context.Context, s *session, letters []*letter) {
	next, sent := 0, 0
	wait := func(most int) bool {
		for ; sent-next > most; next++ {
			select {
			case <-letters[next].sent.Done():
			case <-s.alarm.raised():
				return false
			case <-ctx.Done():
				return false
			}
		}
		return true
	}
	for _, l := range letters {
		if !wait(window-1) || l.sent == nil && !p.write(ctx, s, l) {
			break
		}
		sent++
	}
	wait(0)
	last := (*publisher)(nil)
	for _, l := range letters[:sent] {
		select {
		case <-l.sent.Done():
		default:
			continue // under way
		}
		if l.over != last {
			last = l.over
			last.noted()
		}
		switch {
		case l.sent.Acked() && last.unroutable(l):
			l.open, l.err = false, fmt.Errorf("rabbitmq: queue %q is gone from the broker: open the queue of the task again: %w", cmp.Or(l.exchange, l.to), driver.ErrUnknownQueue)
		case l.sent.Acked():
			l.open = false
		case !last.ch.IsClosed():
			l.open, l.err = false, errRefused
		default:
			l.alone = true // if it is a refusal, it may be this letter's
		}
		l.sent, l.over = nil, nil
	}
}

// end closes the channel once the broker has answered what is under way on it: without
// its answer that would be published again.
func (p *publisher) end(sent *amqp.DeferredConfirmation) {
	if sent != nil {
		select {
		case <-sent.Done():
			p.noted()
		case <-p.ch.gone:
		}
	}
	_ = p.ch.Close()
}

// write publishes one letter.
func (p *publisher) write(ctx context.Context, s *session, l *letter) bool {
	select {
	case p.busy <- struct{}{}:
	case <-s.alarm.raised():
		return false
	case <-ctx.Done():
		return false
	}
	defer func() { <-p.busy }()
	if s.alarm.err() != nil {
		return false
	}
	c, err := p.ch.PublishWithDeferredConfirm(l.exchange, l.to, true, false, l.publishing())
	if err != nil {
		return false
	}
	l.sent, l.over = c, p
	return true
}

// publisher returns one of the shared channels, reopened if the broker has ended it.
func (s *session) publisher(ctx context.Context) (*publisher, error) {
	var i int
	select {
	case i = <-s.turn:
	case <-s.alarm.raised():
		return nil, s.alarm.err()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { s.turn <- (i + 1) % len(s.pubs) }()
	if s.pubs[i].ch.IsClosed() {
		pub, err := s.newPublisher(ctx)
		if err != nil {
			return nil, err
		}
		s.pubs[i] = pub
	}
	return s.pubs[i], nil
}
