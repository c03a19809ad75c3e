package rabbitmq_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"net/url"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/rabbitmq"
)

// The queues of a program are on a broker, under names that begin with a prefix.
func ExampleOpen() {
	ctx := context.Background()
	p, err := rabbitmq.Open(ctx, broker(), // amqp://guest:guest@localhost:5672/
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

// The broker closes the channel of a consumer that keeps a message longer than its
// consumer_timeout. WithConsumerTimeout sets what the broker's is, which bounds leases and
// so the time of a handler.
func ExampleWithConsumerTimeout() {
	ctx := context.Background()
	p, err := rabbitmq.Open(ctx, broker(), rabbitmq.WithPrefix("shop."), rabbitmq.WithConsumerTimeout(4*time.Hour))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	q, err := p.Open(ctx, runtime.QueueConfig{Name: "mail"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(q.Capabilities().MaxLease)
	// Output: 3h58m0s
}

// A program makes the connections itself, for example with credentials that are renewed.
// The provider asks for a new connection when one has ended.
func ExampleNew() {
	at, err := url.Parse(broker()) // amqp://broker.example.com:5672/
	if err != nil {
		log.Fatal(err)
	}
	password := func() string { // from a store of secrets
		secret, _ := at.User.Password()
		return secret
	}
	var dial rabbitmq.Dialer = func(context.Context) (*amqp.Connection, error) {
		return amqp.DialConfig("amqp://"+at.Host+at.Path, amqp.Config{
			SASL: []amqp.Authentication{&amqp.PlainAuth{Username: at.User.Username(), Password: password()}},
		})
	}
	p, err := rabbitmq.New(dial)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(p.Close())
	// Output: <nil>
}

// A short program may use the connection that it has. When that ends, so does the provider.
func ExampleNewOn() {
	conn, err := amqp.Dial(broker())
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	p, err := rabbitmq.NewOn(conn)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(p.Close(), conn.IsClosed())
	// Output: <nil> false
}
