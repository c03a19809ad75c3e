package rabbitmq

import (
	"context"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/taskgen/taskgen/runtime/driver"
)

// An alarm says whether the broker reads what a connection publishes. The broker stops
// reading when it is short of memory or disk, and reports that to connections that
// publish.
type alarm struct {
	mu     sync.Mutex
	reason string
	on     chan struct{} // closed while the broker is short
	off    chan struct{} // closed while it is not
}

func newAlarm() *alarm {
	a := &alarm{on: make(chan struct{}), off: make(chan struct{})}
	close(a.off)
	return a
}

func (a *alarm) set(on bool, reason string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reason = reason
	select {
	case <-a.on:
		if !on {
			a.on = make(chan struct{})
			close(a.off)
		}
	default:
		if on {
			a.off = make(chan struct{})
			close(a.on)
		}
	}
}

// raised is a channel that is closed once the alarm is on.
func (a *alarm) raised() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.on
}

// ended is a channel that is closed once the alarm is off.
func (a *alarm) ended() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.off
}

// err is nil while the broker takes messages.
func (a *alarm) err() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	select {
	case <-a.on:
		return fmt.Errorf("%w: RabbitMQ takes no messages for now (%s): it goes on when there is room again", driver.ErrQueueFull, a.reason)
	default:
		return nil
	}
}

// knockEvery is how often a connection publishes an unroutable message. The broker
// reports an alarm only to connections that publish, and it is not known whether
// messages in transit at that time will be stored: the first message should therefore
// be worthless.
const knockEvery = time.Second

// say publishes an expendable message without a confirm. It does nothing in an alarm.
func (s *session) say(exchange, to string, p amqp.Publishing) error {
	if err := s.alarm.err(); err != nil {
		return err
	}
	return s.talk.Publish(exchange, to, false, false, p)
}

// knock publishes unroutable messages until the connection ends.
func (s *session) knock() {
	tick := time.NewTicker(knockEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			_ = s.say("", "", amqp.Publishing{})
		case <-s.talk.gone:
			return
		}
	}
}

// prepare opens the channels of a publishing connection, and finds out whether there is
// an alarm.
func (p *Provider) prepare(ctx context.Context, s *session) error {
	s.proven.Store(unproven)
	s.turn = make(chan int, 1)
	s.turn <- 0
	for range publishers {
		pub, err := s.newPublisher(ctx)
		if err != nil {
			return fmt.Errorf("rabbitmq: open a channel: %w", err)
		}
		s.pubs = append(s.pubs, pub)
	}
	var err error
	if s.talk, err = s.open(ctx); err != nil {
		return fmt.Errorf("rabbitmq: open a channel: %w", err)
	}
	// The call after it is answered when the broker has processed the publishing, or
	// never: then the broker says that it is blocked. If the user may not publish, the
	// calls that publish report it.
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		_ = s.say("", "", amqp.Publishing{})
		_ = s.talk.call(s.ctx, func() error { return s.talk.Qos(0, 0, false) })
	}()
	select {
	case <-answered:
	case <-s.alarm.raised():
	case <-s.ctx.Done():
		return errAway
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	go s.knock()
	return nil
}
