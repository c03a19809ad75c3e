package nats_test

import (
	"context"
	"log"

	"github.com/taskgen/taskgen/config"
	natsconfig "github.com/taskgen/taskgen/config/nats"
)

// The user comes from a file that nsc has written, and each stream is bounded to 1 GiB.
func ExampleOptions() {
	p, err := config.OpenProvider(context.Background(), "tls://localhost:4222",
		config.WithOptions(natsconfig.Options{Credentials: "/etc/nats/shop.creds", MaxBytes: 1 << 30}))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
}
