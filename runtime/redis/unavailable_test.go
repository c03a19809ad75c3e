package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// replyText is an error as the server tells it.
type replyText string

func (e replyText) Error() string { return string(e) }
func (replyText) RedisError()     {}

func TestAnErrorThatLeavesTheOutcomeOpenIsUnavailable(t *testing.T) {
	single := &Provider{client: redis.NewClient(&redis.Options{})}
	defer single.client.Close()
	for _, err := range []error{
		io.EOF, context.DeadlineExceeded, redis.ErrPoolTimeout, redis.ErrClosed, &abandonedError{context.Canceled}, &net.OpError{Op: "dial", Err: errors.New("refused")},
		replyText("LOADING Redis is loading the dataset in memory"), replyText("READONLY You can't write against a read only replica."),
		replyText("BUSY Redis is busy running a script."), replyText("ERR max number of clients reached"),
	} {
		got := single.unavailable(fmt.Errorf("stats: %w", err))
		require.ErrorIs(t, got, driver.ErrUnavailable)
		require.ErrorIs(t, got, err)
	}
	for _, err := range []error{
		redis.Nil, driver.ErrClosed, errUnsent, &tls.CertificateVerificationError{Err: io.EOF}, &unusableError{"it is a Sentinel", nil},
		replyText("NOPERM this user has no permissions"), replyText("WRONGPASS invalid username-password pair"), replyText("MOVED 1 127.0.0.1:6379"),
		replyText("OOM command not allowed when used memory > 'maxmemory'."), replyText("ERR unknown command"),
	} {
		require.NotErrorIs(t, single.unavailable(err), driver.ErrUnavailable, "%v", err)
	}
	require.NoError(t, single.unavailable(nil))
}
