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
// A queue is a stream <prefix>-<queue> with work queue retention, and its dead letter
// queue is another one, like any queue. Each task has its own subject,
//
//	<prefix>.<queue>.<place>.<group>.<key>.<id>
//
// The place is the task's stage of life; the others are tokens for its group, its
// unique key and its ID. In tokens, bytes other than letters, digits, - and _ are
// written as = and two digits, long texts are hashed, and "-" means empty. Every queue
// has a durable consumer for each place with tasks, which hands out the tasks or just
// counts them.
//
//	q.r.<level>   ready, by the level of the queue (0 on a queue without levels), on a
//	              dead letter queue by the queue of origin (from-<queue>)
//	d.s.<level>   delayed: schedules whose target is q.r.<level>
//	q.a.h, q.a.w  fifo: the first of its group, and one that waits for its retry
//	q.a.t         fifo: the place of the first, for a moment, when no task follows
//	q.l.0         fifo: the tasks behind the first
//	d.s.0, d.j.0  fifo: delayed, and due but not in its group yet
//	k.k.0         unique keys with a window, each with a TTL
//	k.a.0         a message that earlier builds keep at the front of the stream
//
// No consumer hands out messages on other subjects below <prefix>.<queue>.: workers look
// for them (see handleMisaddressed).
//
// A message that must exist only once (an ID, a key, the first of a group, the copy that
// replaces a released task) is published under the condition that the last message of a
// pattern has the known sequence (Nats-Expected-Last-Subject-Sequence). A request whose
// answer was lost is therefore sent again: either it is carried out now, or the existing
// message shows that it was.
//
// # Leases
//
// A lease is a negative acknowledgement with a delay: the server delivers the message
// again after the delay, unless it is acknowledged before. The delay may have any length,
// is kept on disk, and outlives the worker. A lease of the queue's Visibility needs none:
// it is the consumer's ack wait. The server's lease is a second longer than the worker's.
// The process whose worker lets a lease end therefore gives the task back in time, with
// the crash counted; for a process that was killed the server does so, a second late.
//
// The server accepts an acknowledgement from any earlier holder of the message, however
// old. Only the worker's own clock keeps it from settling a task after its lease:
// Capabilities.Fencing is false. A receipt is valid only for the provider that issued it.
//
// # Order of steps
//
// Every move (retry, dead letter, redrive) writes the task to its new place, acknowledged
// by the server, before the old message is removed. A message that is delivered again is
// looked up first: if there is a later copy of it, on its queue or on the dead letter
// queue, the interrupted step is completed. A copy names the message that it replaces,
// and the worker that receives the copy first removes that message, so that it cannot
// come back when the copy is done. A redrive that finds the message from which a task was
// buried does not reuse it: it writes the task again and removes the old message.
//
// A message that cannot be decoded is written unchanged to the dead letter queue, with
// the reason of its death in headers. So is a task whose envelope has no space for
// that.
//
// See the README beside this file before production.
package nats
