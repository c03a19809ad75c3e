package observe

import "context"

// A Listener is a set of functions that managers, pools and servers call. Each may be nil, and is
// not called then. The fields must not change once a manager has the listener.
//
// The functions run in the goroutines that do the work, many at a time: they must be safe
// for concurrent use, must not block, and must not panic. What they are passed belongs to
// the caller: a function that wants to keep some of it copies that. Tasks, their metadata
// and errors are to be read only, except where a function's comment says otherwise.
type Listener struct {
	// QueueOpened is called for each queue that a manager has opened, once it takes tasks.
	QueueOpened func(q *Queue)
	// QueueClosed is called for each queue before its manager closes it.
	QueueClosed func(q *Queue)

	// EnqueueStart is called when a program enqueues tasks, before they are validated and
	// before any middleware. The tasks have their IDs and times; entries may be nil. The
	// function may set metadata of the tasks. The context that it returns is that of the
	// middleware, of the provider's call if no other caller shares it, and of EnqueueEnd.
	EnqueueStart func(ctx context.Context, tasks []*Task) context.Context
	// EnqueueEnd is called when the enqueue that EnqueueStart announced has ended.
	EnqueueEnd func(ctx context.Context, e *Enqueue)

	// What follows is called for a pool, and for a server of package server, whose workers have
	// their tasks over the wire: where a pool runs a task, there a worker has it in its hands.

	// Dequeued is called when a pool has leased tasks. Some may go back unrun.
	Dequeued func(q *Queue, ds []*Delivery)

	// RunStart is called before the middleware and the handler run a task. The context
	// that it returns is theirs. For a worker of a server, it is called before the task is
	// sent, and the context is that of RunEnd.
	RunStart func(ctx context.Context, r *Run) context.Context
	// RunEnd is called with the context of RunStart when the handler has returned and the
	// pool has decided what becomes of the task, before it tells the queue. The function
	// may set metadata of the task, which travels along if the task is retried, snoozed or
	// dies.
	RunEnd func(ctx context.Context, r *Run)

	// Settled is called when the queue has answered for tasks: each was completed, put
	// back or buried. Each run ends either in this or in LeaseLost. Their Task is the one of
	// the run, by its pointer. A task that was put back may run again, in another goroutine,
	// before this is called.
	Settled func(s *Settlement)
	// LeaseLost is called for each lease that ended while the pool held it. The task will
	// be delivered again.
	LeaseLost func(q *Queue, t *Task)

	// Called is called after each call to a queue's provider that a manager or a pool
	// made for the work.
	Called func(c *Call)

	// PoolStarted is called when a pool begins to work, and PoolStopped when its last task
	// is settled.
	PoolStarted func(p *Pool)
	PoolStopped func(p *Pool)

	// TypesLearned is called when a server of package server has learned of types whose tasks
	// workers elsewhere may run: from its Config, its catalog or its fleet. A type that is
	// described anew comes again.
	TypesLearned func(types []Type)
}

// Join returns a Listener that calls each of the given ones: those that start something
// in order, EnqueueEnd, RunEnd, QueueClosed and PoolStopped in the reverse order. Nil
// listeners are left out. Join returns nil if no function is set.
func Join(listeners ...*Listener) *Listener {
	j := &Listener{
		QueueOpened:  each(listeners, func(l *Listener) func(*Queue) { return l.QueueOpened }),
		QueueClosed:  each(reversed(listeners), func(l *Listener) func(*Queue) { return l.QueueClosed }),
		EnqueueStart: contexts(listeners, func(l *Listener) func(context.Context, []*Task) context.Context { return l.EnqueueStart }),
		EnqueueEnd:   pairs(reversed(listeners), func(l *Listener) func(context.Context, *Enqueue) { return l.EnqueueEnd }),
		Dequeued:     pairs(listeners, func(l *Listener) func(*Queue, []*Delivery) { return l.Dequeued }),
		RunStart:     contexts(listeners, func(l *Listener) func(context.Context, *Run) context.Context { return l.RunStart }),
		RunEnd:       pairs(reversed(listeners), func(l *Listener) func(context.Context, *Run) { return l.RunEnd }),
		Settled:      each(listeners, func(l *Listener) func(*Settlement) { return l.Settled }),
		LeaseLost:    pairs(listeners, func(l *Listener) func(*Queue, *Task) { return l.LeaseLost }),
		Called:       each(listeners, func(l *Listener) func(*Call) { return l.Called }),
		PoolStarted:  each(listeners, func(l *Listener) func(*Pool) { return l.PoolStarted }),
		PoolStopped:  each(reversed(listeners), func(l *Listener) func(*Pool) { return l.PoolStopped }),
		TypesLearned: each(listeners, func(l *Listener) func([]Type) { return l.TypesLearned }),
	}
	if j.silent() {
		return nil
	}
	return j
}

func (l *Listener) silent() bool {
	return l.QueueOpened == nil && l.QueueClosed == nil && l.EnqueueStart == nil && l.EnqueueEnd == nil &&
		l.Dequeued == nil && l.RunStart == nil && l.RunEnd == nil && l.Settled == nil && l.LeaseLost == nil &&
		l.Called == nil && l.PoolStarted == nil && l.PoolStopped == nil && l.TypesLearned == nil
}
