// Package nats keeps queues in streams of NATS JetStream.
package nats
