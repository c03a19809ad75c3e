package rabbitmq

import (
	"errors"
	"fmt"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/taskgen/taskgen/runtime/driver"
)

// refuseAll refuses letters for a reason that is not in one message: a permission that
// the user lacks, or, if one is known, the missing exchange of that letter.
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

// ended returns why the broker ended a channel because of a message published over it;
// nil if the channel ended with its connection.
func (p *publisher) ended() *amqp.Error {
	<-p.ch.gone
	return exception(p.ch.why)
}

// exception is the broker's reason to end one channel; nil for other errors.
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

// refusal is the error of a message for which the broker has ended its channel.
func refusal(why *amqp.Error, size int) error {
	switch {
	case why.Code == amqp.ContentTooLarge || why.Code == amqp.PreconditionFailed && strings.Contains(why.Reason, "message size"):
		return fmt.Errorf("%w: RabbitMQ takes no message of %d bytes: make it smaller, or raise max_message_size in the broker: %w", driver.ErrPayloadTooLarge, size, why)
	case why.Code == amqp.AccessRefused, why.Code == amqp.NotFound:
		return explain(why)
	}
	return fmt.Errorf("rabbitmq: the broker refused the message: %w", why)
}
