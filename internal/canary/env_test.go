package canary

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/uuid"
	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/taskgen/taskgen/internal/testserver"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/dlq"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/fleet"
	"github.com/taskgen/taskgen/runtime/history"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/nats"
	"github.com/taskgen/taskgen/runtime/rabbitmq"
	"github.com/taskgen/taskgen/runtime/redis"
	"github.com/taskgen/taskgen/runtime/schedule"
	"github.com/taskgen/taskgen/runtime/sqlite"
	"github.com/taskgen/taskgen/runtime/sqs"
	"github.com/taskgen/taskgen/runtime/sqs/sqstest"
)

func TestMain(m *testing.M) {
	// The tests wait for brokers and heartbeats most of the time, and not for a CPU.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// An env is a provider with its stores.
type env struct {
	provider runtime.Provider
	jobs     schedule.Store
	results  driver.ResultStore
	letters  dlq.TaskStore
	workers  fleet.Store
	history  history.Store
	// lies returns all that lies on the disk or the server; nil: nothing does.
	lies func() string
}

var envs = map[string]func(t *testing.T) env{
	"memory": func(t *testing.T) env {
		p := memory.New()
		t.Cleanup(func() { require.NoError(t, p.Close()) })
		return env{p, memory.NewJobs(), memory.NewResults(), memory.NewLetters(), memory.NewFleet(), memory.NewHistory(), nil}
	},
	"sqlite": func(t *testing.T) env {
		dir := t.TempDir()
		p, err := sqlite.Open(t.Context(), filepath.Join(dir, "tasks.db"))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, p.Close()) })
		return env{p, p.Jobs(), p.Results(), p.Letters(), p.Fleet(), p.History(), func() string { return files(t, dir) }}
	},
	"redis": func(t *testing.T) env {
		server, err := testserver.Redis()
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, server.Stop()) })
		prefix := "canary" + uuid.NewString()
		p, err := redis.Open(t.Context(), server.URL+"?prefix="+prefix)
		require.NoError(t, err)
		opts, err := goredis.ParseURL(server.URL)
		require.NoError(t, err)
		admin := goredis.NewClient(opts)
		t.Cleanup(func() { require.NoError(t, errors.Join(p.Close(), admin.Close())) })
		return env{p, p.Jobs(), p.Results(), p.Letters(), p.Fleet(), p.History(), func() string { return keys(t, admin, prefix) }}
	},
}

// inMemory is a broker whose stores are in memory, apart from its fleet if it has one.
func inMemory(p runtime.Provider) env {
	w := env{p, memory.NewJobs(), memory.NewResults(), memory.NewLetters(), memory.NewFleet(), memory.NewHistory(), nil}
	if keeps, ok := p.(interface{ Fleet() fleet.Store }); ok {
		w.workers = keeps.Fleet()
	}
	return w
}

// brokers are providers without stores of their own, but for workers.
var brokers = map[string]func(t *testing.T) runtime.Provider{
	"sqs": func(t *testing.T) runtime.Provider {
		server := sqstest.New(driver.SystemClock)
		require.NoError(t, server.Start())
		t.Cleanup(server.Stop)
		p, err := sqs.New(awssqs.New(awssqs.Options{
			Region: "eu-central-1", BaseEndpoint: aws.String(server.URL()), Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
		}), sqs.WithWait(time.Second))
		require.NoError(t, err)
		return p
	},
	"nats": func(t *testing.T) runtime.Provider {
		server, err := testserver.NATS()
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, server.Stop()) })
		p, err := nats.Open(t.Context(), server.URL, nats.WithPrefix("canary"+uuid.NewString()[:8]))
		require.NoError(t, err)
		return p
	},
	"rabbitmq": func(t *testing.T) runtime.Provider {
		server, err := testserver.RabbitMQ()
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, server.Stop()) })
		p, err := rabbitmq.Open(t.Context(), server.URL, rabbitmq.WithPrefix("canary"+uuid.NewString()[:8]))
		require.NoError(t, err)
		return p
	},
}

// files are the bytes of all files in a folder: the database, what is not yet in it,
// and its index.
func files(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) { // it was checkpointed meanwhile
			return nil
		}
		all.WriteString(path + " ")
		all.Write(data)
		return err
	}))
	return all.String()
}

// keys are the names and values of all keys of a provider.
func keys(t *testing.T, c *goredis.Client, prefix string) string {
	t.Helper()
	ctx := context.Background()
	var all []any
	n := 0
	for it := c.Scan(ctx, 0, "*"+prefix+"*", 1000).Iterator(); it.Next(ctx); n++ {
		key := it.Val()
		kind, err := c.Type(ctx, key).Result()
		require.NoError(t, err)
		var value any
		switch kind {
		case "string":
			value, err = c.Get(ctx, key).Result()
		case "hash":
			value, err = c.HGetAll(ctx, key).Result()
		case "list":
			value, err = c.LRange(ctx, key, 0, -1).Result()
		case "set":
			value, err = c.SMembers(ctx, key).Result()
		case "zset":
			value, err = c.ZRangeWithScores(ctx, key, 0, -1).Result()
		case "stream":
			value, err = c.XRange(ctx, key, "-", "+").Result()
		case "none": // its time was over
		default:
			t.Errorf("key %s is a %s: how is that read?", key, kind)
		}
		if !errors.Is(err, goredis.Nil) {
			require.NoError(t, err)
		}
		all = append(all, key, value)
	}
	require.NotZero(t, n, "there are no keys of prefix %s", prefix)
	return fmt.Sprint(all...)
}
