// Package sqs keeps queues in Amazon SQS: standard queues, fifo queues, and
// priority queues as one SQS queue for each level.
//
//	p, err := sqs.New(client, sqs.WithPrefix("prod-"))
//	…
//	defer p.Close()
//	err = manager.Open(ctx, p, tasks.Queues()...)
//
// Open creates missing resources: the SQS queues, their dead letter queue of the same
// type, and a redrive policy between them as the backstop. It verifies existing ones, and
// says how to correct them if they do not fit. With [WithoutCreate] it creates nothing.
// Queues that were made by hand are named by their URLs: see [WithQueue].
//
// # The path of a task
//
// The body of a message is the task's envelope. A body is quoted only if it contains
// characters that SQS refuses. Message attributes only have data that SQS does not keep:
// crashes before a retry, the queue on which a task died, the key of a stored payload.
// Attributes of other senders, and the group and X-Ray trace of a message, are preserved
// wherever it goes. A message that is no task is buried unchanged, with the reason in an
// attribute, and redriven unchanged.
//
// A lease is the visibility timeout of a receive, in whole seconds, rounded up. SQS does
// not fence on standard queues, so a receipt is valid in the process that received the
// task, for as long as the lease runs on its local clock.
//
// Retry, dead letter and redrive send the task to its new place and then delete it at the
// old one: a crash in between makes a duplicate, never a loss. On a fifo queue a message
// that is sent again would lose its place. There the head of a group waits for its retry
// in the process that ran it, under the lease of the whole group, and the receive count
// charges no task.
//
// Delays are whole seconds, rounded up. A delay beyond 15 minutes goes in hops: a process
// that receives the task before it is due sends it again with the rest. SQS has no delay
// for a message of a fifo queue; there delayed tasks wait on a separate standard queue,
// <name>--later, and go to the end of their group when they are due.
//
// # Polls
//
// A Dequeue that finds no local tasks sends a long poll, and more of them while they
// come back full, up to the bound of [WithMaxPolls]. A poll is not cancelled with its
// Dequeue, because SQS would lease its messages to nobody. It continues, and the next
// Dequeue gets its messages, or they go back to SQS after half a second. A pool that
// stops waits for it within its grace, and so does Close, as long as a poll may take:
// see [WithCloseWait]. A poll waits for 5 s, and for 20 s if nothing has arrived for
// five minutes: see [WithWait]. A context that ends within a second uses short polls.
//
// A request whose answer does not begin within 5 s, plus the wait of a poll and a
// second for each 64 KiB that it sends, is abandoned, and its connection is closed,
// with all idle ones, which may be dead too. The SDK sends it again, except a poll,
// which Dequeue returns as an error. A call returns when its context ends, or half a
// second later if unfinished work continues without it.
//
// A fifo queue returns several tasks of one group in a receive. They are handed out one
// at a time: the next one when the previous one is completed or dead. Meanwhile they
// wait in this process, under the same lease, and Extend extends all of it.
//
// On a priority queue a level is served when the levels above it were polled and found
// empty, or have a long poll waiting. See [WithStarvationFree].
//
// # The HTTP client
//
// Each poll and each batch in progress uses a connection. If the client is of the SDK's
// own type (awshttp.BuildableClient, the default), the provider makes the connections
// itself, with the same settings, and keeps up to 256 idle ones until Close. The
// connections of another client belong to the caller: it should keep as many
// (MaxIdleConnsPerHost), and have the method CloseIdleConnections, like http.Client. A
// timeout of the client, if it has one, must be longer than the wait of a poll, up to
// 20 s by default.
//
// README.md in this folder has the permissions, the quotas and the costs.
package sqs
