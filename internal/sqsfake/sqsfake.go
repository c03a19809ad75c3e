// Package sqsfake is package sqstest under the name that it had before it was
// published, for programs beside this module that know it by that one.
package sqsfake

import (
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/sqs/sqstest"
)

// These are what they are in package sqstest.
type (
	Server = sqstest.Server
	Hook   = sqstest.Hook
	Call   = sqstest.Call
	Fault  = sqstest.Fault
	Error  = sqstest.Error
)

// New is sqstest.New.
func New(clock driver.Clock) *Server { return sqstest.New(clock) }

// Throttled is sqstest.Throttled.
func Throttled() *Error { return sqstest.Throttled() }

// Unavailable is sqstest.Unavailable.
func Unavailable() *Error { return sqstest.Unavailable() }

// InternalError is sqstest.InternalError.
func InternalError() *Error { return sqstest.InternalError() }
