package redis_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"

	goredis "github.com/redis/go-redis/v9"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/dlq"
	"github.com/taskgen/taskgen/runtime/redis"
	"github.com/taskgen/taskgen/runtime/schedule"
)

// The queues of a program, its jobs, its results and its dead letters are on one server.
func ExampleOpen() {
	ctx := context.Background()
	p, err := redis.Open(ctx, "redis://localhost:6379/0",
		redis.WithPrefix("shop"), // of all keys: programs with others share the server
		redis.WithLogger(slog.Default().With("component", "tasks")),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	m := runtime.NewManager(runtime.ManagerConfig{Results: p.Results()})
	if err := m.Open(ctx, p, runtime.QueueConfig{Name: "mail"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	box := dlq.OpenStore(m, p.Letters(), dlq.Config{})
	letters, _, err := box.List(ctx, dlq.Filter{}, "", 10)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(letters), "dead")
	s := schedule.New(p.Jobs(), m, schedule.Config{})
	if err := s.Run(ctx); err != nil {
		log.Fatal(err)
	}
}

// A Cluster is named by some of its nodes. The URLs of a primary under Sentinel and of a
// server with TLS look like these:
//
//	redis+sentinel://sentinel-1:26379/0?master_name=mymaster&addr=sentinel-2:26379
//	rediss://user:password@redis.example.com:6379?prefix=shop
func ExampleOpen_cluster() {
	p, err := redis.Open(context.Background(), "redis+cluster://redis-1:7000?addr=redis-2:7000&addr=redis-3:7000")
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
}

// A program that has a client of go-redis lends it to the provider.
func ExampleNew() {
	client := goredis.NewClient(&goredis.Options{Addr: "localhost:6379"})
	defer client.Close()
	p, err := redis.New(client, redis.WithCompactTasks())
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(context.Background(), p, runtime.QueueConfig{Name: "mail"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()
}

// A server that deletes keys when its memory is full is refused, for it deletes tasks. Who
// can bear that says so.
func ExampleWithEviction() {
	p, err := redis.Open(context.Background(), "redis://cache:6379/0", redis.WithEviction())
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
}
