package rabbitmq

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/taskgen/taskgen/runtime/driver"
)

// partitions is how many queues the groups of a fifo queue are spread over.
const partitions = 16

// noLimit is the x-delivery-limit of all our queues. By default a broker of 4.0 or
// later drops messages that were returned 20 times, one before 4.0 takes -1 to mean no
// deliveries at all, and a declaration with other arguments is refused. It is therefore
// one number on all versions, which no message reaches.
const noLimit = 1 << 30

// declareTries bounds how often a queue that is deleted meanwhile is declared. A Delete removes
// each of the broker's objects once, and later steps need only three of them.
const declareTries = 5

// declare creates or verifies the broker's objects of a queue: the exchange with its
// type, the queues of its lines, its gate, the dead letter queue, and the ladder that
// all queues share. All of it is durable and idempotent; existing objects cost one
// round trip each, and three for the ladder.
func (p *Provider) declare(ctx context.Context, cfg driver.QueueConfig) (isDLQ bool, err error) {
	if err := errors.Join(p.names.check(cfg.Name), p.names.check(cfg.DLQ)); err != nil {
		return false, err
	}
	err = whileDeleted(func() error {
		return p.link.repeat(ctx, func(s *session) (err error) {
			isDLQ, err = p.declareOnce(ctx, s, cfg)
			return err
		})
	})
	return isDLQ && err == nil, err
}

// whileDeleted repeats a declaration that fails because the broker no longer has what an earlier
// step declared. Another process deletes the queue at the same time, or did so until it was killed:
// the broker carries out the last requests of a killed process later.
func whileDeleted(declare func() error) error {
	var err error
	for range declareTries {
		err = declare()
		if e := exception(err); e == nil || e.Code != amqp.NotFound {
			return err
		}
	}
	return fmt.Errorf("it was declared %d times, and a part of it was deleted each time: open it when nobody deletes it any more, and let no policy with \"expires\" apply to it: %w", declareTries, err)
}

// declareOnce is one attempt of declare.
func (p *Provider) declareOnce(ctx context.Context, s *session, cfg driver.QueueConfig) (isDLQ bool, err error) {
	if err := p.declarePlan(ctx, s, cfg.Name, plan(cfg)); err != nil {
		return false, err
	}
	if isDLQ, err = s.exists(ctx, p.names.deadExchange(cfg.Name)); err != nil {
		return false, err
	}
	if isDLQ {
		if err := cfg.AsDead(); err != nil {
			return false, fmt.Errorf("%w; where no queue has it as its own any more, delete the exchange %q", err, p.names.deadExchange(cfg.Name))
		}
	} else {
		if err := p.declareDLQ(ctx, s, cfg); err != nil {
			return false, fmt.Errorf("its dead letter queue %q: %w", cfg.DLQ, explain(err))
		}
		err = s.ask(ctx, func(ch *amqp.Channel) error { return p.declareBackstop(ch, cfg) })
		if err != nil {
			return false, explain(err)
		}
	}
	if err := p.declareLines(ctx, s, cfg, !isDLQ); err != nil {
		return false, explain(err)
	}
	dlq := cfg.DLQ
	if isDLQ {
		dlq = ""
	}
	if err := p.declareLadder(ctx, s, p.names.gate(cfg.Name), dlq); err != nil {
		return false, fmt.Errorf("the ladder of delays: %w", explain(err))
	}
	return isDLQ, p.claim(ctx, s, cfg.Name)
}

func lines(cfg driver.QueueConfig) int {
	if cfg.Type == driver.FIFO {
		return partitions
	}
	return cfg.Levels
}

// plan describes the type of the queue, in the one property of an exchange that is free
// text and that the broker compares.
func plan(cfg driver.QueueConfig) string {
	switch cfg.Type {
	case driver.FIFO:
		return fmt.Sprintf("taskgen: fifo in %d partitions", partitions)
	default:
		return "taskgen: " + string(cfg.Type)
	}
}

// declarePlan stores the plan as the name of the alternate exchange. Declaring an
// exchange requires write permission on its alternate; if the plan's own name is
// refused, a name that begins with the prefix is used.
func (p *Provider) declarePlan(ctx context.Context, s *session, queue, plan string) error {
	var first error
	for _, text := range []string{plan, p.names.prefix + ":" + plan} {
		err := s.ask(ctx, func(ch *amqp.Channel) error {
			return ch.ExchangeDeclare(p.names.plan(queue), amqp.ExchangeDirect, true, false, false, false, amqp.Table{"alternate-exchange": text})
		})
		if exception(err) == nil {
			return err
		}
		first = cmp.Or(first, err)
	}
	return explain(first)
}

// declareDLQ declares the dead letter queue of a queue. A queue that was opened by its
// own name has a backstop: it is for tasks, unless no other can be meant.
func (p *Provider) declareDLQ(ctx context.Context, s *session, cfg driver.QueueConfig) error {
	dlq := cfg.DLQ
	if err := p.declarePlan(ctx, s, dlq, plan(driver.QueueConfig{Type: driver.Standard})); err != nil {
		return err
	}
	isDLQ, err := s.exists(ctx, p.names.deadExchange(dlq))
	if err != nil {
		return err
	}
	if !isDLQ && dlq != cfg.Name+"-dlq" {
		switch works, err := s.exists(ctx, p.names.backstop(dlq)); {
		case err != nil:
			return err
		case works:
			return fmt.Errorf("%w: it is a queue with one of its own: name another, or where nothing works on it delete the exchange %q", driver.ErrQueueMismatch, p.names.backstop(dlq))
		}
	}
	if !isDLQ {
		err := s.ask(ctx, func(ch *amqp.Channel) error {
			return ch.ExchangeDeclare(p.names.deadExchange(dlq), amqp.ExchangeDirect, true, false, false, false, nil)
		})
		if err != nil {
			return err
		}
	}
	// Opened as a queue before, it has a backstop.
	_, err = s.declareEither(ctx, p.names.line(dlq, 0), nil, p.backed(dlq, nil))
	return err
}

// A policy of the house can make a broker drop tasks: by message-ttl, by
// delivery-limit, by max-length with drop-head. Nothing tells a client of policies.
// So what the broker takes off a line by itself comes to the gate, see [delayRelay.caught],
// and what it takes off the gate to the dead letter queue.

// backed adds that to the arguments of a line.
func (p *Provider) backed(queue string, args amqp.Table) amqp.Table {
	all := amqp.Table{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": p.names.gate(queue), "x-dead-letter-strategy": "at-least-once"}
	maps.Copy(all, args)
	return all
}

// declareBackstop declares what the gate dead letters to. It is an exchange, so that
// the queue may be opened with another dead letter queue later.
func (p *Provider) declareBackstop(ch *amqp.Channel, cfg driver.QueueConfig) error {
	name := p.names.backstop(cfg.Name)
	if err := ch.ExchangeDeclare(name, amqp.ExchangeFanout, true, false, false, false, nil); err != nil {
		return err
	}
	return ch.QueueBind(p.names.line(cfg.DLQ, 0), "", name, false, nil)
}

func (p *Provider) declareLines(ctx context.Context, s *session, cfg driver.QueueConfig, backstop bool) error {
	var without []string
	declare := func(name string, plain, backed amqp.Table) error {
		one, other := plain, backed
		if backstop {
			one, other = backed, plain
		}
		second, err := s.declareEither(ctx, name, one, other)
		if second && backstop {
			without = append(without, name)
		}
		return err
	}
	var args amqp.Table
	if cfg.Type == driver.FIFO {
		args = amqp.Table{"x-single-active-consumer": true}
	}
	for i := range lines(cfg) {
		if err := declare(p.names.line(cfg.Name, i), args, p.backed(cfg.Name, args)); err != nil {
			return err
		}
	}
	gate := p.names.gate(cfg.Name)
	if err := declare(gate, nil, amqp.Table{"x-dead-letter-exchange": p.names.backstop(cfg.Name), "x-dead-letter-strategy": "at-least-once"}); err != nil {
		return err
	}
	if len(without) > 0 {
		p.logger().LogAttrs(ctx, slog.LevelWarn, "rabbitmq: queues that an earlier version declared have no backstop: a policy with message-ttl, delivery-limit or overflow=drop-head that applies to them loses tasks. Delete them when they are empty (rabbitmqctl delete_queue) and open the queue again, or have the policy set dead-letter-exchange to \"\" and dead-letter-routing-key to the gate",
			slog.String("queue", cfg.Name), slog.Any("without", without), slog.String("gate", gate))
	}
	return nil
}

// declareEither declares a queue, or accepts one that differs from that in its
// backstop alone: other versions of this package declare it with other.
func (s *session) declareEither(ctx context.Context, name string, args, other amqp.Table) (second bool, err error) {
	declare := func(args amqp.Table) error {
		return s.ask(ctx, func(ch *amqp.Channel) error { return declareQuorum(ch, name, args) })
	}
	if err = declare(args); err == nil {
		return false, nil
	}
	if e := exception(err); e == nil || e.Code != amqp.PreconditionFailed || !strings.Contains(e.Reason, "x-dead-letter-") {
		return false, err
	}
	return true, declare(other)
}

// declareQuorum declares one durable quorum queue.
func declareQuorum(ch *amqp.Channel, name string, more amqp.Table) error {
	_, err := ch.QueueDeclare(name, true, false, false, false, quorum(more))
	return err
}

// quorum are the arguments of our quorum queues. By itself none ever drops anything:
// not what comes back often, and not the oldest when it is full.
func quorum(more amqp.Table) amqp.Table {
	args := amqp.Table{"x-queue-type": "quorum", "x-delivery-limit": int64(noLimit), "x-overflow": "reject-publish"}
	maps.Copy(args, more)
	return args
}

// exists asks whether there is an exchange of this name.
func (s *session) exists(ctx context.Context, exchange string) (bool, error) {
	err := s.ask(ctx, func(ch *amqp.Channel) error {
		return ch.ExchangeDeclarePassive(exchange, amqp.ExchangeDirect, true, false, false, false, nil)
	})
	var e *amqp.Error
	if errors.As(err, &e) && e.Code == amqp.NotFound {
		return false, nil
	}
	return err == nil, err
}

// ready counts the messages of a queue that wait.
func (s *session) ready(ctx context.Context, queue string) (int, error) {
	q, err := s.passive(ctx, queue)
	return q.Messages, explain(err)
}

// passive asks for the counts of one of the broker's queues.
func (s *session) passive(ctx context.Context, queue string) (amqp.Queue, error) {
	var q amqp.Queue
	err := s.ask(ctx, func(ch *amqp.Channel) (err error) {
		q, err = ch.QueueDeclarePassive(queue, true, false, false, false, nil)
		return err
	})
	if err != nil {
		return amqp.Queue{}, err // the call may be under way still
	}
	return q, nil
}

// explain says how to fix a refusal of the broker.
func explain(err error) error {
	var e *amqp.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code {
	case amqp.PreconditionFailed:
		return fmt.Errorf("%w: the broker has it with other properties: open it as it was declared, or remove it there when it is empty (rabbitmqctl delete_queue) and open it again: %w", driver.ErrQueueMismatch, err)
	case amqp.AccessRefused:
		return fmt.Errorf("rabbitmq: the user needs the permissions configure, write and read on names that begin with the provider's prefix, and write on the default exchange (amq.default): %w", err)
	case amqp.NotFound:
		return fmt.Errorf("%w: the broker does not have it any more: open it again: %w", driver.ErrUnknownQueue, err)
	}
	return err
}
