package redis_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/dlq"
	"github.com/taskgen/taskgen/runtime/redis"
	"github.com/taskgen/taskgen/runtime/schedule"
)

// The queues of a program, its jobs, its results and its dead letters are on one server.
func ExampleOpen() {
	ctx := context.Background()
	p, err := redis.Open(ctx, server(), // redis://localhost:6379/0
		redis.WithPrefix("shop"), // of all keys: programs with others share the server
		redis.WithLogger(slog.Default().With("component", "tasks")),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	m := runtime.NewManager(runtime.ManagerConfig{Results: p.Results()})
	if err := m.Open(ctx, p, runtime.QueueConfig{Name: "prices"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()

	spec := &runtime.Spec[string]{Type: "quote", Queue: "prices"}
	r := runtime.NewRouter()
	runtime.RegisterWithResult(r, spec, func(_ context.Context, item string) (int, error) { return 4200, nil })
	pool, err := runtime.NewPool(m, r, runtime.PoolConfig{Results: p.Results()})
	if err != nil {
		log.Fatal(err)
	}
	s := schedule.New(p.Jobs(), m, schedule.Config{})
	item := "lamp"
	id, err := schedule.Add(ctx, s, schedule.At(time.Now().Add(-time.Second)), spec, &item)
	if err != nil {
		log.Fatal(err)
	}

	// A program has s.Run and pool.Run do this all the time.
	if _, err := s.FireDue(ctx); err != nil {
		log.Fatal(err)
	}
	if _, err := pool.Drain(ctx); err != nil {
		log.Fatal(err)
	}
	job, err := s.Status(ctx, id)
	if err != nil {
		log.Fatal(err)
	}
	cents, err := runtime.Await[string, int](ctx, p.Results(), spec, job.Last.TaskID)
	fmt.Println(cents, err)

	letters, _, err := dlq.OpenStore(m, p.Letters(), dlq.Config{Router: r}).List(ctx, dlq.Filter{}, "", 10)
	fmt.Println(len(letters), "dead", err)
	// Output:
	// 4200 <nil>
	// 0 dead <nil>
}

// A cluster is named by some of its nodes. The URLs of a primary under Sentinel and of a
// server with TLS look like these:
//
//	redis+sentinel://sentinel-1:26379/0?master_name=mymaster&addr=sentinel-2:26379
//	rediss://user:password@redis.example.com:6379?prefix=shop
func ExampleOpen_cluster() {
	ctx := context.Background()
	p, err := redis.Open(ctx, cluster()) // redis+cluster://redis-1:7000?addr=redis-2:7000&addr=redis-3:7000
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	q, err := p.Open(ctx, runtime.QueueConfig{Name: "mail"})
	if err != nil {
		log.Fatal(err)
	}
	stats, err := q.Stats(ctx)
	fmt.Println(stats.Ready, "ready", err)
	// Output: 0 ready <nil>
}

// A program lends its own client of go-redis to the provider, which does not close it.
func ExampleNew() {
	options, err := goredis.ParseURL(server())
	if err != nil {
		log.Fatal(err)
	}
	client := goredis.NewClient(options)
	defer client.Close()
	p, err := redis.New(client, redis.WithPrefix("news"), redis.WithCompactTasks())
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, p, runtime.QueueConfig{Name: "mail"}); err != nil {
		log.Fatal(err)
	}
	if err := errors.Join(m.Close(), p.Close()); err != nil {
		log.Fatal(err)
	}
	fmt.Println(client.Ping(ctx).Val())
	// Output: PONG
}

// A server that deletes keys when its memory is full also deletes tasks, so the provider
// refuses it. WithEviction accepts the loss.
func ExampleWithEviction() {
	ctx := context.Background()
	url, stop := cache() // redis://cache:6379/0
	defer stop()
	open := func(opts ...redis.Option) error {
		p, err := redis.Open(ctx, url, opts...)
		if err != nil {
			return err
		}
		defer p.Close()
		_, err = p.Open(ctx, runtime.QueueConfig{Name: "thumbnails"})
		return err
	}
	fmt.Println("refused:", open() != nil)
	fmt.Println("accepted:", open(redis.WithEviction()) == nil)
	// Output:
	// refused: true
	// accepted: true
}
