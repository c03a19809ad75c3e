// Package rabbitmq keeps queues on a RabbitMQ broker, version 3.10 or later,
// without any plugin: quorum queues, publisher confirms, and for delays a ladder
// of queues with a time to live, which all queues share.
//
// What goes to the broker is on the disk of a majority of its nodes before the
// call that sent it returns. A task changes its place (to a retry, to the dead
// letter queue and back) by publish, confirm, acknowledge, in this order: a crash
// in between makes a duplicate and never a loss.
//
// A lease is a delivery of the broker's, which a process has as long as its
// connection lasts. Its end is kept by the clock of that process, which then
// gives the task back; when the process dies or its connection is cut, the broker
// does so at once. A task is delivered only when somebody asks for it, so what the
// broker counts as delivered and not acknowledged is what died with its worker.
package rabbitmq
