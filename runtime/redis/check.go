package redis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/taskgen/taskgen/runtime/driver"
)

// check checks the servers once: whether they are what their address says, have the
// required commands, delete tasks to save memory, and keep them on disk.
func (p *Provider) check(ctx context.Context) error {
	_, err := bounded(ctx, func(ctx context.Context) (none struct{}, _ error) {
		p.checking.Lock()
		defer p.checking.Unlock()
		if p.usable {
			return none, nil
		}
		err := p.checkNow(ctx)
		p.usable = err == nil
		return none, err
	})
	var abandoned *abandonedError
	if errors.As(err, &abandoned) {
		return p.unavailable(fmt.Errorf("redis: check the server: it has not answered in time: %w", abandoned.cause))
	}
	return err
}

// checkNow is check without its memory.
func (p *Provider) checkNow(ctx context.Context) error {
	single, _ := p.client.(*redis.Client)
	if single != nil {
		if err := probe(ctx, single.Options()); err != nil {
			return fmt.Errorf("redis: %w", err)
		}
	}
	// It is alive: its answer may take longer on a busy machine.
	began := time.Now()
	limited, cancel := context.WithTimeout(ctx, retryTimeout)
	defer cancel()
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		err := p.checkAll(limited)
		again := (errors.Is(err, errTransient) || isTransient(err)) && time.Since(began) < probeTimeout
		if errors.Is(err, errReplica) && single != nil && single.Options().Addr == failover {
			again = true // Sentinels name the next primary before it is one
		}
		if !again || !sleep(limited, pause) {
			return withRemedy(err, p.client)
		}
	}
}

// checkAll checks all servers once. The client of a Cluster says late, and only in
// general, that nodes are unreachable: checkAll contacts them directly as well.
func (p *Provider) checkAll(ctx context.Context) error {
	result := make(chan error, 1)
	go func() {
		_, err := request(ctx, p, func(ctx context.Context) (none struct{}, _ error) { return none, p.checkServers(ctx) })
		result <- err
	}()
	cluster, _ := p.client.(*redis.ClusterClient)
	if cluster == nil {
		return <-result
	}
	slow := time.NewTimer(tlsProbeDelay)
	defer slow.Stop()
	var err error
	select {
	case err = <-result:
		var answered redis.Error
		if err == nil || errors.Is(err, errUnusable) || errors.As(err, &answered) {
			return err
		}
	case <-slow.C:
	}
	if away := probeAny(ctx, cluster.Options()); away != nil {
		return away
	}
	if err == nil {
		err = <-result
	}
	return err
}

// probeAny is probe for the nodes of an address. One reachable node is enough.
func probeAny(ctx context.Context, o *redis.ClusterOptions) (err error) {
	for _, addr := range o.Addrs {
		one := &redis.Options{Network: "tcp", Addr: addr, TLSConfig: o.TLSConfig, Dialer: o.Dialer}
		if one.Dialer == nil {
			one.Dialer = redis.NewDialer(one)
		}
		if err = probe(ctx, one); err == nil {
			return nil
		}
		err = fmt.Errorf("redis: %w", err)
	}
	return err
}

func (p *Provider) checkServers(ctx context.Context) error {
	cluster, ok := p.client.(*redis.ClusterClient)
	if !ok {
		return p.checkServer(ctx, p.client)
	}
	var once sync.Mutex
	return cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		once.Lock()
		defer once.Unlock()
		return p.checkServer(ctx, node)
	})
}

func (p *Provider) checkServer(ctx context.Context, node server) error {
	text, err := node.Info(ctx).Result()
	if redis.HasErrorPrefix(err, "NOPERM") || redis.HasErrorPrefix(err, "unknown command") {
		p.logger().WarnContext(ctx, "redis: INFO is not permitted, so neither the version nor maxmemory-policy was checked: they must be 6.2 or later and noeviction",
			slog.Any("error", err))
		return p.judgeInfo(ctx, hello(ctx, node))
	}
	if err != nil {
		return fmt.Errorf("redis: check the server: %w", err)
	}
	info := make(map[string]string)
	for line := range strings.Lines(text) {
		if field, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[field] = value
		}
	}
	return p.judgeInfo(ctx, info)
}

// A server is a server to check.
type server interface {
	redis.Cmdable
	Do(ctx context.Context, args ...any) *redis.Cmd
}

// hello returns the little that a server tells every client about itself, or nothing.
func hello(ctx context.Context, node server) map[string]string {
	info := make(map[string]string)
	note := func(field, value any) {
		switch text(field) {
		case "version":
			info["redis_version"] = text(value)
		case "mode":
			info["redis_mode"] = text(value)
		case "role":
			info["role"] = strings.Replace(text(value), "replica", "slave", 1)
		}
	}
	switch reply, _ := node.Do(ctx, "HELLO").Result(); r := reply.(type) {
	case map[any]any:
		for field, value := range r {
			note(field, value)
		}
	case []any:
		for i := 0; i+1 < len(r); i += 2 {
			note(r[i], r[i+1])
		}
	}
	return info
}

var (
	// errUnusable marks a server that answers, and cannot be used.
	errUnusable  = errors.New("the server cannot be used")
	errReplica   = errors.New("it is a replica")
	errTransient = fmt.Errorf("%w: the server cannot be used yet", driver.ErrUnavailable)
)

// unusableError is an error of a server that cannot be used as it is.
type unusableError struct {
	text string
	as   error
}

func (e *unusableError) Error() string        { return "redis: " + e.text }
func (e *unusableError) Unwrap() error        { return e.as }
func (e *unusableError) Is(target error) bool { return target == errUnusable }

// judgeInfo decides by the reply to INFO whether a server may be used.
func (p *Provider) judgeInfo(ctx context.Context, info map[string]string) error {
	_, cluster := p.client.(*redis.ClusterClient)
	switch {
	case info["redis_mode"] == "sentinel":
		return &unusableError{isSentinel, nil}
	case info["redis_mode"] == "cluster" && !cluster:
		return &unusableError{isCluster, nil}
	case info["role"] == "slave":
		return &unusableError{isReplica, errReplica}
	case info["loading"] == "1":
		return &unusableError{fmt.Sprintf("the server is still loading its data, for about %s s more: open again when it is done", cmp.Or(info["loading_eta_seconds"], "some")), errTransient}
	}
	if version := info["redis_version"]; version != "" && !atLeast(version, 6, 2) {
		return &unusableError{fmt.Sprintf("the server is version %s: 6.2 or later is needed, or any Valkey", version), nil}
	}
	// The volatile policies delete keys with a time to live: results, but no part of a
	// queue.
	policy := info["maxmemory_policy"]
	if strings.HasPrefix(policy, "volatile-") {
		p.logger().WarnContext(ctx, "redis: the server may delete results of tasks early when its memory is full; it keeps tasks", slog.String("maxmemory-policy", policy))
	} else if policy != "" && policy != "noeviction" {
		if !p.eviction {
			return &unusableError{fmt.Sprintf("maxmemory-policy is %s, with which the server may delete tasks when its memory is full: run CONFIG SET maxmemory-policy noeviction and put it into redis.conf (on a managed service: into the parameter group), or accept the loss with WithEviction()", policy), nil}
		}
		p.logger().WarnContext(ctx, "redis: the server may delete tasks when its memory is full", slog.String("maxmemory-policy", policy))
	}
	if info["aof_enabled"] == "0" {
		p.logger().WarnContext(ctx, "redis: appendonly is off: a restart of the server loses the tasks since its last snapshot, or all of them")
	}
	return nil
}

// atLeast reports whether a version like 7.0.15 is major.minor or later. An unreadable
// version passes: the server reports missing commands soon enough.
func atLeast(version string, major, minor int) bool {
	first, rest, _ := strings.Cut(version, ".")
	second, _, _ := strings.Cut(rest, ".")
	a, err1 := strconv.Atoi(first)
	b, err2 := strconv.Atoi(second)
	return err1 != nil || err2 != nil || a > major || a == major && b >= minor
}
