package driver

import "context"

// A ProgressReport is how far a handler has come, in units of its own.
type ProgressReport struct {
	Done, Total int64  // Total is 0 where the handler does not know it
	Note        string // for people, shown in clear: keep secrets out of it
}

type progressKey struct{}

// WithProgress returns a context whose handlers report their progress to f. It is for
// middleware; f is called on the handler's goroutines and must not block.
func WithProgress(ctx context.Context, f func(ProgressReport)) context.Context {
	return context.WithValue(ctx, progressKey{}, f)
}

// ReportProgress passes a report to the middleware that listens, if one does. Handlers call
// runtime.Progress.
func ReportProgress(ctx context.Context, p ProgressReport) {
	if f, ok := ctx.Value(progressKey{}).(func(ProgressReport)); ok {
		f(p)
	}
}
