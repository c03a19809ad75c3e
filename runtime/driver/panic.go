package driver

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
)

// A panicError is the error of a panic: its value and its stack, both cut to the length
// that a task's metadata keeps.
type panicError struct{ value, stack string }

func (e *panicError) Error() string { return ErrPanic.Error() + ": " + e.value }
func (e *panicError) Unwrap() error { return ErrPanic }

// PanicStack returns the stack of an error made by Recovered, whose text leaves it out.
// It returns "" for other errors.
func PanicStack(err error) string {
	var p *panicError
	if errors.As(err, &p) {
		return p.stack
	}
	return ""
}

// Recovered turns the value of a panic into an error that wraps [ErrPanic]. The deferred
// function that recovered the panic calls it.
func Recovered(v any) error {
	stack := string(debug.Stack())
	// The frames above belong to the functions that caught the panic.
	if _, below, ok := strings.Cut(stack, "\npanic("); ok {
		for range 2 { // lines of a frame
			_, below, _ = strings.Cut(below, "\n")
		}
		stack = below
	}
	stack = withoutArguments(stack)
	return &panicError{clip(fmt.Sprint(v), maxReason), clip(strings.TrimSpace(stack), maxStack)}
}

// withoutArguments removes the arguments of the calls: they show the numbers of the
// payload, and the rest are addresses that help no reader.
func withoutArguments(stack string) string {
	var b strings.Builder
	for line := range strings.Lines(stack) {
		name := strings.TrimRight(line, "\n")
		if i := strings.LastIndexByte(name, '('); i > 0 && name[0] != '\t' && strings.HasSuffix(name, ")") {
			b.WriteString(name[:i] + "(...)" + line[len(name):])
			continue
		}
		b.WriteString(line)
	}
	return b.String()
}
