// Package pool is the engine of runtime.Pool: it leases tasks from queues, runs them on
// workers, and settles them. Package runtime is its front for programs. A [Host] gives
// it what it needs of the manager.
//
// A [Pool] makes a run at each start. A run has workers and, for each queue, a
// consumer. Their parts, in the order of a task's way:
//
//   - fetcher leases tasks ahead of the workers. Its pace says how many.
//   - consumer keeps what was leased, as items; item.go has every step of an item. It
//     separates suspects and tasks of unknown types from the others.
//   - chooser picks the consumer whose task is next, and limiter says whether it may
//     begin.
//   - worker runs a task with its taskContext: the routing has the handlers, decide has
//     the outcome.
//   - acker settles items with their queue, many at a time.
//   - leaseExtender keeps the leases of all items until then.
//
// All of them share the mutex of one monitor. fetcher, acker and leaseExtender have a
// goroutine each, and know nothing of one another.
package pool
