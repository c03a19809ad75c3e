// Package all registers every provider of the module with package config, and what the
// sections metrics, traces and server of a file need. A program that imports it links the clients
// of all of them, Prometheus' and OpenTelemetry's, and Connect; it is for tools that must read any
// file.
// Import single packages, such as config/redis, elsewhere.
package all

import (
	_ "github.com/taskgen/taskgen/config/memory" // registers itself, as do the others
	_ "github.com/taskgen/taskgen/config/metrics"
	_ "github.com/taskgen/taskgen/config/nats"
	_ "github.com/taskgen/taskgen/config/rabbitmq"
	_ "github.com/taskgen/taskgen/config/redis"
	_ "github.com/taskgen/taskgen/config/server"
	_ "github.com/taskgen/taskgen/config/sqlite"
	_ "github.com/taskgen/taskgen/config/sqs"
	_ "github.com/taskgen/taskgen/config/traces"
)
