// Package redis keeps queues on Redis (6.2 or later) or Valkey: one server, a
// primary with replicas under Sentinel, or a Cluster.
//
//	p, err := redis.Open(ctx, "redis://localhost:6379/0")
//	…
//	defer p.Close()
//	err = manager.Open(ctx, p, tasks.Queues()...)
//
// A program that has a client of github.com/redis/go-redis/v9 gives it to [New].
//
// Each operation is one script, which takes up to 256 tasks; larger batches are
// several scripts, in one round trip but for those that go on a fifo queue. All
// keys of a queue have one hash tag, and a script is given every key that it
// touches. The scripts lie in the folder scripts; the head of each says what it
// takes, returns and costs.
//
// Times are the server's, in whole milliseconds. Workers that find nothing wait
// on a few blocked connections for each process, see watch.go: nothing polls.
//
// The README of this folder says what to know of durability, failover,
// permissions, cost and limits.
package redis
