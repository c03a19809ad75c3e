package redis_test

import (
	"context"
	"log"

	"github.com/taskgen/taskgen/config"
	redisconfig "github.com/taskgen/taskgen/config/redis"
)

// Programs with different prefixes share a server.
func ExampleOptions() {
	p, err := config.OpenProvider(context.Background(), "redis://localhost:6379/0",
		config.WithOptions(redisconfig.Options{Prefix: "shop"}))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
}
