package redis

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// check looks once at the servers: whether their version has the commands that
// are needed, whether they delete tasks to save memory, and whether they keep
// them on disk.
func (p *Provider) check(ctx context.Context) error {
	p.checked.Lock()
	defer p.checked.Unlock()
	if p.fit {
		return nil
	}
	var err error
	if cluster, ok := p.client.(*redis.ClusterClient); ok {
		var once sync.Mutex
		err = cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
			once.Lock()
			defer once.Unlock()
			return p.checkServer(ctx, node)
		})
	} else {
		err = p.checkServer(ctx, p.client)
	}
	p.fit = err == nil
	return err
}

func (p *Provider) checkServer(ctx context.Context, node redis.Cmdable) error {
	text, err := node.Info(ctx).Result()
	if redis.HasErrorPrefix(err, "NOPERM") || redis.HasErrorPrefix(err, "unknown command") {
		p.logger().WarnContext(ctx, "redis: INFO is not permitted, so neither the version nor maxmemory-policy was looked at: the one must be 6.2 or later, the other noeviction",
			slog.Any("error", err))
		return nil
	}
	if err != nil {
		return fmt.Errorf("redis: look at the server: %w", err)
	}
	info := make(map[string]string)
	for line := range strings.Lines(text) {
		if field, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[field] = value
		}
	}
	return p.judge(ctx, info)
}

// judge decides by what INFO says whether a server may be used.
func (p *Provider) judge(ctx context.Context, info map[string]string) error {
	if version := info["redis_version"]; !atLeast(version, 6, 2) {
		return fmt.Errorf("redis: the server is version %s: 6.2 or later is needed, or any Valkey", version)
	}
	// The volatile policies delete what has a time to live: results, and no part of a
	// queue.
	policy := info["maxmemory_policy"]
	if strings.HasPrefix(policy, "volatile-") {
		p.logger().WarnContext(ctx, "redis: the server may delete results of tasks before their time when its memory is full; tasks it keeps", slog.String("maxmemory-policy", policy))
	} else if policy != "" && policy != "noeviction" {
		if !p.eviction {
			return fmt.Errorf("redis: maxmemory-policy is %s, by which the server may delete tasks when its memory is full: run CONFIG SET maxmemory-policy noeviction and put it into redis.conf (on a managed service: into the parameter group), or accept the loss by WithEviction()", policy)
		}
		p.logger().WarnContext(ctx, "redis: the server may delete tasks when its memory is full", slog.String("maxmemory-policy", policy))
	}
	if info["aof_enabled"] == "0" {
		p.logger().WarnContext(ctx, "redis: appendonly is off: a restart of the server loses the tasks since its last snapshot, or all of them")
	}
	return nil
}

// atLeast reports whether a version like 7.0.15 is major.minor or later. One
// that cannot be read passes: its server says what it lacks soon enough.
func atLeast(version string, major, minor int) bool {
	first, rest, _ := strings.Cut(version, ".")
	second, _, _ := strings.Cut(rest, ".")
	a, err1 := strconv.Atoi(first)
	b, err2 := strconv.Atoi(second)
	return err1 != nil || err2 != nil || a > major || a == major && b >= minor
}
