// Package nats keeps queues in streams of NATS JetStream. It needs nats-server
// 2.12 or later, with JetStream.
//
//	p, err := nats.Open(ctx, "nats://localhost:4222")
//	…
//	defer p.Close()
//	err = manager.Open(ctx, p, tasks.Queues()...)
//
// # Streams and subjects
//
// A queue is a stream <prefix>-<queue> with work queue retention, and its dead
// letter queue is another, like any queue. Each task has a subject of its own,
//
//	<prefix>.<queue>.<place>.<group>.<key>.<id>
//
// in which the place says where in its life it is, and the others are tokens for
// its group, its unique key and its ID: bytes other than letters, digits, - and _
// are written as = and two digits, long texts are hashed, and "-" stands for
// nothing. Every queue has a durable consumer for each place that tasks are in, which
// hands out the tasks or just counts them.
//
//	q.r.<level>   ready, by the level of the queue (0 on a queue without levels), on a
//	              dead letter queue by the queue of origin (from-<queue>)
//	d.s.<level>   delayed: schedules whose target is q.r.<level>
//	q.a.h, q.a.w  fifo: the first of its group, and one that waits for its retry
//	q.a.t         fifo: the place of the first, for a moment, when nobody follows
//	q.l.0         fifo: those behind the first
//	d.s.0, d.j.0  fifo: delayed, and due but not in its group's line yet
//	k.k.0         unique keys with a window, each with a TTL
//	k.a.0         a message that earlier builds keep at the front of the stream
//
// What is published to another subject below <prefix>.<queue>. no consumer hands
// out: workers look for it (see adoptStrays).
//
// What must not be there twice is published under the condition that the last
// message of a pattern has the sequence that is known
// (Nats-Expected-Last-Subject-Sequence): an ID, a key, the first of a group, the
// copy that takes the place of a released task. So a request whose answer was lost
// is asked again, and either it is done now, or what is there says that it was.
//
// # Leases
//
// A lease is a negative acknowledgement with a delay: the server delivers the
// message again when that is over, unless it is acknowledged before. It takes any
// time, is kept on disk, and outlives the worker. A lease of the queue's Visibility
// needs none: it is the consumer's ack wait. The server's lease is a second
// longer than the worker's. So the process whose worker lets a lease end gives the
// task back in time, with the crash counted; for a process that was killed the
// server does so, a second late.
//
// The server takes an acknowledgement from whoever held the message before, however
// long ago. That nobody settles a task after his lease is left to the worker's
// own clock: Capabilities.Fencing is false. A receipt is good for the provider
// that gave it.
//
// # Order of steps
//
// Whatever moves, retry, dead letter, redrive, is written to its new place, and
// acknowledged by the server, before the old message is taken away. A message that
// is delivered again is looked up first: when there is a later copy of it, on its
// queue or on the dead letter queue, the step that was interrupted is brought to its
// end. A copy names the message that it stands in place of, and whoever is handed it
// takes that away first, so that it cannot come back when the copy is done. A redrive
// that finds the message that a task was buried from does not leave the task to that:
// it writes the task anew and takes the old message away.
//
// What cannot be decoded is written to the dead letter queue as it is, with why it
// died in headers: so is a task that has no room for that in its envelope.
//
// See the README beside this file for what to know before production.
package nats
