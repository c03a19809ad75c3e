// Package redis keeps queues on Redis (6.2 or later) or Valkey: one server, a
// primary with replicas under Sentinel, or a Cluster.
package redis
