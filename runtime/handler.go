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
//
// As JSON it has the fields of the task and its own, but the task's LogValue for a log.
type TaskInfo = pool.TaskInfo

// TaskFromContext returns the task that the context's handler runs, or with which its
// DeadHook was called, and false elsewhere.
func TaskFromContext(ctx context.Context) (TaskInfo, bool) { return pool.TaskFromContext(ctx) }

// PolicyFromContext returns the policy registered for the task that the context's
// handler runs, also if the task names an alias of its type. It returns false outside
// of a handler, and for types without a handler. It is for middleware.
func PolicyFromContext(ctx context.Context) (Policy, bool) { return pool.PolicyFromContext(ctx) }
