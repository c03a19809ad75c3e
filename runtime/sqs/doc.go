// Package sqs keeps queues in Amazon SQS: standard queues, fifo queues, and
// priority queues as one SQS queue for each level.
//
//	p, err := sqs.New(client, sqs.WithPrefix("prod-"))
//	…
//	defer p.Close()
//	err = manager.Open(ctx, p, tasks.Queues()...)
//
// Open creates what is missing: the SQS queues, their dead letter queue of the same
// type, and a redrive policy between them as the backstop. What is there already it
// verifies, and says how to mend what does not fit. With [WithoutCreate] it creates
// nothing. Queues that were made by hand are named by their URLs: see [WithQueue].
//
// # How a task travels
//
// The body of a message is the task's envelope. Only what holds characters that
// SQS refuses is quoted, and only what SQS cannot tell (crashes before a retry, the
// queue a task died on, the key of a stored payload) is in message attributes. Those of
// other senders, with the group and the X-Ray trace of a message, go along wherever it
// goes. A message that is no task is buried as it is, with the reason in an attribute, and
// redriven as it was.
//
// A lease is the visibility timeout of a receive, in whole seconds, rounded up. SQS
// does not fence on standard queues, so a receipt is good for as long as the local
// clock says that the lease runs, in the process that received the task.
//
// Retry, dead letter and redrive send the task to its new place and then delete it at
// the old one: a crash in between makes a duplicate and never a loss. On a fifo
// queue a message that is sent anew would lose its place. There the head of a group
// waits for its retry in the process that ran it, under the lease of the whole group,
// and the receive count charges nobody.
//
// Delays are whole seconds, rounded up. One beyond 15 minutes goes in hops: whoever
// receives the task before it is due sends it anew with what is left. SQS has no delay
// for a message of a fifo queue; there delayed tasks wait on a standard queue beside
// it, <name>--later, and join their group's line when they are due.
//
// # Polls
//
// A Dequeue that finds nothing at hand has a long poll sent, and more of them as long
// as they come back full, up to the bound of [WithMaxPolls]. A poll is not cancelled
// with its Dequeue, for SQS would lease its messages to nobody: it goes on, and what it
// brings is the next Dequeue's, or goes back to SQS after half a second. A pool that
// stops waits for it within its grace, and so does Close, as long as a poll may take: see
// [WithCloseWait]. A poll waits for 5 s, and for 20 s where nothing has come for five
// minutes: see [WithWait]. A context that ends within a second is served by short polls.
//
// A request whose answer does not begin within 5 s, beyond the wait of a poll and a second
// for each 64 KiB that it sends, is given up, and its connection closed, with all idle ones:
// they may have died alike. The SDK sends it again, but for a poll, which Dequeue answers as
// an error. A call returns when its context ends, or half a second later where what it leaves
// undone goes on without it.
//
// A fifo queue gives several tasks of one group in a receive. They are handed out one
// at a time: the next one when the one before it is completed or dead. Meanwhile
// they stand in line here, under the same lease, and Extend keeps all of it.
//
// On a priority queue a level is served when those above it were asked and found
// empty, or have a long poll waiting on them. See [WithStarvationFree].
//
// # The HTTP client
//
// Each poll and each batch under way holds a connection. Where the client is of the SDK's
// own kind (awshttp.BuildableClient, the default), the provider makes the connections
// itself, with the same settings, and keeps up to 256 idle ones until Close. Of another
// client they are the caller's: let it keep as many (MaxIdleConnsPerHost), and have the
// method CloseIdleConnections, as http.Client does. A timeout of the client, if it has
// one, must be longer than the wait of a poll, up to 20 s by default.
//
// README.md in this folder has the permissions, the quotas and the costs.
package sqs
