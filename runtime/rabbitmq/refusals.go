package rabbitmq

import (
	"errors"
	"fmt"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/taskgen/taskgen/runtime/driver"
)

// refuseAll is for a reason that is not in the message: what the user may not do, or that
// the exchange is gone to which one was published, where it is known which one that was.
func refuseAll(letters []letter, why *amqp.Error, one *letter) {
	gone := why.Code == amqp.NotFound && one != nil
	if why.Code != amqp.AccessRefused && !gone {
		return
	}
	for i := range letters {
		if l := &letters[i]; l.open && (!gone || l.exchange == one.exchange) {
			l.open, l.err = false, refusal(why, len(l.body))
		}
	}
}

// ended says why the broker ended a channel because of what was published over it;
// nil where it ended with its connection.
func (p *publisher) ended() *amqp.Error {
	<-p.ch.gone
	return exception(p.ch.why)
}

// exception is the broker's reason to end one channel; nil for an error of another
// kind.
func exception(err error) *amqp.Error {
	var e *amqp.Error
	if errors.As(err, &e) && e.Server {
		switch e.Code {
		case amqp.ContentTooLarge, amqp.NoConsumers, amqp.AccessRefused, amqp.NotFound, amqp.ResourceLocked, amqp.PreconditionFailed:
			return e
		}
	}
	return nil
}

// refusal is the error of a message that the broker has ended its channel for.
func refusal(why *amqp.Error, size int) error {
	switch {
	case why.Code == amqp.ContentTooLarge || why.Code == amqp.PreconditionFailed && strings.Contains(why.Reason, "message size"):
		return fmt.Errorf("%w: RabbitMQ takes no message of %d bytes: make it smaller, or raise max_message_size in the broker: %w", driver.ErrPayloadTooLarge, size, why)
	case why.Code == amqp.AccessRefused, why.Code == amqp.NotFound:
		return explain(why)
	}
	return fmt.Errorf("rabbitmq: the broker refused the message: %w", why)
}
