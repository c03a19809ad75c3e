package nats

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

func TestAnErrorThatLeavesTheOutcomeOpenIsUnavailable(t *testing.T) {
	for _, err := range []error{
		context.Canceled, context.DeadlineExceeded, nats.ErrTimeout, nats.ErrNoServers, nats.ErrConnectionClosed, nats.ErrNoResponders,
		&net.OpError{Op: "dial", Err: errors.New("refused")}, &jetstream.APIError{Code: 503, ErrorCode: 10008}, errDisconnected, errNoAnswer, errNoConsumer,
	} {
		got := unavailable(fmt.Errorf("stats: %w", err))
		require.ErrorIs(t, got, driver.ErrUnavailable)
		require.ErrorIs(t, got, err)
	}
	for _, err := range []error{
		driver.ErrClosed, errClosed, nats.ErrPermissionViolation, nats.ErrAuthorization, nats.ErrMaxPayload,
		&jetstream.APIError{Code: 404, ErrorCode: 10059}, &jetstream.APIError{Code: 503, ErrorCode: 10023}, errors.New("the account has no room"),
	} {
		require.NotErrorIs(t, unavailable(err), driver.ErrUnavailable, "%v", err)
	}
	require.NoError(t, unavailable(nil))
	require.ErrorIs(t, &apiError{Code: 503, ErrCode: 10008}, driver.ErrUnavailable)
	require.NotErrorIs(t, &apiError{Code: 400, ErrCode: codeWrongSequence}, driver.ErrUnavailable)
}
