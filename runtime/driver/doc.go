// Package driver is what a provider and the rest of the module have in common: tasks
// and their envelope, the contract of a queue, its configuration and capabilities, the
// errors of both, and what a failure writes into a task.
//
// Providers import it, and not package runtime. Packages that work on queues, such as
// dlq and the conformance suite, import both. A program that enqueues and handles tasks
// finds nearly all names that it needs in package runtime, as aliases: runtime.Task is
// driver.Task. What looks at queues and at dead tasks itself names driver.
//
// The package knows no broker, and imports the standard library and what hides secrets
// (runtime/internal/redact) alone. Its functions that change a task ([SetJSON], [Stamp], [NoteAttempt], [Bury] and those
// beside them) are for package runtime and for providers.
package driver
