package nats

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/taskgen/taskgen/runtime/driver"
)

var (
	errNoAnswer = fmt.Errorf("%w: no answer from NATS", driver.ErrUnavailable)
	// errDisconnected is the error for a lost connection.
	errDisconnected = fmt.Errorf("%w: the connection to NATS is lost", driver.ErrUnavailable)
	// errNoConsumer says that a consumer is missing, or unusable, now.
	errNoConsumer = fmt.Errorf("%w: the consumer is away", driver.ErrUnavailable)
	// errContended says that a guard failed each time.
	errContended = fmt.Errorf("%w: other writers were faster %d times", driver.ErrUnavailable, rounds)
)

// transportErrors are the errors with which the client says that it has no connection, or no
// answer.
var transportErrors = []error{
	context.Canceled, context.DeadlineExceeded, io.EOF, io.ErrUnexpectedEOF,
	nats.ErrTimeout, nats.ErrNoResponders, nats.ErrNoServers, nats.ErrDisconnected, nats.ErrStaleConnection, nats.ErrSlowConsumer,
	nats.ErrConnectionClosed, nats.ErrConnectionDraining, nats.ErrConnectionReconnecting, nats.ErrReconnectBufExceeded,
	nats.ErrMaxConnectionsExceeded, nats.ErrMaxAccountConnectionsExceeded, nats.ErrNoInfoReceived,
}

// unavailable makes an error of the client ErrUnavailable if it leaves the outcome open: no
// connection, no answer, or the answer of a server that has no leader or is starting (503).
// Its other answers are refusals, and the client's other errors are about the arguments.
func unavailable(err error) error {
	if err == nil {
		return nil
	}
	var (
		broken net.Error
		answer *jetstream.APIError
	)
	switch {
	case errors.As(err, &answer):
		if !temporary(answer.Code, int(answer.ErrorCode)) {
			return err
		}
	case errors.As(err, &broken), slices.ContainsFunc(transportErrors, func(e error) bool { return errors.Is(err, e) }):
	default:
		return err
	}
	return driver.Unavailable(err)
}

// temporary reports whether JetStream refuses a request because it is not ready, as opposed
// to full: that has a code of its own.
func temporary(code, errCode int) bool {
	return code == http.StatusServiceUnavailable && !fullCode(errCode)
}
