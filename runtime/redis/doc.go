// Package redis keeps queues on Redis (6.2 or later) or Valkey: one server, a
// primary with replicas under Sentinel, or a Cluster.
//
//	p, err := redis.Open(ctx, "redis://localhost:6379/0")
//	…
//	defer p.Close()
//	err = manager.Open(ctx, p, tasks.Queues()...)
//
// A program that has a client of github.com/redis/go-redis/v9 passes it to [New].
//
// Each operation is one script, which takes up to 256 tasks; larger batches are several
// scripts, in one round trip except on a fifo queue. All keys of a queue have one hash
// tag, and a script gets every key that it touches as an argument. The scripts are in the
// folder scripts; the head of each documents its arguments, result and cost.
//
// Times are the server's, in whole milliseconds. Workers that find no tasks wait on a few
// blocked connections per process, see watch.go: nothing polls.
//
// The README of this folder covers durability, failover, permissions, cost and limits.
package redis
