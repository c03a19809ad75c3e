package runtime

import (
	"fmt"
	"reflect"

	"github.com/taskgen/taskgen/runtime/internal/jsonvalue"
)

// redactPanic is deferred around the codec of a value that holds secrets: it turns a
// panic into an error that quotes nothing. newError makes the error: driver.Recovered
// within a handler.
func redactPanic(err *error, newError func(v any) error) {
	if p := recover(); p != nil {
		*err = newError(fmt.Sprintf("a value of type %T, whose text is left out for it may quote a secret", p))
	}
}

// codecPanicked is newError outside of a handler.
func codecPanicked(v any) error { return fmt.Errorf("its codec panicked: %v", v) }

// redactedError is the printable part of the codec's error about a value of type T that
// holds secrets. data is what was decoded; nil when something was encoded.
func redactedError[T any](codec Codec, data []byte, err error) error {
	return jsonvalue.PrintableError(reflect.TypeFor[T](), data, codec == JSON, err)
}
