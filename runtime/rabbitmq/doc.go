// Package rabbitmq keeps queues on a RabbitMQ broker, version 3.10 or later,
// without any plugin: quorum queues, publisher confirms, and for delays a ladder
// of queues with a time to live, which all queues share.
//
// A message is on the disk of a majority of the broker's nodes before the call that
// sent it returns. A task moves (to a retry, to the dead letter queue and back) by
// publish, confirm, acknowledge, in this order: a crash in between makes a duplicate,
// never a loss.
//
// A lease is a delivery of the broker, which a process keeps as long as its connection
// lasts. The clock of that process ends the lease, and the process gives the task back;
// if it dies or its connection is cut, the broker does so at once. A task is delivered
// only when a Dequeue requests it, so that the tasks which the broker counts as
// delivered and not acknowledged are those that died with their worker.
package rabbitmq
