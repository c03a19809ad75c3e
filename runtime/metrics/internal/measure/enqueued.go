package measure

import (
	"iter"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/observe"
)

// An EnqueuedTask is a task of an Enqueue, and why it was refused; "" if it is on its queue.
type EnqueuedTask struct {
	Task    *observe.Task
	Refused Reason
}

// Enqueued yields the tasks of an Enqueue whose queues are open, each with its queue.
func Enqueued(e *observe.Enqueue) iter.Seq2[*observe.Queue, EnqueuedTask] {
	return func(yield func(*observe.Queue, EnqueuedTask) bool) {
		var q *observe.Queue
		name := ""
		for i, t := range e.Tasks {
			if t == nil {
				continue
			}
			if t.Queue != name {
				name, q = t.Queue, e.Queue(t.Queue)
			}
			if q == nil {
				continue
			}
			if !yield(q, EnqueuedTask{Task: t, Refused: refused(e, i)}) {
				return
			}
		}
	}
}

// refused returns why the task at index i was not enqueued; "" if it was.
func refused(e *observe.Enqueue, i int) Reason {
	if e.Err != nil {
		if err := driver.ErrorAt(e.Err, i); err != nil {
			return Refusal(err)
		}
	}
	if i < len(e.Answers) && e.Answers[i].Duplicate {
		return Duplicate
	}
	return ""
}
