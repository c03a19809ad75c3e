// Package redis registers the Redis provider with package config, for URLs like
// redis://host:6379.
package redis

import (
	"context"
	"slices"

	"github.com/taskgen/taskgen/config"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/redis"
)

// Options are the options of the Redis provider.
type Options struct {
	Prefix       string `config:"prefix" default:"taskgen" doc:"prefix of all keys; programs with different prefixes share a server"`
	Eviction     bool   `config:"eviction" default:"false" doc:"accept a server whose maxmemory-policy deletes any key, tasks included"`
	CompactTasks bool   `config:"compact_tasks" default:"false" doc:"store waiting tasks in less memory; versions of taskgen without this option cannot read them"`
}

// The parameters that go-redis reads, of ParseURL, ParseClusterURL and ParseFailoverURL.
var (
	common = []string{
		"client_name", "conn_max_idle_time", "conn_max_lifetime", "conn_max_lifetime_jitter", "dial_timeout", "max_active_conns", "max_idle_conns",
		"max_retries", "max_retry_backoff", "min_idle_conns", "min_retry_backoff", "pipeline_pool_size", "pipeline_read_buffer_size",
		"pipeline_write_buffer_size", "pool_fifo", "pool_size", "pool_timeout", "protocol", "read_timeout", "write_timeout", "max_concurrent_dials",
	}
	single   = with("db", "idle_timeout", "max_conn_age", "skip_verify")
	cluster  = with("addr", "dialer_retries", "dialer_retry_timeout", "failing_timeout_seconds", "max_redirects", "read_only", "route_by_latency", "route_by_latency_tolerance", "route_randomly")
	sentinel = with(
		"addr", "context_timeout_enabled", "db", "dialer_retries", "dialer_retry_timeout", "disableIdentity", "identitySuffix", "master_name", "password",
		"replica_only", "route_by_latency", "route_by_latency_tolerance", "route_randomly", "skip_verify", "unstable_resp3", "use_disconnected_replicas", "username",
	)
)

func with(more ...string) []string { return slices.Sorted(slices.Values(slices.Concat(common, more))) }

func init() {
	config.Register("redis", []config.URLForm{
		{Scheme: "redis", Example: "redis://user:password@host:6379/0", Text: "a server, and the number of a database", Parameters: single},
		{Scheme: "rediss", Example: "rediss://user:password@host:6379/0", Text: "a server, with TLS", Parameters: single},
		{Scheme: "redis+cluster", Example: "redis+cluster://host1:7000?addr=host2:7001&addr=host3:7002", Text: "a Cluster, by some of its nodes", Parameters: cluster},
		{Scheme: "rediss+cluster", Example: "rediss+cluster://host1:7000?addr=host2:7001", Text: "a Cluster, with TLS", Parameters: cluster},
		{Scheme: "redis+sentinel", Example: "redis+sentinel://host1:26379/0?master_name=mymaster&addr=host2:26379", Text: "a primary with replicas, by the Sentinels that watch them", Parameters: sentinel},
		{Scheme: "rediss+sentinel", Example: "rediss+sentinel://host1:26379/0?master_name=mymaster", Text: "the same, with TLS", Parameters: sentinel},
	}, open)
}

func open(ctx context.Context, rawURL string, o Options, deps config.Deps) (driver.Provider, error) {
	opts := []redis.Option{redis.WithLogger(deps.Logger)}
	if o.Prefix != "" {
		opts = append(opts, redis.WithPrefix(o.Prefix))
	}
	if o.Eviction {
		opts = append(opts, redis.WithEviction())
	}
	if o.CompactTasks {
		opts = append(opts, redis.WithCompactTasks())
	}
	return redis.Open(ctx, rawURL, opts...)
}
