package canary

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/nats"
	"github.com/taskgen/taskgen/runtime/rabbitmq"
	"github.com/taskgen/taskgen/runtime/redis"
	"github.com/taskgen/taskgen/runtime/sqs"
)

// What Open says lands in the log of every start. The passwords have what generated
// ones have: characters that a URL must escape, and digits that look like a port. Nobody
// listens at the address.
func TestErrorsOfOpenShowNoPassword(t *testing.T) {
	providers := map[string]func(ctx context.Context, user string) error{
		"redis": func(ctx context.Context, user string) error {
			p, err := redis.Open(ctx, "redis://"+user+"@127.0.0.1:1")
			if err == nil {
				return p.Close()
			}
			return err
		},
		"redis cluster": func(ctx context.Context, user string) error {
			p, err := redis.Open(ctx, "redis+cluster://"+user+"@127.0.0.1:1?addr=127.0.0.1:2")
			if err == nil {
				return p.Close()
			}
			return err
		},
		"rabbitmq": func(ctx context.Context, user string) error {
			_, err := rabbitmq.Open(ctx, "amqp://"+user+"@127.0.0.1:1/")
			return err
		},
		"nats": func(ctx context.Context, user string) error {
			_, err := nats.Open(ctx, "nats://127.0.0.1:1,nats://"+user+"@127.0.0.1:1")
			return err
		},
		"sqs": func(ctx context.Context, user string) error {
			_, err := sqs.Open(ctx, "sqs://us-east-1?endpoint=http://"+user+"@127.0.0.1:1&wait=x")
			return err
		},
	}
	for name, open := range providers {
		for _, password := range []string{"S3CRET%!", "S3/CRET", "12/S3CRET", "12?S3CRET", "12#S3CRET", "S3CRET@", "S3 CRET", "S3[CRET", "%53CRET%zz", "S3CRET"} {
			t.Run(name+" "+password, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				err := open(ctx, "app:"+password)
				if name != "redis" && name != "redis cluster" { // those connect later
					require.Error(t, err)
				}
				if err != nil {
					assert.NotRegexp(t, "S3|CRET", err.Error())
				}
			})
		}
	}
}
