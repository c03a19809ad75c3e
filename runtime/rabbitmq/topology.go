package rabbitmq

import (
	"context"
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/taskgen/taskgen/runtime"
)

// partitions is how many queues the groups of a fifo queue are spread over.
const partitions = 16

// noLimit is the x-delivery-limit of all our queues. A broker of 4.0 or later
// drops what was returned 20 times where a queue says nothing, one before 4.0
// would take -1 for "none at all", and a queue that was declared with other
// arguments is refused: so it is one number on all versions, which no message
// reaches.
const noLimit = 1 << 30

// declare creates or verifies what the broker has for a queue: the exchange that
// says what kind it is, the queues of its lines, the ladder with its gate, the
// dead letter queue. All of it is durable and idempotent; where it is there
// already it costs one round trip for each.
func (p *Provider) declare(ctx context.Context, s *session, cfg runtime.QueueConfig) (isDLQ bool, err error) {
	if err := errors.Join(p.names.check(cfg.Name), p.names.check(cfg.DLQ)); err != nil {
		return false, err
	}
	if err := p.declarePlan(ctx, s, cfg.Name, plan(cfg)); err != nil {
		return false, err
	}
	if isDLQ, err = s.exists(ctx, p.names.grave(cfg.Name)); err != nil {
		return false, err
	}
	err = s.ask(ctx, func(ch *amqp.Channel) error { return p.declareLines(ch, cfg) })
	if err == nil && !isDLQ {
		err = p.declareDLQ(ctx, s, cfg.DLQ)
	}
	return isDLQ, explain(err)
}

func lines(cfg runtime.QueueConfig) int {
	if cfg.Type == runtime.FIFO {
		return partitions
	}
	return cfg.Levels
}

// plan says what kind of queue it is, in the one property of an exchange that is
// free text and that the broker compares.
func plan(cfg runtime.QueueConfig) string {
	switch cfg.Type {
	case runtime.FIFO:
		return fmt.Sprintf("taskgen: fifo in %d partitions", partitions)
	default:
		return "taskgen: " + string(cfg.Type)
	}
}

func (p *Provider) declarePlan(ctx context.Context, s *session, queue, plan string) error {
	err := s.ask(ctx, func(ch *amqp.Channel) error {
		return ch.ExchangeDeclare(p.names.plan(queue), amqp.ExchangeDirect, true, false, false, false, amqp.Table{"alternate-exchange": plan})
	})
	return explain(err)
}

func (p *Provider) declareDLQ(ctx context.Context, s *session, dlq string) error {
	if err := p.declarePlan(ctx, s, dlq, plan(runtime.QueueConfig{Type: runtime.Standard})); err != nil {
		return fmt.Errorf("its dead letter queue %q: %w", dlq, err)
	}
	return s.ask(ctx, func(ch *amqp.Channel) error {
		if err := ch.ExchangeDeclare(p.names.grave(dlq), amqp.ExchangeDirect, true, false, false, false, nil); err != nil {
			return err
		}
		return declareQuorum(ch, p.names.line(dlq, 0), nil)
	})
}

func (p *Provider) declareLines(ch *amqp.Channel, cfg runtime.QueueConfig) error {
	for i := range lines(cfg) {
		args := amqp.Table{}
		if cfg.Type == runtime.FIFO {
			args["x-single-active-consumer"] = true
		}
		if err := declareQuorum(ch, p.names.line(cfg.Name, i), args); err != nil {
			return err
		}
	}
	gate := p.names.gate(cfg.Name)
	if err := declareQuorum(ch, gate, nil); err != nil {
		return err
	}
	for k := range steps {
		err := declareQuorum(ch, p.names.wait(cfg.Name, k), amqp.Table{
			"x-message-ttl":             step(k).Milliseconds(),
			"x-dead-letter-exchange":    "",
			"x-dead-letter-routing-key": gate,
			"x-dead-letter-strategy":    "at-least-once",
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// declareQuorum declares one durable quorum queue. It never drops anything: not
// what comes back often, and not the oldest when it is full.
func declareQuorum(ch *amqp.Channel, name string, more amqp.Table) error {
	args := amqp.Table{"x-queue-type": "quorum", "x-delivery-limit": int64(noLimit), "x-overflow": "reject-publish"}
	for k, v := range more {
		args[k] = v
	}
	_, err := ch.QueueDeclare(name, true, false, false, false, args)
	return err
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
func (s *session) ready(ctx context.Context, queue string) (n int, err error) {
	err = s.ask(ctx, func(ch *amqp.Channel) error {
		q, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
		n = q.Messages
		return err
	})
	return n, explain(err)
}

// explain says how to mend what the broker refuses.
func explain(err error) error {
	var e *amqp.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code {
	case amqp.PreconditionFailed:
		return fmt.Errorf("%w: the broker has it with other properties: open it as it was declared, or remove it there when it is empty (rabbitmqctl delete_queue) and open it again: %w", runtime.ErrQueueMismatch, err)
	case amqp.AccessRefused:
		return fmt.Errorf("rabbitmq: the user needs the permissions configure, write and read on names that begin with the provider's prefix, and write on the default exchange: %w", err)
	case amqp.NotFound:
		return fmt.Errorf("%w: the broker does not have it any more: open it again: %w", runtime.ErrUnknownQueue, err)
	}
	return err
}
