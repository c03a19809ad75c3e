package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/taskgen/taskgen/runtime/driver"
)

var (
	errAway        = fmt.Errorf("%w: rabbitmq: the connection has ended", driver.ErrUnavailable)
	errUnconfirmed = fmt.Errorf("%w: rabbitmq: the connection ended before the broker confirmed", driver.ErrUnavailable)
	errUnanswered  = fmt.Errorf("%w: rabbitmq: the broker has not confirmed, and may store the message later", driver.ErrUnavailable)
)

// unavailable makes an error of the client ErrUnavailable if it leaves the outcome open:
// the connection failed or ended, also because the broker stops or is in trouble, or the
// context ended first. What the broker refuses because of the request or the user is known.
func unavailable(err error) error {
	if err == nil {
		return nil
	}
	var (
		amqpErr *amqp.Error
		broken  net.Error
	)
	switch {
	case errors.As(err, &amqpErr):
		if refuses(amqpErr.Code) {
			return err
		}
	case errors.As(err, &broken), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, context.Canceled):
	default:
		return err
	}
	return driver.Unavailable(err)
}

// refuses reports whether a reply code is about the request or the user.
func refuses(code int) bool {
	switch code {
	case amqp.ContentTooLarge, amqp.NoRoute, amqp.NoConsumers, amqp.InvalidPath, amqp.AccessRefused, amqp.NotFound, amqp.ResourceLocked,
		amqp.PreconditionFailed, amqp.SyntaxError, amqp.NotAllowed, amqp.NotImplemented:
		return true
	}
	return false
}

// ended is the error of a call whose context has ended.
func ended(ctx context.Context) error { return unavailable(context.Cause(ctx)) }
