// Package driver is the contract between providers and the rest of the module: tasks and
// their envelope, the interfaces of a queue, its configuration and capabilities, their
// errors, and the metadata that a failure writes into a task.
//
// Providers import driver, not package runtime. Packages that work on queues, such as dlq
// and the conformance suite, import both. A program that enqueues and handles tasks finds
// nearly all the names it needs in package runtime, as aliases: runtime.Task is
// driver.Task. Code that inspects queues or dead tasks itself uses driver.
//
// The package knows no broker. It imports only the standard library and
// runtime/internal/redact, which hides secrets. Its functions that change a task
// ([SetJSON], [Stamp], [RecordAttempt], [RecordDeath] and their neighbours) are for package
// runtime and for providers.
package driver
