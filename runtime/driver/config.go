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

// QueueConfig declares one queue: what the provider creates or verifies. The
// zero value of each field but Name stands for its default.
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
	// MaxDeliveries is how often a task may take its worker along before it goes
	// to the dead letter queue; 10 by default. A delivery that ends without a word is
	// no proof of that: the tasks that lay beside the guilty one come back like it,
	// run or not. So half as many such ends, rounded up, make a task a suspect; pools
	// run suspects alone, and it is from there on that MaxDeliveries are counted: of
	// 10, the task dies after 15 at the latest.
	MaxDeliveries int
	// DLQ is the name of the dead letter queue, Name + "-dlq" by default.
	DLQ string
	// Retention is how long a task may wait after it became due. An older one
	// is not run but dead lettered with ErrTaskExpired. 0: no limit.
	Retention time.Duration
	// Unknown is how long a task of a type that no worker knows is handed on from
	// one to the next, uncharged and with growing delays, before it goes to the dead
	// letter queue with ErrUnknownType: as long as a deploy may take, in which old
	// and new programs work side by side. It is counted from when a worker first
	// met the task. DefaultUnknown when 0; BuryUnknown: it goes there at once.
	Unknown time.Duration
	// Capacity bounds the tasks on the queue (ready, scheduled and leased);
	// beyond it Enqueue answers ErrQueueFull. 0: the provider's own bound.
	Capacity int
	// Types are the types of the tasks that are declared for the queue, as they are
	// called on the wire: runtime.NewPool refuses a router that has no handler for one of
	// them. Generated code lists those of its package. Empty: nobody knows them, and
	// nothing is checked. Providers do not compare them: they only refuse to open the
	// dead letter queue of another queue with types, see [QueueConfig.AsDead].
	Types []string
}

// Defaults of a QueueConfig.
const (
	DefaultVisibility    = 30 * time.Second
	DefaultMaxDeliveries = 10
	DefaultLevels        = 4
	DefaultUnknown       = 10 * time.Minute
)

// BuryUnknown is the QueueConfig.Unknown of a queue on which a task of a type that
// a worker does not know dies at once.
const BuryUnknown time.Duration = -1

// WithDefaults returns c with defaults in place of zero values, or an error
// wrapping [ErrInvalidQueue] that says what is wrong with it.
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

// AsDead reports whether the queue that c declares may be the dead letter queue of
// another, as an error wrapping [ErrQueueMismatch], or nil. It may where somebody works
// on its letters. Where it is for tasks, with types or with a dead letter queue that is
// not its default, nothing could die on it, and its workers would be handed the dead of
// the other queue. Every provider asks it in Open for a queue that is a dead letter
// queue there. c must have its defaults filled in.
func (c QueueConfig) AsDead() error {
	switch {
	case len(c.Types) > 0:
		return fmt.Errorf("%w: %q is the dead letter queue of another queue, and declared for tasks of the types %q: one of the two needs another name", ErrQueueMismatch, c.Name, c.Types)
	case c.DLQ != c.Name+"-dlq":
		return fmt.Errorf("%w: %q is the dead letter queue of another queue, and declared for tasks, with %q as its own dead letter queue: one of the two needs another name", ErrQueueMismatch, c.Name, c.DLQ)
	}
	return nil
}

// Accepts reports whether a task can be on the queue that c declares, as an
// error wrapping [ErrInvalidTask], or nil: whether it is valid (see [Task.Validate];
// a task that names no queue is on this one) and fits the kind of queue. c must have
// its defaults filled in. Every provider asks it for each task that it enqueues, and
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
