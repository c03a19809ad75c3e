package runtime

import (
	"context"
	"fmt"
	"reflect"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/internal/pool"
	"github.com/taskgen/taskgen/runtime/internal/redact"
)

// SetResult sets the result of the task that the context's handler runs: one
// JSON value, stored before the task is completed.
func SetResult(ctx context.Context, result []byte) error { return pool.SetResult(ctx, result) }

// EncodeResult makes encode change the result of the task that the context's handler
// runs, on its way to the result store. It is for middleware, which calls it before the
// next handler; the encode of the innermost middleware runs first. encode gets a task
// with the ID and type of the running one, and its result as the payload. It returns
// that task, or a copy by Task.Encoded. Outside of a pool EncodeResult does nothing.
func EncodeResult(ctx context.Context, encode func(*Task) *Task) { pool.EncodeResult(ctx, encode) }

// Await waits for a task's result and decodes it. Generated code calls it. A result
// encoded by middleware is an error that names the encoding, unless from undoes it, as
// KeyRing.Results of package encrypt does.
func Await[T, R any](ctx context.Context, from Results, spec *Spec[T], id string) (R, error) {
	var result, none R
	data, err := from.Await(ctx, id)
	if err != nil {
		return none, err
	}
	if encoding := driver.UnpackResult(data).Encoding; encoding != "" {
		return none, fmt.Errorf("taskgen: the result of task %s (%s) is encoded as %q: await it from results that undo that, as KeyRing.Results does, the last encoding first", id, spec.Type, encoding)
	}
	if err := decodeResult(spec, data, &result); err != nil {
		return none, fmt.Errorf("the result of task %s (%s): %w", id, spec.Type, err)
	}
	return result, nil
}

// encodeResult encodes a result by its pointer, like payloads, so that methods of
// pointers count. With secrets, its error quotes neither an error of the codec nor a
// panic in it.
func encodeResult[T, R any](spec *Spec[T], result *R) (data []byte, err error) {
	secret := secretResult[R](spec)
	if secret {
		defer redactPanic(&err, driver.Recovered)
	}
	if data, err = spec.codec().Marshal(result); err != nil && secret {
		err = redactedError[R](spec.codec(), nil, err)
	}
	return data, err
}

// decodeResult undoes encodeResult, and quotes as little.
func decodeResult[T, R any](spec *Spec[T], data []byte, result *R) (err error) {
	secret := secretResult[R](spec)
	if secret {
		defer redactPanic(&err, codecPanicked)
	}
	if err = spec.codec().Unmarshal(data, result); err != nil && secret {
		err = redactedError[R](spec.codec(), data, err)
	}
	return err
}

// secretResult reports whether nothing of a result may be quoted: it holds secrets, or
// its task does, and may pass them on.
func secretResult[R, T any](spec *Spec[T]) bool {
	return spec.secret() || redact.HoldsSecret(reflect.TypeFor[R]())
}
