package pool

import (
	"context"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"

	"github.com/taskgen/taskgen/runtime/internal/redact"
)

// A Handler runs tasks. It may be called by many goroutines at once. Its error decides
// the task's outcome; see [Outcome].
//
// The handler may read the task, not change it.
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

// TaskInfo is what a handler can learn about its task.
type TaskInfo struct {
	*driver.Task
	// Attempt counts the charged runs, this one included: 1 the first time.
	Attempt int
	// Crashes is how many earlier runs ended with their worker; see
	// Delivery.Crashes.
	Crashes int
	// Deadline is when the context of this run ends; zero when it has no end.
	Deadline time.Time
	// Policy is the one registered for the task's type, also if the task names an alias
	// of it; zero for a type without a handler.
	Policy Policy `json:"-"`
}

// MarshalJSON writes the fields of the task and its own, but the task's LogValue for a
// log.
func (i TaskInfo) MarshalJSON() ([]byte, error) {
	type plain struct {
		*TaskInfo
		redact.NoMarshalJSON
	}
	return redact.Marshal(&i, &plain{TaskInfo: &i})
}

// An execution is one run of a handler, as the context carries it.
type execution struct {
	info   runInfo
	policy *Policy
	result *outgoing // nil: none was set, and no middleware encodes it
	// refused is why the task must not be run: it is too old, or its workers died too
	// often.
	refused error
}

// A runInfo is a TaskInfo without its Policy: a copy of that in each run would make a task
// a fifth larger.
type runInfo struct {
	*driver.Task
	Attempt  int
	Crashes  int
	Deadline time.Time
}

type (
	runKey   struct{} // of a *execution
	plainKey struct{} // of taskContext.plain
)

// TaskFromContext returns the task that the context's handler runs, or with which its
// DeadHook was called, and false elsewhere.
func TaskFromContext(ctx context.Context) (TaskInfo, bool) {
	if r, ok := ctx.Value(runKey{}).(*execution); ok {
		return TaskInfo{Task: r.info.Task, Attempt: r.info.Attempt, Crashes: r.info.Crashes, Deadline: r.info.Deadline, Policy: *r.policy}, true
	}
	return TaskInfo{}, false
}
