package driver

import (
	"fmt"
	"time"
)

// QueueType says how a queue orders its tasks.
type QueueType string

// The types of queue.
const (
	Standard QueueType = "standard" // roughly first in, first out; the default
	FIFO     QueueType = "fifo"     // strictly in order within each group
	Priority QueueType = "priority" // by level, the highest first
)

// QueueConfig declares one queue, which the provider creates or verifies. The zero value
// of each field but Name selects its default.
type QueueConfig struct {
	// Name of the queue, as in queue= of a task. Keys, subjects and URLs derive
	// from it.
	Name string
	// Type is Standard by default.
	Type QueueType
	// Levels of a priority queue, at least 2; 4 by default. 1 on all others.
	Levels int
	// Visibility is the lease that workers ask for, 30 s by default. Leases
	// extend themselves while a handler runs, so it bounds how long a task waits
	// after its worker has died, not how long a handler may take.
	Visibility time.Duration
	// MaxDeliveries is how many crashes of its worker a task may cause before it goes to
	// the dead letter queue; 10 by default. A delivery that ends without an outcome does
	// not prove a crash by that task: other tasks on the same worker come back too, run
	// or not. Half as many such deliveries, rounded up, therefore make a task a suspect.
	// Pools run suspects alone, and MaxDeliveries counts from there: with 10, the task
	// dies after 15 at the latest.
	MaxDeliveries int
	// DLQ is the name of the dead letter queue, Name + "-dlq" by default.
	DLQ string
	// Retention is how long a task may wait after it became due. An older task is not
	// run but dead lettered with ErrTaskExpired. 0: no limit.
	Retention time.Duration
	// Unknown is how long a task that a worker does not know, because of its type or of its
	// shape, is passed from worker to worker, uncharged and with growing delays, before it
	// goes to the dead letter queue with ErrUnknownType or ErrUnknownShape. It should cover
	// a deploy, during which old and new programs run side by side. It counts from when a
	// worker first received the task. DefaultUnknown when 0; with BuryUnknown the task goes
	// there at once.
	Unknown time.Duration
	// Capacity bounds the tasks on the queue (ready, scheduled and leased);
	// beyond it Enqueue returns ErrQueueFull. 0: the provider's own bound.
	Capacity int
	// Types are the wire names of the task types declared for the queue. runtime.NewPool
	// refuses a router that lacks a handler for one of them. Generated code lists the
	// types of its package. Empty: nothing is checked. Providers do not compare types;
	// they only refuse to open the dead letter queue of another queue with types, see
	// [QueueConfig.AsDead].
	Types []string
}

// Defaults of a QueueConfig.
const (
	DefaultVisibility    = 30 * time.Second
	DefaultMaxDeliveries = 10
	DefaultLevels        = 4
	DefaultUnknown       = 10 * time.Minute
)

// BuryUnknown is the QueueConfig.Unknown of a queue on which a task of an unknown type or
// shape dies at once.
const BuryUnknown time.Duration = -1

// WithDefaults returns c with defaults for its zero values, or an error wrapping
// [ErrInvalidQueue] that says what is wrong with c.
func (c QueueConfig) WithDefaults() (QueueConfig, error) {
	if c.Type == "" {
		c.Type = Standard
	}
	if c.Visibility == 0 {
		c.Visibility = DefaultVisibility
	}
	if c.MaxDeliveries == 0 {
		c.MaxDeliveries = DefaultMaxDeliveries
	}
	if c.Unknown == 0 {
		c.Unknown = DefaultUnknown
	}
	if c.DLQ == "" {
		c.DLQ = c.Name + "-dlq"
	}
	switch {
	case c.Type == Priority && c.Levels == 0:
		c.Levels = DefaultLevels
	case c.Type != Priority && c.Levels == 0:
		c.Levels = 1
	}
	return c, c.validate()
}

func (c QueueConfig) validate() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w %q: "+format, append([]any{ErrInvalidQueue, c.Name}, args...)...)
	}
	switch {
	case c.Name == "":
		return bad("it has no name")
	case c.Type != Standard && c.Type != FIFO && c.Type != Priority:
		return bad("unknown type %q (standard, fifo or priority)", c.Type)
	case c.Type == Priority && c.Levels < 2:
		return bad("a priority queue has at least 2 levels, not %d", c.Levels)
	case c.Type != Priority && c.Levels != 1:
		return bad("levels are for queues of type priority, this one is %s", c.Type)
	case c.Visibility < 0 || c.Retention < 0 || c.MaxDeliveries < 0 || c.Capacity < 0:
		return bad("a negative limit")
	case c.Unknown < 0 && c.Unknown != BuryUnknown:
		return bad("unknown tasks cannot wait for %s: BuryUnknown is how they die at once", c.Unknown)
	case c.DLQ == c.Name:
		return bad("it cannot be its own dead letter queue")
	}
	return nil
}

// AsDead returns an error wrapping [ErrQueueMismatch] if the queue that c declares cannot
// be the dead letter queue of another queue. It can if it is opened to process dead
// letters. It cannot if it is declared for tasks, with types or with a dead letter queue
// other than the default: its own tasks could not die, and its workers would receive the
// dead tasks of the other queue. Every provider calls AsDead in Open for a queue that is
// a dead letter queue there. c must have its defaults filled in.
func (c QueueConfig) AsDead() error {
	switch {
	case len(c.Types) > 0:
		return fmt.Errorf("%w: %q is the dead letter queue of another queue, and declared for tasks of the types %q: one of the two needs another name", ErrQueueMismatch, c.Name, c.Types)
	case c.DLQ != c.Name+"-dlq":
		return fmt.Errorf("%w: %q is the dead letter queue of another queue, and declared for tasks, with %q as its own dead letter queue: one of the two needs another name", ErrQueueMismatch, c.Name, c.DLQ)
	}
	return nil
}

// Accepts returns an error wrapping [ErrInvalidTask] if a task cannot be on the queue
// that c declares, because it is not valid (see [Task.Validate]) or does not fit the type
// of the queue. A task that names no queue is taken to be on this one. c must have its
// defaults filled in. Every provider calls Accepts for each task that it enqueues, and
// need not validate anything else.
func (c QueueConfig) Accepts(t *Task) error {
	if t != nil && t.Queue == "" {
		here := *t
		t, here.Queue = &here, c.Name
	}
	if err := t.Validate(); err != nil {
		return err
	}
	switch {
	case t.Priority > 0 && c.Type != Priority:
		return invalid("task %s (%s): priority %d, but queue %q has no levels: declare it type=priority", t.ID, t.Type, t.Priority, c.Name)
	case t.Priority >= c.Levels:
		return invalid("task %s (%s): priority %d, but queue %q has the levels 0 to %d", t.ID, t.Type, t.Priority, c.Name, c.Levels-1)
	case c.Type == FIFO && t.GroupKey == "":
		return invalid("task %s (%s) has no group key, and queue %q is fifo", t.ID, t.Type, c.Name)
	case c.Type != FIFO && t.GroupKey != "":
		return invalid("task %s (%s) has a group key, and queue %q keeps no order: declare it type=fifo", t.ID, t.Type, c.Name)
	}
	return nil
}
