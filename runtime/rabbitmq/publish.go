package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"time"

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

var errRefused = fmt.Errorf("rabbitmq: the broker refused the message (basic.nack): %w", driver.ErrQueueFull)

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
		if err != nil && s != nil && s.alive() { // no channel can be opened
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
