package nats_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/nats"
)

// The queues of a program are streams of at most 64 MiB, whose names begin with a prefix.
func ExampleOpen() {
	ctx := context.Background()
	p, err := nats.Open(ctx, server(), // nats://localhost:4222
		nats.WithPrefix("shop"),
		nats.WithLogger(slog.Default().With("component", "tasks")),
		nats.WithMaxBytes(64<<20),
		nats.WithConnection(natsgo.Name("mailer")),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, p, runtime.QueueConfig{Name: "mail"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	spec := &runtime.Spec[string]{Type: "welcome", Queue: "mail"}
	r := runtime.NewRouter()
	runtime.Register(r, spec, func(_ context.Context, to string) error {
		fmt.Println("welcome,", to)
		return nil
	})
	pool, err := runtime.NewPool(m, r, runtime.PoolConfig{})
	if err != nil {
		log.Fatal(err)
	}
	to := "ada"
	if _, err := runtime.Enqueue(ctx, m, spec, &to); err != nil {
		log.Fatal(err)
	}
	if _, err := pool.Drain(ctx); err != nil { // a program has pool.Run
		log.Fatal(err)
	}
	// Output: welcome, ada
}

// Each stream has three replicas, on three servers of a cluster, and the user comes from a
// file that nsc has written.
func ExampleOpen_cluster() {
	p, err := nats.Open(context.Background(), "nats://nats-1:4222,nats://nats-2:4222,nats://nats-3:4222",
		nats.WithReplicas(3),
		nats.WithConnection(natsgo.UserCredentials("mailer.creds")),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
}

// A program lends its own connection to the provider, which does not close it.
func ExampleNew() {
	conn, err := natsgo.Connect(server(), natsgo.MaxReconnects(-1))
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		log.Fatal(err)
	}
	p, err := nats.New(js)
	if err != nil {
		log.Fatal(err)
	}
	if err := p.Close(); err != nil {
		log.Fatal(err)
	}
	fmt.Println(conn.Status())
	// Output: CONNECTED
}
