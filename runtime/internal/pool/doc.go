// Package pool is the engine of runtime.Pool: it leases tasks from queues, runs them on
// workers, and settles them. Package runtime is its front for programs. A [Host] gives
// it what it needs of the manager.
//
// A [Pool] makes a run at each start. A run has workers and, for each queue, a
// consumer. Their parts, in the order of a task's way:
//
//   - fetcher leases tasks ahead of the workers. Its pace says how many.
//   - consumer keeps what was leased, as items; item.go alone changes an item, or moves
//     one. Before, it separates tasks of unknown types from the others, and its
//     suspectFilter lets one suspect at a time in, by what crashCheck says.
//   - chooser picks the consumer whose task is next, and limiter says whether it may
//     begin.
//   - worker runs a task with its taskContext: the routing has the handlers, decide has
//     the outcome.
//   - acker settles items with their queue, many at a time.
//   - leaseExtender keeps the leases of all items until then.
//
// A Drain has a drain for each queue in place of the fetcher.
//
// All of them share the mutex of one monitor. fetcher, acker and leaseExtender have a
// goroutine each, know nothing of one another, and get what they need of their consumer
// as functions. No part reads or changes the fields of another.
package pool
