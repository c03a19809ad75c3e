package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

func TestAnErrorThatLeavesTheOutcomeOpenIsUnavailable(t *testing.T) {
	for _, err := range []error{
		context.Canceled, context.DeadlineExceeded, io.EOF, &net.OpError{Op: "dial", Err: errors.New("refused")}, amqp.ErrClosed,
		&amqp.Error{Code: amqp.ConnectionForced, Reason: "broker forced connection closure", Server: true}, errAway, errUnconfirmed,
	} {
		got := unavailable(fmt.Errorf("stats: %w", err))
		require.ErrorIs(t, got, driver.ErrUnavailable)
		require.ErrorIs(t, got, err)
	}
	for _, err := range []error{
		errClosed, errRefused, amqp.ErrCredentials, amqp.ErrVhost, &amqp.Error{Code: amqp.PreconditionFailed, Server: true}, errors.New("AMQP scheme must be either 'amqp://' or 'amqps://'"),
	} {
		require.NotErrorIs(t, unavailable(err), driver.ErrUnavailable, "%v", err)
	}
	require.NoError(t, unavailable(nil))
}
