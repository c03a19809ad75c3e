package all_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/config"
	"github.com/taskgen/taskgen/runtime"
)

// The passwords have what generated ones have: characters that a URL must escape, and
// digits that look like a port. Nobody listens at the address.
var passwords = []string{
	"S3CRET", "S3CRET%!", "S3/CRET", "12/S3CRET", "12?S3CRET", "12?S3=CRET", "12?prefix=S3CRET", "12#S3CRET", "S3CRET@", "S3 CRET", "S3[CRET", "%53CRET%zz", "S3%00CRET", "S3\x7fCRET",
}

func TestNoErrorAndNoLogShowsThePasswordOfAURL(t *testing.T) {
	t.Parallel()
	forms := map[string]string{
		"memory": "memory://%s@host", "sqlite": "sqlite://%s@host/gone/tasks.db", "sqs": "sqs://%s@us-east-1", "sqs endpoint": "sqs://us-east-1?wait=x&endpoint=http://%s@127.0.0.1:1",
		"redis": "redis://%s@127.0.0.1:1", "rediss": "rediss://%s@127.0.0.1:1", "redis+cluster": "redis+cluster://%s@127.0.0.1:1?addr=127.0.0.1:2", "rediss+cluster": "rediss+cluster://%s@127.0.0.1:1",
		"redis+sentinel": "redis+sentinel://%s@127.0.0.1:1?master_name=m", "rediss+sentinel": "rediss+sentinel://%s@127.0.0.1:1?master_name=m",
		"amqp": "amqp://%s@127.0.0.1:1/", "amqps": "amqps://%s@127.0.0.1:1/", "nats": "nats://127.0.0.1:1,nats://%s@127.0.0.1:1", "tls": "tls://%s@127.0.0.1:1",
		"unknown scheme": "kafka://%s@127.0.0.1:1", "no scheme": "%s@127.0.0.1:1", "unknown option": "amqp://%s@127.0.0.1:1/?prefx=1", "bad value": "redis://%s@127.0.0.1:1?eviction=perhaps", "bad port": "redis://%s@127.0.0.1:port",
	}
	for name, form := range forms {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			for _, password := range passwords {
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				p, err := config.OpenProvider(ctx, fmt.Sprintf(form, "app:"+password), config.WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))))
				cancel()
				if err == nil { // a Redis is connected to later
					require.Contains(t, name, "redis", password)
					require.NoError(t, p.Close())
					continue
				}
				for e := err; e != nil; e = unwrap(e) {
					assert.NotRegexp(t, "S3|CRET", fmt.Sprintf("%v %+v %#v", e, e, e), password)
				}
			}
			assert.NotRegexp(t, "S3|CRET", log.String())
		})
	}
}

func unwrap(err error) error {
	if u, ok := err.(interface{ Unwrap() error }); ok {
		return u.Unwrap()
	}
	return nil
}

func TestAProgramThatCannotOpenItsProviderShowsNoPassword(t *testing.T) {
	for _, url := range []string{"redis://app@127.0.0.1:1", "amqp://app@127.0.0.1:1/", "nats://app@127.0.0.1:1", "sqs://us-east-1", "sqlite:gone/a.db"} {
		t.Run(url, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			var log bytes.Buffer
			c := config.Config{Providers: map[string]config.ProviderConfig{"main": {URL: config.NewURL(url), Password: config.NewSecret("S3/CRET%?#@")}}}
			_, err := c.Build(ctx, config.Code{Queues: []runtime.QueueConfig{{Name: "mail"}}, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			require.Error(t, err)
			for e := err; e != nil; e = unwrap(e) {
				assert.NotRegexp(t, "S3|CRET", fmt.Sprintf("%v %+v %#v", e, e, e))
			}
			assert.NotRegexp(t, "S3|CRET", log.String())
		})
	}
}
