package rabbitmq_test

import (
	"context"
	"log"

	"github.com/taskgen/taskgen/config"
	rabbitmqconfig "github.com/taskgen/taskgen/config/rabbitmq"
)

// Programs with different prefixes share a broker.
func ExampleOptions() {
	p, err := config.OpenProvider(context.Background(), "amqp://guest:guest@localhost:5672/",
		config.WithOptions(rabbitmqconfig.Options{Prefix: "shop"}))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
}
