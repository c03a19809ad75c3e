package runtime

import (
	"context"

	"github.com/taskgen/taskgen/runtime/internal/pool"
)

// A Handler runs tasks. It may be called by many goroutines at once. Its error decides
// the task's outcome; see [Outcome].
//
// The handler may read the task, not change it. Its one method is
//
//	Handle(ctx context.Context, task *Task) error
type Handler = pool.Handler

// HandlerFunc makes a function a Handler: func(ctx context.Context, task *Task) error.
type HandlerFunc = pool.HandlerFunc

// A Middleware wraps the handling of every task, those of unknown type
// included. A middleware that changes the task passes on a changed copy. It is a
// func(next Handler) Handler.
type Middleware = pool.Middleware

// TaskInfo is what a handler can learn about its task: the embedded *Task, and
//
//	Attempt  int       counts the charged runs, this one included: 1 the first time
//	Crashes  int       how many earlier runs ended with their worker; see Delivery.Crashes
//	Deadline time.Time when the context of this run ends; zero when it has no end
//	Policy   Policy    the one registered for the task's type, also if the task names an
//	                   alias of it; zero for a type without a handler
//
// As JSON it has the fields of the task and its own, without the policy, but the task's
// LogValue for a log.
type TaskInfo = pool.TaskInfo

// TaskFromContext returns the task that the context's handler runs, or with which its
// hook of OnDead was called, and false elsewhere.
func TaskFromContext(ctx context.Context) (TaskInfo, bool) { return pool.TaskFromContext(ctx) }
