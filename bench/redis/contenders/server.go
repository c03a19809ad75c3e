// Package contenders holds the Redis server of the benchmarks, and the ways to use
// it as a queue that both the long benchmark and the quick one measure.
package contenders

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/taskgen/taskgen/bench/contest"
	"github.com/taskgen/taskgen/internal/testserver"
)

// Start starts a Redis that appends every write to its file, and puts the file on
// the disk every second: what Redis recommends for data that is to stay. The file
// is rewritten between the stages alone, so that no stage pays for another.
func Start(ctx context.Context) (*contest.Broker, error) {
	// The server is emptied between stages: it must be nobody else's.
	if err := os.Unsetenv("TASKGEN_TEST_REDIS_URL"); err != nil {
		return nil, err
	}
	server, err := testserver.Redis("--appendfsync", "everysec", "--auto-aof-rewrite-percentage", "0")
	if err != nil {
		return nil, err
	}
	opts, err := redis.ParseURL(server.URL)
	if err != nil {
		return nil, err
	}
	c := redis.NewClient(opts)
	version, err := info(ctx, c, "server", "redis_version")
	if err != nil {
		return nil, err
	}
	return &contest.Broker{
		URL:      server.URL,
		About:    fmt.Sprintf("redis-server %s, appendonly yes, appendfsync everysec, on loopback", version),
		Clear:    func(ctx context.Context) error { return clearAll(ctx, c) },
		Counters: func(ctx context.Context) (map[string]float64, error) { return counters(ctx, c) },
		Memory:   func(ctx context.Context) (float64, error) { return number(ctx, c, "memory", "used_memory") },
		Probe:    probe,
		Stop: func() error {
			_ = c.Close()
			return server.Stop()
		},
	}, nil
}

func clearAll(ctx context.Context, c *redis.Client) error {
	if err := c.FlushAll(ctx).Err(); err != nil {
		return err
	}
	if err := c.BgRewriteAOF(ctx).Err(); err != nil {
		return err
	}
	for {
		running, err := info(ctx, c, "persistence", "aof_rewrite_in_progress")
		if err != nil {
			return err
		}
		scheduled, err := info(ctx, c, "persistence", "aof_rewrite_scheduled")
		if err != nil || running == "0" && scheduled == "0" {
			return err
		}
		time.Sleep(time.Millisecond)
	}
}

// counters is the CPU time of the server so far, in user and in system mode.
func counters(ctx context.Context, c *redis.Client) (map[string]float64, error) {
	user, err := number(ctx, c, "cpu", "used_cpu_user")
	if err != nil {
		return nil, err
	}
	system, err := number(ctx, c, "cpu", "used_cpu_sys")
	return map[string]float64{contest.CPUMicros: (user + system) * 1e6}, err
}

func number(ctx context.Context, c *redis.Client, section, field string) (float64, error) {
	s, err := info(ctx, c, section, field)
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(s, 64)
}

// info is one field of the server's INFO.
func info(ctx context.Context, c *redis.Client, section, field string) (string, error) {
	text, err := c.Info(ctx, section).Result()
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok && name == field {
			return value, nil
		}
	}
	return "", fmt.Errorf("INFO %s tells no %s", section, field)
}

// client connects to a queue's address with go-redis' defaults, but for
// connections enough for every goroutine.
func client(url string) (*redis.Client, error) {
	opts, err := redis.ParseURL(url)
	if err != nil {
		return nil, err
	}
	opts.PoolSize = contest.Callers + contest.Workers
	return redis.NewClient(opts), nil
}
