// Package tracing makes OpenTelemetry spans of what managers and pools do, by the
// messaging conventions of OpenTelemetry. It links the API of OpenTelemetry alone: without
// an SDK in the program nothing is recorded.
//
// There are three kinds of spans:
//
//   - "send {queue}" covers an enqueue. Its context travels in the metadata of the task,
//     so all providers behave alike.
//   - "process {queue}" covers a run of a handler. It begins a trace of its own, which
//     links to the send span, and to the run before if this is a retry.
//   - "ack {queue}", "release {queue}" and "dead_letter {queue}" cover the call that
//     reported to the queue what became of tasks. They link to the process spans of
//     these.
//
// A span has no payload and nothing of one. It has the text of an error as the pool logs
// it.
//
// [NewLogHandler] adds the IDs of trace and span to logs, [Exemplar] is for metrics, and
// [TraceID] for a history.
package tracing
