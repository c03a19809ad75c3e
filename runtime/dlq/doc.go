// Package dlq is where people work on dead letters: it lists, groups, shows,
// exports, edits, redrives and discards what is on a queue's dead letter queue.
//
// A [Box] works on the dead letters of one queue, on every provider within what
// it can do, beside running pools and other boxes. Secrets are never shown: each
// payload that leaves it is redacted as its type says, and what it says of a payload
// with secrets quotes nothing of it. What is stored and shown in clear is the texts of
// handlers' errors, and the metadata that a task was given: keep secrets out of those.
package dlq
