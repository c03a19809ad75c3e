// Package rabbitmq registers the RabbitMQ provider with package config, for URLs like
// amqp://user:password@host:5672/vhost.
package rabbitmq

import (
	"context"
	"time"

	"github.com/taskgen/taskgen/config"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/rabbitmq"
)

// Options are the options of the RabbitMQ provider.
type Options struct {
	Prefix          string        `config:"prefix" default:"taskgen." doc:"prefix of the names of all queues and exchanges; a missing final dot is added"`
	ConsumerTimeout time.Duration `config:"consumer_timeout" default:"30m" doc:"the consumer_timeout that the broker is configured with; it bounds how long a task can be leased"`
}

// parameters are those that amqp.ParseURI reads, except connection_timeout: the provider
// has its own bound on an attempt to connect, which would silently take precedence.
var parameters = []string{"auth_mechanism", "channel_max", "heartbeat"}

var tlsParameters = append([]string{"cacertfile", "certfile", "keyfile", "server_name_indication"}, parameters...)

func init() {
	config.Register("rabbitmq", []config.URLForm{
		{Scheme: "amqp", Example: "amqp://user:password@host:5672/vhost", Text: "a broker", Parameters: parameters},
		{Scheme: "amqps", Example: "amqps://user:password@host:5671/vhost?cacertfile=/etc/ssl/ca.pem", Text: "a broker, with TLS", Parameters: tlsParameters},
	}, open)
}

func open(ctx context.Context, rawURL string, o Options, deps config.Deps) (driver.Provider, error) {
	opts := []rabbitmq.Option{rabbitmq.WithLogger(deps.Logger)}
	if o.Prefix != "" {
		opts = append(opts, rabbitmq.WithPrefix(o.Prefix))
	}
	if o.ConsumerTimeout != 0 {
		opts = append(opts, rabbitmq.WithConsumerTimeout(o.ConsumerTimeout))
	}
	return rabbitmq.Open(ctx, rawURL, opts...)
}
