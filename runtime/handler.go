package runtime

import (
	"context"

	"github.com/taskgen/taskgen/runtime/internal/pool"
)

// A Handler runs tasks. It may be called by many goroutines at once. What it
// returns decides what becomes of the task; see [Outcome].
//
// The task is the handler's to read, not to change. The one method is
//
//	Handle(ctx context.Context, task *Task) error
type Handler = pool.Handler

// HandlerFunc makes a function a Handler: func(ctx context.Context, task *Task) error.
type HandlerFunc = pool.HandlerFunc

// A Middleware wraps the handling of every task, those of unknown type
// included. A middleware that changes the task passes on a changed copy. It is a
// func(next Handler) Handler.
type Middleware = pool.Middleware

// TaskInfo is what a handler can learn about the task that it runs: the embedded *Task, and
//
//	Attempt  int       counts the charged runs, this one included: 1 the first time
//	Crashes  int       how many earlier runs ended with their worker; see Delivery.Crashes
//	Deadline time.Time when the context of this run ends; zero when it has no end
//
// As JSON it has the fields of the task and its own, but for a log what the task's
// LogValue shows.
type TaskInfo = pool.TaskInfo

// TaskFromContext returns the task that the context's handler runs, or of whose death
// its DeadHook is told, and false elsewhere.
func TaskFromContext(ctx context.Context) (TaskInfo, bool) { return pool.TaskFromContext(ctx) }

// PolicyFromContext returns what is registered for the task that the context's
// handler runs: the policy of its type, also where the task names an alias of that.
// It is false outside of a handler, and for types that nobody handles. It is for
// middleware.
func PolicyFromContext(ctx context.Context) (Policy, bool) { return pool.PolicyFromContext(ctx) }
