// Package runtime is what generated code and its users call: the manager with its one
// enqueue path, the router, the worker pool, and retries. Tasks and their envelope, and
// the queue contract that every provider keeps, are in package driver; the names that
// programs need of it have aliases here. What generated code calls and handwritten code
// does not is in package generated.
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
package runtime
