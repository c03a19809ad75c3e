package nats_test

import (
	"context"
	"log"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/nats"
)

// The queues of a program are streams on three servers of a cluster, of 1 GiB at most.
func ExampleOpen() {
	ctx := context.Background()
	p, err := nats.Open(ctx, "nats://nats-1:4222,nats://nats-2:4222,nats://nats-3:4222",
		nats.WithPrefix("shop"),
		nats.WithReplicas(3),
		nats.WithMaxBytes(1<<30),
		nats.WithConnection(natsgo.Name("mailer"), natsgo.UserCredentials("mailer.creds")),
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
}

// A program that has a connection lends it to the provider.
func ExampleNew() {
	conn, err := natsgo.Connect(natsgo.DefaultURL, natsgo.MaxReconnects(-1))
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		log.Fatal(err)
	}
	p, err := nats.New(context.Background(), js)
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
}
