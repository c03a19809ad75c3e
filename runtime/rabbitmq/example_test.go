package rabbitmq_test

import (
	"context"
	"log"
	"log/slog"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/rabbitmq"
)

// The queues of a program are on a broker, under names that begin with a prefix.
func ExampleOpen() {
	ctx := context.Background()
	p, err := rabbitmq.Open(ctx, "amqp://guest:guest@localhost:5672/",
		rabbitmq.WithPrefix("shop."),
		rabbitmq.WithLogger(slog.Default().With("component", "tasks")),
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

// Handlers may run for as long as the broker lets a message be with a consumer. The
// provider is told what the broker's consumer_timeout is.
func ExampleWithConsumerTimeout() {
	p, err := rabbitmq.Open(context.Background(), "amqp://guest:guest@localhost:5672/", rabbitmq.WithConsumerTimeout(4*time.Hour))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
}

// A program makes the connections itself, with credentials that are renewed, say. It is
// asked for a new one whenever one has ended.
func ExampleNew() {
	password := func() string { return "from a secret store" }
	var dial rabbitmq.Dialer = func(context.Context) (*amqp.Connection, error) {
		return amqp.DialConfig("amqp://broker.example.com:5672/", amqp.Config{
			SASL: []amqp.Authentication{&amqp.PlainAuth{Username: "shop", Password: password()}},
		})
	}
	p, err := rabbitmq.New(context.Background(), dial)
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
}

// A short program may use the connection that it has. When that ends, so does the provider.
func ExampleNewOn() {
	conn, err := amqp.Dial("amqp://guest:guest@localhost:5672/")
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	p, err := rabbitmq.NewOn(context.Background(), conn)
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
}
