package testserver

import (
	"fmt"
	"os"
)

// Keep starts the server of that name (redis, rabbitmq or nats) with its data in the
// folder dir, which is made if it is missing. The data stay, for the next Keep. One
// server at a time uses a folder.
func Keep(name, dir string) (*Server, error) {
	var variable string
	var lay func(dir string) (plan, error)
	switch name {
	case "redis":
		variable, lay = redisVariable, func(dir string) (plan, error) { return redisPlan(dir) }
	case "rabbitmq":
		variable, lay = rabbitMQVariable, func(dir string) (plan, error) { return rabbitMQPlan(dir, "taskgen-kept", nil) }
	case "nats":
		variable, lay = natsVariable, func(dir string) (plan, error) { return natsPlan(dir) }
	default:
		return nil, fmt.Errorf("testserver: %s keeps no data", name)
	}
	if s := external(variable); s != nil {
		return s, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return startIn(dir, name, lay)
}
