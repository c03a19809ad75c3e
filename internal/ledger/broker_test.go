//go:build unix

package ledger

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"path/filepath"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/taskgen/taskgen/internal/sqsfake"
	"github.com/taskgen/taskgen/internal/testserver"
	"github.com/taskgen/taskgen/runtime"
)

// A broker is where the tasks are.
type broker struct {
	// address of the provider, and target, the host:port in it. Without a target nothing
	// stands between a process and the tasks.
	address, target string
	harms           []harm
	close           func() error
}

// A harm is a fault that can be done. It begins at once, and ends by heal.
type harm struct {
	name    string
	network bool // it disturbs connections
	hold    time.Duration
	do      func(rng *rand.Rand) (heal func() error, err error)
}

// through is the address by way of a proxy.
func (b *broker) through(proxy string) string {
	u, err := url.Parse(b.address)
	if err != nil {
		return b.address
	}
	if endpoint := u.Query().Get("endpoint"); endpoint != "" {
		q := u.Query()
		q.Set("endpoint", "http://"+proxy)
		u.RawQuery = q.Encode()
		return u.String()
	}
	u.Host = proxy
	return u.String()
}

// startBroker starts the broker of a provider, for nobody else.
func startBroker(provider, dir string) (*broker, error) {
	switch provider {
	case "sqlite":
		return &broker{address: filepath.Join(dir, "tasks.db"), close: func() error { return nil }}, nil
	case "sqs":
		return startFake()
	}
	start := map[string]func() (*testserver.Server, error){
		"redis":    func() (*testserver.Server, error) { return testserver.Redis() },
		"rabbitmq": func() (*testserver.Server, error) { return testserver.RabbitMQ() },
		"nats":     func() (*testserver.Server, error) { return testserver.NATS() },
	}[provider]
	if start == nil {
		return nil, fmt.Errorf("ledger: no broker for the provider %q", provider)
	}
	s, err := start()
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(s.URL)
	if err != nil {
		return nil, err
	}
	b := &broker{address: s.URL, target: u.Host, close: s.Stop}
	b.harms = []harm{
		{"restart the broker", true, 0, func(*rand.Rand) (func() error, error) { return healed, s.Restart() }},
		{"kill the broker", true, 2 * time.Second, func(*rand.Rand) (func() error, error) { return s.Restart, s.Kill() }},
		{"freeze the broker", true, 6 * time.Second, func(*rand.Rand) (func() error, error) { return s.Thaw, s.Freeze() }},
	}
	if provider == "redis" {
		b.harms = append(b.harms, fullRedis(s.URL))
	}
	return b, nil
}

func healed() error { return nil }

// fullRedis is a Redis that takes no writes for want of memory.
func fullRedis(address string) harm {
	set := func(limit string) error {
		o, err := goredis.ParseURL(address)
		if err != nil {
			return err
		}
		c := goredis.NewClient(o)
		defer c.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		return c.ConfigSet(ctx, "maxmemory", limit).Err()
	}
	return harm{"fill the broker", false, 3 * time.Second, func(*rand.Rand) (func() error, error) {
		return func() error { return set("0") }, set("1mb")
	}}
}

// startFake starts a server that stands in for SQS. It keeps its messages in this
// process, so that it is not killed; it throttles, and loses requests and answers.
func startFake() (*broker, error) {
	s := sqsfake.New(runtime.SystemClock)
	if err := s.Start(); err != nil {
		return nil, err
	}
	u, err := url.Parse(s.URL())
	if err != nil {
		return nil, err
	}
	b := &broker{address: "sqs://us-east-1?endpoint=" + url.QueryEscape(s.URL()), target: u.Host, close: func() error { s.Stop(); return nil }}
	hook := func(name string, network bool, fault func(rng *rand.Rand, c sqsfake.Call) sqsfake.Fault) harm {
		return harm{name, network, 4 * time.Second, func(rng *rand.Rand) (func() error, error) {
			seed := rng.Uint64()
			s.SetHook(func(c sqsfake.Call) sqsfake.Fault {
				return fault(rand.New(rand.NewPCG(seed, rand.Uint64())), c)
			})
			return func() error { s.SetHook(nil); return nil }, nil
		}}
	}
	b.harms = []harm{
		hook("throttle requests", false, func(rng *rand.Rand, _ sqsfake.Call) (f sqsfake.Fault) {
			if rng.IntN(3) == 0 {
				f.Error = sqsfake.Throttled()
			}
			return f
		}),
		hook("throttle entries", false, func(rng *rand.Rand, c sqsfake.Call) (f sqsfake.Fault) {
			for i := range c.Entries {
				if rng.IntN(3) == 0 {
					if f.Entries == nil {
						f.Entries = make(map[int]*sqsfake.Error)
					}
					f.Entries[i] = sqsfake.Throttled()
				}
			}
			return f
		}),
		hook("lose answers", true, func(rng *rand.Rand, _ sqsfake.Call) (f sqsfake.Fault) {
			f.DropReply = rng.IntN(4) == 0
			return f
		}),
	}
	return b, nil
}
