package tracing

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/taskgen/taskgen/runtime/driver"
)

// Bounds of what a span has of an error, in bytes.
const (
	maxText = 4 << 10 // of the text, and of a stack
	maxType = 128     // of error.type
)

// other is the error.type of an error of no class, by the conventions.
const other = "_OTHER"

// fail writes an error into a span, and sets its status if status is true.
func fail(span trace.Span, err error, status bool) {
	class, text, stack := describe(err)
	attrs := []attribute.KeyValue{keyExceptionType.String(class), keyExceptionText.String(text)}
	if stack != "" {
		attrs = append(attrs, keyExceptionStack.String(stack))
	}
	span.SetAttributes(keyErrorType.String(class))
	span.AddEvent(eventException, trace.WithAttributes(attrs...))
	if status {
		span.SetStatus(codes.Error, text)
	}
}

// describe returns the class of an error, its text and the stack of a panic. Methods of
// errors may panic, as those of nil pointers do, and a listener must not.
func describe(err error) (class, text, stack string) {
	class, text = other, "an error whose methods panic"
	defer func() { _ = recover() }()
	text = clip(err.Error(), maxText)
	stack = clip(driver.PanicStack(err), maxText)
	class = errorType(err)
	return class, text, stack
}

// classes are the errors that have an error.type of their own, those that say more about a
// run first.
var classes = []struct {
	err  error
	name string
}{
	{driver.ErrTimeout, "timeout"},
	{driver.ErrPanic, "panic"},
	{driver.ErrLeaseLost, "lease_lost"},
	{driver.ErrStopping, "stopping"},
	{driver.ErrUnknownType, "unknown_type"},
	{driver.ErrUnknownShape, "unknown_shape"},
	{driver.ErrTaskExpired, "task_expired"},
	{driver.ErrMaxDeliveries, "max_deliveries"},
	{driver.ErrInvalidTask, "invalid_task"},
	{driver.ErrPayloadTooLarge, "payload_too_large"},
	{driver.ErrQueueFull, "queue_full"},
	{driver.ErrDuplicate, "duplicate"},
	{driver.ErrUnknownQueue, "unknown_queue"},
	{driver.ErrUnsupported, "unsupported"},
	{driver.ErrTaskNotFound, "task_not_found"},
	{driver.ErrTaskFailed, "task_failed"},
	{driver.ErrClosed, "closed"},
	{driver.ErrUnavailable, "unavailable"},
	{context.DeadlineExceeded, "deadline_exceeded"},
	{context.Canceled, "canceled"},
}

// ofRun is how many of the classes are about the run itself, and come before what an
// error reports.
const ofRun = 3

// errorType is the class of an error, one of few: a name for the errors of taskgen, what a
// method ErrorType() string of the error returns, or the Go type of the error.
func errorType(err error) string {
	for _, c := range classes[:ofRun] {
		if errors.Is(err, c.err) {
			return c.name
		}
	}
	var says interface{ ErrorType() string }
	if errors.As(err, &says) {
		if class := says.ErrorType(); class != "" {
			return clip(class, maxType)
		}
	}
	for _, c := range classes[ofRun:] {
		if errors.Is(err, c.err) {
			return c.name
		}
	}
	return typeOf(err)
}

// sayNothing are the packages whose errors are wrappers and plain texts.
var sayNothing = []string{
	"errors", "fmt", "github.com/taskgen/taskgen/runtime/driver", "github.com/taskgen/taskgen/runtime/internal/pool",
}

// typeOf is the first type of the chain that says anything.
func typeOf(err error) string {
	for e := err; e != nil; e = unwrap(e) {
		t := reflect.TypeOf(e)
		named := t
		if t.Kind() == reflect.Pointer {
			named = t.Elem()
		}
		if !slices.Contains(sayNothing, named.PkgPath()) {
			return clip(t.String(), maxType)
		}
	}
	return other
}

// unwrap is errors.Unwrap that follows the first of many.
func unwrap(err error) error {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range many.Unwrap() {
			if e != nil {
				return e
			}
		}
		return nil
	}
	return errors.Unwrap(err)
}

// clip cuts a text to n bytes and makes it valid UTF-8: exporters drop a span with any
// other.
func clip(s string, n int) string {
	if len(s) > n {
		s = s[:n-len("…")] + "…"
	}
	return strings.ToValidUTF8(s, "")
}
