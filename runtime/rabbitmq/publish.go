package rabbitmq

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/taskgen/taskgen/runtime/driver"
)

const (
	// window is how many publishings of one call wait for their confirms at a time.
	window = 256
	// publishers are the channels over which calls are spread: the broker works on each
	// of them separately.
	publishers = 2
	// unproven is the size up to which a body is published among others before the
	// broker has confirmed one as large over this connection. A larger one goes alone
	// the first time: if it is too large, the broker ends the channel.
	unproven = 64 << 10
)

// Headers of a message, beside the envelope in its body.
const (
	headerCrashes = "x-taskgen-crashes" // deliveries that ended without an outcome, before this copy was made
	headerDue     = "x-taskgen-due"     // nanoseconds since 1970; on messages that are not due yet
	// The broker's count of such deliveries of this copy.
	headerDeliveries = "x-delivery-count"
)

var errRefused = fmt.Errorf("rabbitmq: the broker refused the message (basic.nack): %w", driver.ErrQueueFull)

// A letter is a message on its way to a queue.
type letter struct {
	to       string // one of the broker's queues
	exchange string // the step of the ladder from which it goes there, if any
	id       string
	body     []byte
	from     *amqp.Delivery // from another program: its headers and properties go along
	headers  amqp.Table     // further ones of ours
	crashes  int
	line     int // where it goes when it is due
	due      time.Time
	alone    bool  // on a channel of its own, which the broker may end
	err      error // why the broker does not have it; nil: it has
	open     bool  // not confirmed yet

	// Published, with an unknown outcome. It is published again only when the channel
	// has ended without a confirm.
	sent  *amqp.DeferredConfirmation
	over  *publisher
	stuck *stuck // possibly under way
	own   *letter
}

// A stuck delivery hangs on its way into a connection that the broker does not read.
// Its own copies of the letters have the outcome when it is over.
type stuck struct {
	over chan struct{}
	err  error // once it is over
}

func (l *letter) publishing() amqp.Publishing {
	p := amqp.Publishing{ContentType: "application/json", MessageId: short(l.id)}
	if l.from != nil {
		p = original(l.from)
	}
	p.DeliveryMode, p.Body = amqp.Persistent, l.body
	if n := len(l.headers); l.crashes > 0 || !l.due.IsZero() || n > 0 {
		if p.Headers == nil {
			p.Headers = make(amqp.Table, 3+n)
		}
		for k, v := range l.headers {
			p.Headers[k] = v
		}
		if l.crashes > 0 {
			p.Headers[headerCrashes] = int64(l.crashes)
		}
		if !l.due.IsZero() {
			p.Headers[headerDue] = nanos(l.due)
			if l.line > 0 {
				p.Headers[headerLine] = int64(l.line)
			}
		}
	}
	return p
}

// nanos is the Unix time in nanoseconds of a future time; one that does not fit (after
// 2262) becomes the last that does.
func nanos(due time.Time) int64 {
	if due.Unix() >= math.MaxInt64/int64(time.Second) {
		return math.MaxInt64
	}
	return due.UnixNano()
}

// short cuts a string to what AMQP can carry.
func short(s string) string { return s[:min(len(s), maxName)] }

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

// publish sends letters and waits until the broker has confirmed or refused each. If
// the connection ends before that, it sends the unconfirmed ones again, with the same
// message ID, over the next connection. The error of each is in the letter. If ctx
// ends, or the broker reports that it reads no more for now, open letters get that
// error; the broker may already have those under way, or store them later.
func (p *Provider) publish(ctx context.Context, letters []*letter) {
	for _, l := range letters {
		l.open, l.err = true, nil
	}
	for {
		s, err := p.out.session(ctx)
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
		full := errors.Is(err, driver.ErrQueueFull)
		if err != nil && (full || ctx.Err() != nil || errors.Is(err, driver.ErrClosed)) {
			for _, l := range letters {
				switch {
				case !l.open:
				case !full:
					l.err = fmt.Errorf("%w: %w", errUnconfirmed, err)
				case l.sent != nil || l.stuck != nil:
					l.err = fmt.Errorf("%w: %v", errUnanswered, err)
				default:
					l.err = err
				}
			}
			return
		}
		if err != nil && s != nil && s.ctx.Err() == nil { // no channel can be opened
			select {
			case <-time.After(firstPause):
			case <-ctx.Done():
			}
		}
	}
}

// publishPatiently is publish for letters that can wait while the broker takes no
// messages. When ctx ends, what is under way has until the end of outlast.
func (p *Provider) publishPatiently(ctx context.Context, letters []*letter) {
	moving, cancel := outlast(ctx)
	defer cancel()
	open := letters
	for {
		p.publish(moving, open)
		var full []*letter
		for _, l := range open {
			if errors.Is(l.err, errUnanswered) || errors.Is(l.err, driver.ErrQueueFull) && !errors.Is(l.err, errRefused) {
				full = append(full, l)
			}
		}
		s := p.out.current()
		if len(full) == 0 || s == nil || ctx.Err() != nil {
			return
		}
		select {
		case <-s.alarm.ended():
		case <-s.ctx.Done():
		case <-ctx.Done():
		}
		open = full
	}
}

// stuckWait is how long a call waits for its own publishings to be noted once there is
// an alarm: one of them may hang on its way into the connection.
const stuckWait = 100 * time.Millisecond

func (s *session) publish(ctx context.Context, letters []*letter) error {
	if err := s.alarm.err(); err != nil {
		return err
	}
	for _, l := range letters {
		if l.stuck == nil {
			continue
		}
		select {
		case <-l.stuck.over:
			*l = *l.own
		case <-s.alarm.raised():
			return s.alarm.err()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	// The goroutine has its own copies: it may outlast the call.
	own := make([]letter, 0, len(letters))
	at := make([]*letter, 0, len(letters))
	for _, l := range letters {
		if l.open {
			own, at = append(own, *l), append(at, l)
		}
	}
	it := &stuck{over: make(chan struct{})}
	go func() {
		defer close(it.over)
		it.err = s.deliver(ctx, own)
	}()
	select {
	case <-it.over:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.alarm.raised():
		select {
		case <-it.over:
		case <-time.After(stuckWait):
			for i, l := range at {
				l.stuck, l.own = it, &own[i]
			}
			return s.alarm.err()
		}
	}
	for i, l := range at {
		*l = own[i]
	}
	if it.err == nil {
		return s.alarm.err()
	}
	return it.err
}

// deliver sends letters: those that the broker may refuse by ending their channel are
// each sent alone, on a channel of their own.
func (s *session) deliver(ctx context.Context, letters []letter) error {
	many := make([]*letter, 0, len(letters))
	for i := range letters {
		l := &letters[i]
		if l.sent != nil && l.over.ch.IsClosed() && !l.sent.Acked() {
			l.sent, l.over = nil, nil
		}
		l.alone = l.sent == nil && (l.alone || int64(len(l.body)) > s.proven.Load())
		if !l.alone {
			many = append(many, l)
		}
	}
	if len(many) > 0 {
		pub, err := s.publisher(ctx)
		if err != nil {
			return err
		}
		pub.send(ctx, s, many)
		if pub.ch.IsClosed() && s.alarm.err() == nil {
			why := pub.ended()
			if why == nil {
				for _, l := range many {
					l.alone = false
				}
				s.end()
				return errAway
			}
			refuseAll(letters, why, nil)
		}
	}
	var pub *publisher
	defer func() {
		if pub != nil {
			go pub.end(nil)
		}
	}()
	for i := range letters {
		l := &letters[i]
		if !l.open || !l.alone || ctx.Err() != nil || s.alarm.err() != nil {
			continue
		}
		if pub == nil {
			var err error
			if pub, err = s.newPublisher(ctx); err != nil {
				return err
			}
		}
		pub.send(ctx, s, []*letter{l})
		if pub.ch.IsClosed() {
			why := pub.ended()
			if why == nil {
				s.end()
				return errAway
			}
			pub = nil
			refuseAll(letters, why, l)
			if l.open {
				l.open, l.err = false, refusal(why, len(l.body))
			}
			continue
		}
		if l.sent != nil {
			go pub.end(l.sent)
			pub = nil
			continue
		}
		if !l.open && l.err == nil && int64(len(l.body)) > s.proven.Load() {
			s.proven.Store(int64(len(l.body)))
		}
	}
	return context.Cause(ctx)
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
