// Package driver is what a provider and the rest of the module have in common: tasks
// and their envelope, the contract of a queue, its configuration and capabilities, the
// errors of both, and what a failure writes into a task.
//
// Providers import it, and not package runtime. So do packages that work on queues
// themselves, such as dlq and the conformance suite. A program that enqueues and handles
// tasks finds the names that it needs in package runtime, under which they are aliases:
// runtime.Task is driver.Task.
//
// The package imports nothing but the standard library, and knows no broker. Its
// functions that change a task ([SetJSON], [Stamp], [NoteAttempt], [Bury] and those
// beside them) are for package runtime and for providers.
package driver
