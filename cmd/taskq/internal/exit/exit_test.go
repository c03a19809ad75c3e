package exit_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/assert"

	"github.com/taskgen/taskgen/cmd/taskq/internal/exit"
	"github.com/taskgen/taskgen/runtime/driver"
)

func TestErrorsHaveTheirExitCodes(t *testing.T) {
	lost := errors.New("lost")
	for err, want := range map[error]int{
		nil:                      exit.OK,
		lost:                     exit.Failure,
		exit.Usagef("wrong"):     exit.Usage,
		context.DeadlineExceeded: exit.Unavailable,
		fmt.Errorf("open: %w", driver.ErrUnavailable):                                                 exit.Unavailable,
		connect.NewError(connect.CodeNotFound, lost):                                                  exit.NotFound,
		fmt.Errorf("the queue: %w", connect.NewError(connect.CodeNotFound, lost)):                     exit.NotFound,
		connect.NewError(connect.CodeUnauthenticated, lost):                                           exit.Denied,
		connect.NewError(connect.CodePermissionDenied, lost):                                          exit.Denied,
		connect.NewError(connect.CodeInvalidArgument, lost):                                           exit.Usage,
		connect.NewError(connect.CodeUnavailable, lost):                                               exit.Unavailable,
		connect.NewError(connect.CodeFailedPrecondition, lost):                                        exit.Failure,
		errors.Join(exit.With(exit.Partial, "some"), connect.NewError(connect.CodeUnavailable, lost)): exit.Partial,
	} {
		assert.Equal(t, want, exit.Of(err), err)
	}
}

func TestTheListHasEveryCode(t *testing.T) {
	var codes []int
	for _, c := range exit.Codes {
		assert.NotEmpty(t, c.Text)
		codes = append(codes, c.Code)
	}
	assert.Equal(t, []int{exit.OK, exit.Failure, exit.Usage, exit.NotFound, exit.Denied, exit.Partial, exit.Unavailable, exit.Interrupted}, codes)
}
