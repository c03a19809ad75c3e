// Package server serves a program's queues to other programs and to operators: by gRPC,
// gRPC-Web and JSON over HTTP, on one port.
//
// The services are those of package taskgen.v1 (folder proto). QueueService enqueues tasks
// and hands them to workers in any language, QueueMonitoringService shows queues, workers and
// types, QueueAdminService changes queues, tasks, dead letters and workers, and SchedulerService
// keeps jobs. There are gRPC's health service and reflection, too.
//
// A server runs inside a program that has the types: [Config.Types] takes their specs. An
// enqueue over the wire then goes the way of an enqueue in Go. The schema and Validate check
// the payload, and the spec decides queue, policy and keys.
//
// Payloads are shown without their secrets. A payload of a type that the server does not know
// is not shown at all. Only Dequeue and Subscribe return whole payloads, to those who handle
// tasks.
//
// Callers are known by tokens, each with a [Role]. Without tokens the server listens on
// loopback alone.
package server
