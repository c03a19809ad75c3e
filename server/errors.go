package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/types/known/durationpb"

	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	"github.com/taskgen/taskgen/runtime/dlq"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/filter"
	"github.com/taskgen/taskgen/runtime/fleet"
	"github.com/taskgen/taskgen/runtime/fleet/payload"
	"github.com/taskgen/taskgen/runtime/schedule"
)

// errPaused: the queue hands out nothing.
var errPaused = errors.New("the queue is paused")

// errUnknownLease: the server has not handed out the lease, or it has ended.
var errUnknownLease = errors.New("the server has no such lease: it has ended, or another server has handed it out")

// errBusyLease: another call, or an earlier item of this one, settles the lease.
var errBusyLease = errors.New("the lease is being settled: by another call, or because the request names it twice")

// errTooManyLeases: the server has handed out as much as it may.
var errTooManyLeases = fmt.Errorf("the server holds %d leases, and no more: settle some, or use another server", maxLeases)

// errCursor: a page cannot begin there.
var errCursor = errors.New("the cursor is none of this queue: begin with an empty one")

// errStopped ends streams and calls that wait when the server stops.
var errStopped = fmt.Errorf("%w: the server stops", driver.ErrClosed)

// fullRetry is when a caller may try again whose queue, or whose server, was full.
const fullRetry = time.Second

// codes are those of errors, the first that an error is. ErrUnavailable comes behind what is
// more exact: an error may be both.
var codes = []struct {
	err  error
	code connect.Code
}{
	{errPaused, connect.CodeFailedPrecondition},
	{errUnknownLease, connect.CodeAborted},
	{driver.ErrLeaseLost, connect.CodeAborted},
	{errBusyLease, connect.CodeAborted},
	{errTooManyLeases, connect.CodeResourceExhausted},
	{driver.ErrQueueFull, connect.CodeResourceExhausted},
	{errCursor, connect.CodeInvalidArgument},
	{filter.ErrInvalid, connect.CodeInvalidArgument},
	{driver.ErrInvalidQueue, connect.CodeInvalidArgument},
	{errUnknownProvider, connect.CodeInvalidArgument},
	{errTooManyBulkJobs, connect.CodeResourceExhausted},
	{errUnknownBulkJob, connect.CodeNotFound},
	{errBulkState, connect.CodeFailedPrecondition},
	{errHasTasks, connect.CodeFailedPrecondition},
	{errOver, connect.CodeFailedPrecondition},
	{errAmbiguous, connect.CodeFailedPrecondition},
	{dlq.ErrInvalidPayload, connect.CodeInvalidArgument},
	{dlq.ErrClaimed, connect.CodeAborted},
	{driver.ErrUnsupported, connect.CodeUnimplemented},
	{driver.ErrPayloadTooLarge, connect.CodeInvalidArgument},
	{payload.ErrInvalid, connect.CodeInvalidArgument},
	{driver.ErrInvalidTask, connect.CodeInvalidArgument},
	{schedule.ErrInvalidJob, connect.CodeInvalidArgument},
	{driver.ErrDuplicate, connect.CodeAlreadyExists},
	{schedule.ErrJobExists, connect.CodeAlreadyExists},
	{driver.ErrUnknownQueue, connect.CodeNotFound},
	{driver.ErrUnknownType, connect.CodeNotFound},
	{driver.ErrTaskNotFound, connect.CodeNotFound},
	{schedule.ErrJobNotFound, connect.CodeNotFound},
	{fleet.ErrWorkerNotFound, connect.CodeNotFound},
	{fleet.ErrNotRunning, connect.CodeNotFound},
	{schedule.ErrJobEnded, connect.CodeFailedPrecondition},
	{schedule.ErrUnreadable, connect.CodeFailedPrecondition},
	{driver.ErrQueueMismatch, connect.CodeFailedPrecondition},
	{schedule.ErrConflict, connect.CodeAborted},
	{driver.ErrUnavailable, connect.CodeUnavailable},
	{driver.ErrClosed, connect.CodeUnavailable},
	{context.DeadlineExceeded, connect.CodeDeadlineExceeded},
	{context.Canceled, connect.CodeCanceled},
}

// codeOf is the code of an error of this module.
func codeOf(err error) connect.Code {
	if ce := new(connect.Error); errors.As(err, &ce) {
		return ce.Code()
	}
	for _, c := range codes {
		if errors.Is(err, c.err) {
			return c.code
		}
	}
	return connect.CodeInternal
}

// coded gives an error its code, and one of a full queue the time after which to try again.
func (s *Server) coded(err error) error {
	if err == nil {
		return nil
	}
	if ce := new(connect.Error); errors.As(err, &ce) {
		return ce
	}
	ce := connect.NewError(codeOf(err), err)
	if ce.Code() == connect.CodeResourceExhausted {
		if d, err := connect.NewErrorDetail(&errdetails.RetryInfo{RetryDelay: durationpb.New(fullRetry)}); err == nil {
			ce.AddDetail(d)
		}
	}
	return ce
}

// itemError is the error of one item of a batch; nil is none.
func itemError(err error) *v1.ItemError {
	if err == nil {
		return nil
	}
	return &v1.ItemError{Code: codeOf(err).String(), Message: err.Error()}
}
