package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/nats"
	"github.com/taskgen/taskgen/runtime/rabbitmq"
	"github.com/taskgen/taskgen/runtime/redis"
	"github.com/taskgen/taskgen/runtime/sqlite"
	"github.com/taskgen/taskgen/runtime/sqs"
)

// The values of Config.Provider.
const (
	Memory   = "memory"
	SQLite   = "sqlite"
	Redis    = "redis"
	SQS      = "sqs"
	RabbitMQ = "rabbitmq"
	NATS     = "nats"
)

// urls are what the URLs of brokers look like.
var urls = map[string]string{
	Redis:    "redis://127.0.0.1:6379",
	SQS:      "sqs://eu-central-1",
	RabbitMQ: "amqp://guest:guest@127.0.0.1:5672/",
	NATS:     "nats://127.0.0.1:4222",
}

// Check says what is wrong with the provider that cfg asks for.
func (cfg Config) Check() error {
	if cfg.Provider == Memory || cfg.Provider == SQLite {
		return nil
	}
	example, ok := urls[cfg.Provider]
	if !ok {
		return fmt.Errorf("there is no provider %q: use sqlite, memory, redis, sqs, rabbitmq or nats", cfg.Provider)
	}
	if cfg.URL == "" {
		return fmt.Errorf("-provider %s needs the -url of the broker, like %s", cfg.Provider, example)
	}
	return nil
}

// OpenProvider opens the provider that keeps the tasks.
func OpenProvider(ctx context.Context, cfg Config) (runtime.Provider, error) {
	switch cfg.Provider {
	case Memory:
		return memory.New(), nil
	case SQLite:
		return sqlite.Open(ctx, filepath.Join(cfg.Data, queueFile))
	}
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	prefix, err := prefixIn(cfg.Data)
	if err != nil {
		return nil, err
	}
	switch cfg.Provider {
	case Redis:
		return redis.Open(ctx, cfg.URL, redis.WithPrefix(prefix))
	case RabbitMQ:
		return rabbitmq.Open(ctx, cfg.URL, rabbitmq.WithPrefix(prefix))
	case NATS:
		return nats.Open(ctx, cfg.URL, nats.WithPrefix(prefix))
	default: // SQS: Check knows no other
		// A poll is not cut short, so that stopping takes as long as one does. A
		// server would leave this at 20 seconds and pay for fewer requests.
		return sqs.Open(ctx, cfg.URL, sqs.WithPrefix(prefix), sqs.WithWait(time.Second))
	}
}

// prefixIn returns what the names of a data folder's queues begin with on a
// broker, which may hold those of other folders, too. A new folder gets a new
// one.
func prefixIn(data string) (string, error) {
	file := filepath.Join(data, prefixFile)
	prefix, err := os.ReadFile(file)
	if err == nil {
		return string(prefix), nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	random := make([]byte, 4)
	rand.Read(random) // never fails
	name := "docsearch-" + hex.EncodeToString(random)
	return name, os.WriteFile(file, []byte(name), 0o600)
}

// withoutKeys takes the unique keys from tasks for queues that have none. They
// spare docsearch work, and nothing depends on them: what a handler writes it
// writes under a key of its own, so that done twice is the same as done once.
func (a *app) withoutKeys(next runtime.Enqueuer) runtime.Enqueuer {
	return runtime.EnqueuerFunc(func(ctx context.Context, all []*runtime.Task) ([]runtime.Enqueued, error) {
		for _, t := range all {
			q, err := a.manager.Queue(t.Queue)
			if err != nil {
				return nil, err
			}
			if can := q.Capabilities(); !can.UniqueUntilDone && can.DedupWindow == 0 {
				t.UniqueKey = ""
			}
		}
		return next.Enqueue(ctx, all)
	})
}
