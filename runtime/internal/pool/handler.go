package pool

import (
	"context"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"

	"github.com/taskgen/taskgen/runtime/internal/redact"
)

// A Handler runs tasks. It may be called by many goroutines at once. What it
// returns decides what becomes of the task; see [Outcome].
//
// The task is the handler's to read, not to change.
type Handler interface {
	Handle(ctx context.Context, task *driver.Task) error
}

// HandlerFunc makes a function a Handler.
type HandlerFunc func(ctx context.Context, task *driver.Task) error

// Handle calls f.
func (f HandlerFunc) Handle(ctx context.Context, task *driver.Task) error { return f(ctx, task) }

// A Middleware wraps the handling of every task, those of unknown type
// included. A middleware that changes the task passes on a changed copy.
type Middleware func(next Handler) Handler

// TaskInfo is what a handler can learn about the task that it runs.
type TaskInfo struct {
	*driver.Task
	// Attempt counts the charged runs, this one included: 1 the first time.
	Attempt int
	// Crashes is how many earlier runs ended with their worker; see
	// Delivery.Crashes.
	Crashes int
	// Deadline is when the context of this run ends; zero when it has no end.
	Deadline time.Time
}

// MarshalJSON writes the fields of the task and its own, but for a log what the
// task's LogValue shows.
func (i TaskInfo) MarshalJSON() ([]byte, error) {
	type plain struct {
		*TaskInfo
		redact.NoMarshalJSON
	}
	return redact.Marshal(&i, &plain{TaskInfo: &i})
}

// An execution is one run of a handler, as it travels in the context.
type execution struct {
	info   TaskInfo
	policy *Policy
	result *outgoing // nil: none was set, and nobody wants to encode it
	// refused is why the task is not to be run: it is too old, or its workers
	// died too often.
	refused error
}

type (
	runKey   struct{} // of a *execution
	plainKey struct{} // of taskContext.plain
)

// TaskFromContext returns the task that the context's handler runs, or of whose death
// its DeadHook is told, and false elsewhere.
func TaskFromContext(ctx context.Context) (TaskInfo, bool) {
	if r, ok := ctx.Value(runKey{}).(*execution); ok {
		return r.info, true
	}
	return TaskInfo{}, false
}

// PolicyFromContext returns what is registered for the task that the context's
// handler runs: the policy of its type, also where the task names an alias of that.
// It is false outside of a handler, and for types that nobody handles. It is for
// middleware.
func PolicyFromContext(ctx context.Context) (Policy, bool) {
	if r, ok := ctx.Value(runKey{}).(*execution); ok && r.policy.Type != "" {
		return *r.policy, true
	}
	return Policy{}, false
}
