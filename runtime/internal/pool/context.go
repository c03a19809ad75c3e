package pool

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A taskContext is the context of one run. It holds the run itself, and makes the
// standard contexts that can end only on demand: a handler that never looks at Done
// costs no timer and no channel.
//
// Once they exist, the standard contexts do all the ending, so that children, causes
// and AfterFunc work as everywhere: Done returns the standard context's channel, and
// Value passes the standard library's own key on to it.
type taskContext struct {
	execution
	base *context.Context // the values that handlers see; it never ends
	// plain is the task as it came through the middleware, for a DeadHook. It is atomic
	// because middleware may leave a goroutine behind that runs the next handler.
	plain atomic.Pointer[driver.Task]

	mu    sync.Mutex
	cause error     // set when the run was cancelled or is over
	std   *standard // made on demand
}

// standard is the part of a taskContext that ends it.
type standard struct {
	context.Context
	end  context.CancelCauseFunc
	stop context.CancelFunc // frees the timer of the deadline
}

func (c *taskContext) Deadline() (time.Time, bool) {
	return c.info.Deadline, !c.info.Deadline.IsZero()
}

func (c *taskContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.madeLocked().Done()
}

func (c *taskContext) Err() error {
	if std := c.ended(); std != nil {
		return std.Err()
	}
	return nil
}

func (c *taskContext) Value(key any) any {
	switch key.(type) {
	case runKey:
		return &c.execution
	case plainKey:
		return &c.plain
	}
	if std := c.ended(); std != nil {
		return std.Value(key)
	}
	return (*c.base).Value(key)
}

// String keeps the task out of what fmt prints of a context.
func (c *taskContext) String() string { return "taskgen.Context" }

// ended returns the standard context if there is one or the run is known to have ended,
// else nil.
func (c *taskContext) ended() *standard {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.std == nil && (c.cause != nil || c.lateLocked(0)) {
		return c.madeLocked()
	}
	return c.std
}

// lateLocked reports whether the deadline passed d ago.
func (c *taskContext) lateLocked(d time.Duration) bool {
	return !c.info.Deadline.IsZero() && time.Since(c.info.Deadline) >= d
}

// madeLocked returns the standard context, and makes it if necessary.
func (c *taskContext) madeLocked() *standard {
	if c.std != nil {
		return c.std
	}
	ctx, end := context.WithCancelCause(*c.base)
	c.std = &standard{Context: ctx, end: end, stop: func() {}}
	if c.cause != nil {
		end(c.cause)
	} else if !c.info.Deadline.IsZero() {
		c.std.Context, c.std.stop = context.WithDeadlineCause(ctx, c.info.Deadline, driver.ErrTimeout)
	}
	return c.std
}

// cancel ends the context with a cause. The first cause stays.
func (c *taskContext) cancel(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause != nil {
		return
	}
	c.cause = cause
	if c.std != nil {
		c.std.end(cause)
	}
}

// begin fills in the run. The context may have been cancelled already.
func (c *taskContext) begin(x execution, base *context.Context) {
	c.mu.Lock()
	c.execution, c.base = x, base
	c.mu.Unlock()
}

// finish ends the context after its run and frees what it holds.
func (c *taskContext) finish() {
	c.cancel(context.Canceled)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.std != nil {
		c.std.stop()
	}
}

// overruns reports whether the deadline passed more than d ago.
func (c *taskContext) overruns(d time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lateLocked(d)
}

// clean reports whether nothing has ended the context so far. It costs less than
// reading the cause.
func (c *taskContext) clean() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause == nil
}
