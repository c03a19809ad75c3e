// Package dlq is for operators of dead letters: it lists, groups, shows, exports, edits,
// redrives and discards the tasks on a queue's dead letter queue.
//
// A [Box] works on the dead letters of one queue, on every provider within its
// capabilities, beside running pools and other boxes. It never shows secrets: each
// payload is redacted by its type, and errors about a payload with secrets quote
// nothing of it. The texts of handlers' errors and the metadata of tasks are stored and
// shown in clear: keep secrets out of those.
package dlq
