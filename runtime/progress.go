package runtime

import (
	"context"

	"github.com/taskgen/taskgen/runtime/driver"
)

// ProgressReport is how far a handler has come, in units of its own.
type ProgressReport = driver.ProgressReport

type progressKey struct{}

// WithProgress returns a context whose handlers report their progress to f. It is
// for middleware; f is called on the handler's goroutines and must not block.
func WithProgress(ctx context.Context, f func(ProgressReport)) context.Context {
	return context.WithValue(ctx, progressKey{}, f)
}

// Progress reports how far the handler that runs under ctx has come. It does nothing if
// no middleware listens. It is cheap, and may be called as often as the handler likes.
func Progress(ctx context.Context, done, total int64, note string) {
	if f, ok := ctx.Value(progressKey{}).(func(ProgressReport)); ok {
		f(ProgressReport{Done: done, Total: total, Note: note})
	}
}
