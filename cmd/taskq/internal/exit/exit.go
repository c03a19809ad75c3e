// Package exit has the exit codes of taskq, and the errors that lead to them.
package exit

import (
	"context"
	"errors"
	"fmt"

	"connectrpc.com/connect"

	"github.com/taskgen/taskgen/runtime/driver"
)

// The exit codes.
const (
	OK          = 0
	Failure     = 1   // something went wrong, or a check has found a problem
	Usage       = 2   // the command line is wrong, or the request that it led to
	NotFound    = 3   // there is no such queue, task, letter, job or worker
	Denied      = 4   // there is no token, or it does not allow this
	Partial     = 5   // some of many items could not be dealt with
	Unavailable = 6   // the server or the broker does not answer
	Interrupted = 130 // SIGINT
)

// Codes are the exit codes and what they mean, for the documentation.
var Codes = []struct {
	Code int
	Text string
}{
	{OK, "all is well"},
	{Failure, "something went wrong, or a check has found a problem"},
	{Usage, "the command line is wrong, or the request that it led to"},
	{NotFound, "there is no such queue, task, letter, job or worker"},
	{Denied, "there is no token, or it does not allow this"},
	{Partial, "some of many items could not be dealt with"},
	{Unavailable, "the server or the broker does not answer"},
	{Interrupted, "the command was interrupted"},
}

// An Error has an exit code.
type Error struct {
	Code int
	Err  error
	// Hint says how to mend it. Empty: the error does.
	Hint string
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the error without its exit code.
func (e *Error) Unwrap() error { return e.Err }

// With gives an error an exit code.
func With(code int, format string, args ...any) error {
	return &Error{Code: code, Err: fmt.Errorf(format, args...)}
}

// Usagef is the error of a wrong command line.
func Usagef(format string, args ...any) error { return With(Usage, format, args...) }

// codes are the exit codes of what the API answers. All others are failures.
var codes = map[connect.Code]int{
	connect.CodeInvalidArgument:  Usage,
	connect.CodeNotFound:         NotFound,
	connect.CodeUnauthenticated:  Denied,
	connect.CodePermissionDenied: Denied,
	connect.CodeUnavailable:      Unavailable,
	connect.CodeDeadlineExceeded: Unavailable,
}

// Of is the exit code of an error.
func Of(err error) int {
	var own *Error
	var answer *connect.Error
	switch {
	case err == nil:
		return OK
	case errors.As(err, &own):
		return own.Code
	case errors.As(err, &answer):
		if code, ok := codes[answer.Code()]; ok {
			return code
		}
	case errors.Is(err, driver.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return Unavailable
	}
	return Failure
}
