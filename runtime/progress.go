package runtime

import "context"

// A Progress is how far a handler has come, in units of its own.
type Progress struct {
	Done, Total int64  // Total is 0 where the handler does not know it
	Note        string // for people
}

type progressKey struct{}

// WithProgress returns a context whose handlers report their progress to f. It is
// for middleware; f is called on the handler's goroutines and must not block.
func WithProgress(ctx context.Context, f func(Progress)) context.Context {
	return context.WithValue(ctx, progressKey{}, f)
}

// ReportProgress says how far the handler that runs under ctx has come. Where
// nobody listens it does nothing. It is cheap, and may be called as often as the
// handler likes.
func ReportProgress(ctx context.Context, done, total int64, note string) {
	if f, ok := ctx.Value(progressKey{}).(func(Progress)); ok {
		f(Progress{Done: done, Total: total, Note: note})
	}
}
