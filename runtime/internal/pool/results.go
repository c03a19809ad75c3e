package pool

import (
	"context"
	"errors"
	"slices"

	"github.com/taskgen/taskgen/runtime/driver"
)

// SetResult sets the result of the task that the context's handler runs.
func SetResult(ctx context.Context, result []byte) error {
	r, ok := ctx.Value(runKey{}).(*execution)
	if !ok {
		return errors.New("taskgen: SetResult is called outside of a handler")
	}
	r.out().value = result
	return nil
}

// EncodeResult makes encode change that result on its way to the result store. The
// function added last runs first.
func EncodeResult(ctx context.Context, encode func(*driver.Task) *driver.Task) {
	if r, ok := ctx.Value(runKey{}).(*execution); ok {
		out := r.out()
		out.encode = append(out.encode, encode)
	}
}

// An outgoing is the result of a run, with the encodings of middleware.
type outgoing struct {
	value  []byte
	encode []func(*driver.Task) *driver.Task
}

func (r *execution) out() *outgoing {
	if r.result == nil {
		r.result = new(outgoing)
	}
	return r.result
}

// stored is the result as the store gets it.
func (r *execution) stored() []byte {
	if r.result == nil {
		return nil
	}
	if r.result.value == nil || len(r.result.encode) == 0 {
		return r.result.value
	}
	t := &driver.Task{ID: r.info.ID, Type: r.info.Type, Payload: r.result.value}
	for _, encode := range slices.Backward(r.result.encode) {
		t = encode(t)
	}
	return driver.PackResult(t)
}
