//go:build unix

package ledger

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/taskgen/taskgen/internal/testserver"
)

// ask talks to one Redis, past the proxies.
func ask[T any](addr string, do func(ctx context.Context, c *goredis.Client) (T, error)) (T, error) {
	c := goredis.NewClient(&goredis.Options{Addr: addr})
	defer c.Close()
	ctx, cancel := briefly()
	defer cancel()
	return do(ctx, c)
}

// info is one of the fields of INFO, or "".
func info(ctx context.Context, c *goredis.Client, field string) (string, error) {
	all, err := c.Info(ctx, "everything").Result()
	for line := range strings.Lines(all) {
		if value, ok := strings.CutPrefix(line, field+":"); ok {
			return strings.TrimSpace(value), err
		}
	}
	return "", err
}

// fullRedis has little memory left, or none: it takes writes for a while yet, and again
// when some of what it has is worked off.
func fullRedis(addrs ...string) harm {
	set := func(addr string, room int) error {
		_, err := ask(addr, func(ctx context.Context, c *goredis.Client) (none struct{}, err error) {
			if room < 0 {
				return none, c.ConfigSet(ctx, "maxmemory", "0").Err()
			}
			text, err := info(ctx, c, "used_memory")
			if err != nil {
				return none, err
			}
			used, err := strconv.Atoi(text)
			if err != nil {
				return none, err
			}
			return none, c.ConfigSet(ctx, "maxmemory", strconv.Itoa(used+room)).Err()
		})
		return err
	}
	each := func(room int) error {
		var errs []error
		for _, addr := range addrs {
			errs = append(errs, set(addr, room))
		}
		return errors.Join(errs...)
	}
	return harm{name: "fill the broker", drains: true, hold: 5 * time.Second, do: func(rng *rand.Rand) (func() error, error) {
		return func() error { return each(-1) }, each(rng.IntN(4) * 50_000)
	}}
}

// clusterHarms are done to one primary of a Redis Cluster. Its replica takes over in
// good order or not at all: what a primary has acknowledged and did not replicate is lost
// where it does so by itself, as the provider says.
func clusterHarms(s *testserver.Server, addrs []string) []harm {
	// on picks one of the pairs, and finds out which of the two is the primary.
	on := func(rng *rand.Rand, do func(primary, replica int) (func() error, error)) (func() error, error) {
		half := len(addrs) / 2
		one := rng.IntN(half)
		two := one + half
		role, err := role(addrs[one])
		if err != nil {
			return nil, err
		}
		if role != "master" {
			one, two = two, one
		}
		return do(one, two)
	}
	return []harm{
		fullRedis(addrs...),
		{name: "fail a primary over", network: true, do: func(rng *rand.Rand) (func() error, error) {
			return on(rng, func(_, replica int) (func() error, error) { return healed, failOver(addrs[replica]) })
		}},
		{name: "kill a primary", network: true, hold: lease, do: func(rng *rand.Rand) (func() error, error) {
			return on(rng, func(primary, _ int) (func() error, error) {
				m := s.Member(primary)
				return m.Restart, m.Kill()
			})
		}},
		{name: "freeze a primary", network: true, hold: 2 * lease, do: func(rng *rand.Rand) (func() error, error) {
			return on(rng, func(primary, _ int) (func() error, error) {
				m := s.Member(primary)
				return m.Thaw, m.Freeze()
			})
		}},
	}
}

func role(addr string) (string, error) {
	return ask(addr, func(ctx context.Context, c *goredis.Client) (string, error) { return info(ctx, c, "role") })
}

// failOver makes a replica the primary. It asks until that is done: after a fault the
// nodes need a while to hear of one another.
func failOver(replica string) error {
	_, err := ask(replica, func(ctx context.Context, c *goredis.Client) (none struct{}, err error) {
		for ctx.Err() == nil {
			asked := c.ClusterFailover(ctx).Err()
			for end := time.Now().Add(6 * time.Second); asked == nil && time.Now().Before(end) && pause(ctx, 20*time.Millisecond) == nil; {
				if is, err := info(ctx, c, "role"); err == nil && is == "master" {
					return none, nil
				}
			}
			_ = pause(ctx, 200*time.Millisecond)
		}
		return none, fmt.Errorf("the replica %s did not take over: %w", replica, ctx.Err())
	})
	return err
}
