package observe

import (
	"time"

	"github.com/taskgen/taskgen/internal/typeinfo"
	"github.com/taskgen/taskgen/runtime/driver"
)

// The types in the events of a Listener.
type (
	Task     = driver.Task
	Delivery = driver.Delivery
)

// A Queue is an open queue of a manager. A queue has one Queue for as long as it is open.
type Queue struct {
	Name     string
	Provider string       // its provider's Name: "redis"
	Types    []string     // those that its declarations listed when it was opened
	Driver   driver.Queue // for counts and the like: not to be closed
}

// An Enqueue is one call that enqueued tasks, of one queue or of many.
type Enqueue struct {
	Tasks []*Task
	// Answers are those of the tasks, in their order; nil if the call failed as a whole.
	Answers []driver.Enqueued
	// Err is what the caller gets: nil, a *driver.BatchError, or an error for all tasks.
	// driver.ErrorAt(Err, i) is the error of Tasks[i].
	Err   error
	Began time.Time
	Took  time.Duration
	// Queue returns the open queue of a name; nil if the manager has none.
	Queue func(name string) *Queue
}

// A Run is one run of a task's handler.
type Run struct {
	Queue   *Queue
	Pool    *Pool  // nil for a worker that has the task by package server
	Worker  string // who runs the task: the Name of the Pool, or the caller of the server
	Type    string // under which the handler is registered, also if the task names an alias; the task's own if there is no handler
	Task    *Task
	Attempt int // the charged runs, this one included
	Crashes int // earlier deliveries that ended with their worker

	// Began is when the run began, by the machine's clock, and At by the manager's clock,
	// which stamps tasks.
	Began time.Time
	At    time.Time

	// What follows is set for RunEnd.

	Took    time.Duration  // of the handler and its middleware
	Outcome driver.Outcome // what the pool does with the task
	Delay   time.Duration  // until a task that goes back is due
	Err     error          // of the handler, or why the task was not run; nil if there is none
}

// A Settlement is what a queue has answered for tasks.
type Settlement struct {
	Queue  *Queue
	Worker string // as in Run
	Items  []Settled
	Began  time.Time // of the call
	Took   time.Duration
}

// Settled is the end of a delivery.
type Settled struct {
	Task *Task
	// Outcome is what the queue did with the task: Completed, Retried, Died, Snoozed,
	// Released or Cancelled.
	Outcome driver.Outcome
	// Ran says that a handler had run the task in this delivery.
	Ran bool
	// Err is why the task could not be settled, and will be delivered again; nil if it is
	// settled.
	Err error
}

// An Op is a kind of call to a provider.
type Op string

// The calls that are observed. A Dequeue includes its wait for tasks.
const (
	OpEnqueue    Op = "enqueue"
	OpDequeue    Op = "dequeue"
	OpComplete   Op = "complete"
	OpRelease    Op = "release"
	OpDeadLetter Op = "dead_letter"
	OpExtend     Op = "extend"
)

// A Call is one call to a provider.
type Call struct {
	Queue *Queue
	Op    Op
	Tasks int // of the call; for a Dequeue those that came
	Began time.Time
	Took  time.Duration
	// Err is the call's error; nil also for a Dequeue that found no tasks, or was ended
	// because the pool stops.
	Err error
}

// A Pool is a pool that works.
type Pool struct {
	Name    string // PoolConfig.Name, or what stands for it
	Workers int
	Queues  []*Queue
	Types   []Type // with a handler, in the order of their names
	Orders  Orders
}

// Orders are the orders that a pool takes. The methods are those of runtime.Pool.
type Orders interface {
	Quiet()
	Resume()
	IsQuiet() bool
	Cancel(id string) bool
}

// A Type is a type of tasks, as its Spec declares it: one that a pool has a handler for, or that
// a server knows.
type Type struct {
	Name       string
	Aliases    []string
	Queue      string   // empty if none is named
	Schema     string   // the JSON Schema of its payload; empty if it has none
	Shape      string   // names the JSON form of its payload, as Task.Shape of package driver; empty: not known
	Secrets    []string // the paths of the payload's secret fields
	Timeout    time.Duration
	MaxRetries int
	Result     bool // its handler returns a result
	Retry      typeinfo.Retry
	Retention  time.Duration      // of its results; 0: the default
	Template   *typeinfo.Template // how a task is made without the payload's type; nil: nobody knows
}
