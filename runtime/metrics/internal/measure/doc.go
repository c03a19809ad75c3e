// Package measure says what the events of listeners mean for metrics, whichever library
// keeps them: which label a type, a failure or a refusal has, how long a task waited, and
// what the open queues count.
package measure
