// Package runtime is what generated code and its users call: the manager with its
// one enqueue path, the router, the worker pool, and retries. Tasks and their
// envelope, and the queue contract that every provider keeps, are in package driver;
// what programs name of it has an alias here.
//
// The way of a task through the package is the way a reader may go through its
// files: a [Spec] says how a payload type is named, queued and retried;
// [Enqueue] turns a payload into a [Task]; a [Manager] checks it and hands it
// to a queue of a [Provider]; a [Pool] leases it, a [Router] finds its
// [Handler], and what the handler returns decides its [Outcome].
//
// Delivery is at least once: a handler may see a task again after a crash, so
// it should be idempotent. The laws that every provider keeps are listed in
// package drivertest, which checks them.
package runtime
