// Package runtime is what programs with tasks call: the manager with its one enqueue
// path, the router, the worker pool, and retries.
//
// A task's way through the package is also an order in which to read its files: a
// [Spec] says how a payload type is named, queued and retried; [Enqueue] turns a
// payload into a [Task]; a [Manager] checks it and hands it to a queue of a [Provider];
// a [Pool] leases it, a [Router] finds its [Handler], and the handler's error decides
// its [Outcome].
//
// Delivery is at least once: a handler may see a task again after a crash, so it should
// be idempotent. The laws that every provider keeps are listed in package drivertest,
// which checks them.
//
// # Packages beside this one
//
// Package driver has tasks and their envelope, and the contract that every queue keeps.
// The names that programs need of it have aliases here. Providers, stores, some
// middleware, and programs that inspect queues and dead tasks import it for the others.
//
// Package observe has the Listener, which sees what a manager and its pools do: it is how
// metrics and traces are made. See ManagerConfig.Listeners.
//
// Package generated is what only generated code calls. Generated code also calls
// [Await], [Enqueue], [EnqueueBatch], [KeyOf], [OnDead], [Register] and
// [RegisterWithResult], as handwritten code may.
package runtime
