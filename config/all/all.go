// Package all registers every provider of the module with package config. A program that
// imports it links the clients of all of them; it is for tools that must open any provider.
// Import the packages of single providers, such as config/redis, elsewhere.
package all

import (
	_ "github.com/taskgen/taskgen/config/memory" // registers itself, as do the others
	_ "github.com/taskgen/taskgen/config/nats"
	_ "github.com/taskgen/taskgen/config/rabbitmq"
	_ "github.com/taskgen/taskgen/config/redis"
	_ "github.com/taskgen/taskgen/config/sqlite"
	_ "github.com/taskgen/taskgen/config/sqs"
)
