package rabbitmq

import (
	"context"
	"maps"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// The ladder of delays, which all queues of a prefix share. A task that is not due yet
// waits on the longest step that does not exceed its remaining delay, and moves from
// there to the gate of its queue, which repeats this with the rest. All messages of a
// step wait equally long, so none waits behind another that is due later. With a factor
// of four between two steps, a task takes about 1.5 steps of each kind below its delay.
//
// A step is a quorum queue with a time to live, behind a fanout exchange. The routing
// key of a message can therefore name its gate, and the broker keeps it when it takes
// the message off the step.
const (
	firstStep = 64 * time.Millisecond // 2^6 ms
	steps     = 11                    // to 2^26 ms, which is 18.6 hours
)

// step is how long tasks stay on the step k of the ladder.
func step(k int) time.Duration { return firstStep << (2 * k) }

// stepSlack is what is left of a task's time, at least, when it comes from a step:
// the broker takes a while from one queue to the next, and the gate makes up for
// it, which keeps the task itself until it is due.
const stepSlack = 30 * time.Millisecond

// stepFor is the step for a task that has to wait for d, none above top, or -1
// where the gate keeps it.
func stepFor(d time.Duration, top int) int {
	k := -1
	for k < top && step(k+1)+stepSlack <= d {
		k++
	}
	return k
}

// declareLadder declares the ladder, and routes its tasks to a gate. It also binds the gate to
// the dead letter queue, unless that is empty, see names.deadExchange. Only the last call has
// an answer: it takes three round trips, of which two are for the channel.
//
// Tasks leave the steps through a dedicated exchange rather than the default one: a
// broker takes at most 32 messages at a time from a step, and keeps those that it
// cannot route. A few tasks of a deleted queue would therefore stop all delays. Instead
// they go to a separate queue, until their queue is opened again.
func (p *Provider) declareLadder(ctx context.Context, s *session, gate, dlq string) error {
	ch, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer func() { go ch.Close() }() // a call that was broken off may be under way
	err = ch.call(ctx, func() error {
		due, unclaimed := p.names.due(), p.names.unclaimed()
		leave := amqp.Table{"x-dead-letter-exchange": due, "x-dead-letter-strategy": "at-least-once"}
		if err := declareBehindFanout(ch.Channel, unclaimed, leave); err != nil {
			return err
		}
		if err := ch.ExchangeDeclare(due, amqp.ExchangeDirect, true, false, false, true, amqp.Table{"alternate-exchange": unclaimed}); err != nil {
			return err
		}
		for k := range steps {
			args := amqp.Table{"x-message-ttl": step(k).Milliseconds()}
			maps.Copy(args, leave)
			if err := declareBehindFanout(ch.Channel, p.names.wait(k), args); err != nil {
				return err
			}
		}
		if dlq != "" {
			if err := ch.QueueBind(gate, gate, p.names.deadExchange(dlq), true, nil); err != nil {
				return err
			}
		}
		return ch.QueueBind(gate, gate, due, false, nil)
	})
	if err != nil && ch.IsClosed() {
		<-ch.gone
		return ch.why // the call need not have been the one that the broker refused
	}
	return err
}

// declareBehindFanout declares a queue and an exchange of the same name before it,
// without waiting for the broker.
func declareBehindFanout(ch *amqp.Channel, name string, args amqp.Table) error {
	if err := ch.ExchangeDeclare(name, amqp.ExchangeFanout, true, false, false, true, nil); err != nil {
		return err
	}
	if _, err := ch.QueueDeclare(name, true, false, false, true, quorum(args)); err != nil {
		return err
	}
	return ch.QueueBind(name, "", name, true, nil)
}

// claim has the broker bring tasks to the gate of a queue that came from the ladder while
// it was not there.
func (p *Provider) claim(ctx context.Context, s *session, queue string) error {
	n, err := s.ready(ctx, p.names.unclaimed())
	if err != nil || n == 0 {
		return err
	}
	_, err = p.sift(ctx, s, queue, []string{p.names.unclaimed()}, func(ch *channel, tag uint64) error { return ch.Reject(tag, false) })
	return err
}

// sift takes what belongs to one queue off some of the queues that all share, and counts
// it. The others' tasks go back to their places: nothing of theirs is early, and what
// comes due meanwhile is late by as long as it takes.
func (p *Provider) sift(ctx context.Context, s *session, queue string, shared []string, takeOff func(ch *channel, tag uint64) error) (int, error) {
	free, err := p.lockLadder(ctx, s)
	if err != nil {
		return 0, err
	}
	return await(ctx, func() (total int, err error) { // where ctx ends it gives back without the caller
		defer free()
		for _, name := range shared {
			n, err := s.siftOne(ctx, name, p.names.gate(queue), takeOff)
			total += n
			if err != nil {
				return total, explain(err)
			}
		}
		return total, nil
	}, nil)
}

func (s *session) siftOne(ctx context.Context, name, gate string, takeOff func(ch *channel, tag uint64) error) (total int, err error) {
	c, err := s.scan(ctx, name)
	if c == nil {
		return 0, err
	}
	defer c.end()
	for {
		var found []seen
		err := c.read(ctx, func(d *amqp.Delivery, at seen) bool {
			if d.RoutingKey != gate {
				return false
			}
			found = append(found, at)
			return true
		})
		if err != nil || len(found) == 0 {
			return total, err
		}
		if err := c.settle(ctx, found, takeOff); err != nil {
			return total, err
		}
		total += len(found)
	}
}

// lockPause is how long a scan of the ladder waits for that of another process until it
// looks again.
const lockPause = 20 * time.Millisecond

// lockLadder keeps others from scanning the ladder: two scans would hide its tasks from
// each other. The lock is an exclusive queue, which ends with its connection.
func (p *Provider) lockLadder(ctx context.Context, s *session) (free func(), err error) {
	select {
	case p.sifting <- struct{}{}:
	case <-ctx.Done():
		return nil, ended(ctx)
	}
	free = func() {
		_ = s.ask(s.ctx, func(ch *amqp.Channel) error {
			_, err := ch.QueueDelete(p.names.lock(), false, false, false)
			return err
		})
		<-p.sifting
	}
	for {
		err := s.ask(ctx, func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclare(p.names.lock(), false, false, true, false, nil)
			return err
		})
		if err == nil {
			return free, nil
		}
		if e := exception(err); e == nil || e.Code != amqp.ResourceLocked {
			go free() // a call that was broken off may be under way
			return nil, explain(err)
		}
		select {
		case <-time.After(lockPause):
		case <-ctx.Done():
			<-p.sifting
			return nil, ended(ctx)
		}
	}
}
