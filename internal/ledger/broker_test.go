//go:build unix

package ledger

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"path/filepath"
	"time"

	"github.com/taskgen/taskgen/internal/testserver"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/sqs/sqstest"
)

// A broker is where the tasks are.
type broker struct {
	// address of the provider, and targets, each host:port in it. Without targets
	// nothing stands between a process and the tasks.
	address string
	targets []string
	harms   []harm
	// waits returns what the broker itself counts on the queues but for dead letters,
	// where a provider's Stats cannot tell all of it. It may be nil.
	waits func(ctx context.Context, prefix string) ([]string, error)
	// remains returns what is on the broker beyond what the provider says that it
	// keeps for queues without tasks.
	remains func(ctx context.Context, prefix string) ([]string, error)
	close   func() error
}

// A harm is a fault that can be done. It begins at once, and ends by heal.
type harm struct {
	name    string
	network bool          // it disturbs connections
	process bool          // it ends a process without a word, or has it stand still
	drains  bool          // what is on the queues is worked off meanwhile
	hold    time.Duration // at most; 0: it is over when it is done
	do      func(rng *rand.Rand) (heal func() error, err error)
}

// through is the address by way of proxies, one for each target.
func (b *broker) through(proxies []string) string {
	u, err := url.Parse(b.address)
	if err != nil {
		return b.address
	}
	q := u.Query()
	switch {
	case len(proxies) > 1:
		for i, node := range b.targets {
			q.Add(via, node+">"+proxies[i])
		}
	case q.Get("endpoint") != "":
		q.Set("endpoint", "http://"+proxies[0])
	default:
		u.Host = proxies[0]
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// startBroker starts the broker of a provider, for nobody else.
func startBroker(provider, dir string) (*broker, error) {
	switch provider {
	case "sqlite":
		file := filepath.Join(dir, "tasks.db")
		return &broker{address: file, remains: remainsOfSQLite(file), close: func() error { return nil }}, nil
	case "sqs":
		return startFake()
	}
	start := map[string]func() (*testserver.Server, error){
		"redis":        func() (*testserver.Server, error) { return testserver.Redis() },
		"rediscluster": testserver.ReplicatedRedisCluster,
		"rabbitmq":     func() (*testserver.Server, error) { return testserver.RabbitMQ(soonAgain) },
		"nats":         func() (*testserver.Server, error) { return testserver.NATS() },
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
	b := &broker{address: s.URL, targets: []string{u.Host}, close: s.Stop}
	b.harms = []harm{
		{name: "restart the broker", network: true, do: func(*rand.Rand) (func() error, error) { return healed, s.Restart() }},
		{name: "kill the broker", network: true, hold: 2 * time.Second, do: func(*rand.Rand) (func() error, error) { return s.Restart, s.Kill() }},
		{name: "freeze the broker", network: true, hold: 2 * lease, do: func(*rand.Rand) (func() error, error) { return s.Thaw, s.Freeze() }},
	}
	switch provider {
	case "redis":
		b.harms = append(b.harms, fullRedis(u.Host))
		b.remains = remainsOfRedis(u.Host)
	case "rediscluster":
		b.targets = nodes(u)
		b.harms = append(b.harms, clusterHarms(s, b.targets)...)
		b.remains = remainsOfRedis(b.targets...)
	case "rabbitmq":
		b.harms = append(b.harms, alarms(s)...)
		b.waits, b.remains = waitsOnRabbitMQ(s), remainsOfRabbitMQ(s)
	case "nats":
		b.remains = remainsOfNATS(s.URL)
	}
	return b, nil
}

// soonAgain has a RabbitMQ look sooner than after three minutes at delayed tasks that a
// restart has caught between two queues.
const soonAgain = "[{rabbit, [{dead_letter_worker_publisher_confirm_timeout, 20000}]}]."

func healed() error { return nil }

// briefly bounds what is asked of a broker that is well.
func briefly() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), stopped)
}

// alarms are a RabbitMQ that takes no messages, for want of memory or of disk.
func alarms(s *testserver.Server) []harm {
	alarm := func(of, command, on, off string) harm {
		set := func(limit string) error {
			ctx, cancel := briefly()
			defer cancel()
			_, err := s.RabbitMQCtl(ctx, command, limit)
			return err
		}
		return harm{name: "raise an alarm of " + of, drains: true, hold: 5 * time.Second, do: func(*rand.Rand) (func() error, error) {
			return func() error { return set(off) }, set(on)
		}}
	}
	return []harm{
		alarm("memory", "set_vm_memory_high_watermark", "0.00001", "0.6"),
		alarm("disk", "set_disk_free_limit", "1000000000000000", "50000000"),
	}
}

// startFake starts a server that stands in for SQS. It keeps its messages in this
// process, so that it is not killed; it throttles, and loses requests and answers.
func startFake() (*broker, error) {
	s := sqstest.New(driver.SystemClock)
	if err := s.Start(); err != nil {
		return nil, err
	}
	u, err := url.Parse(s.URL())
	if err != nil {
		return nil, err
	}
	b := &broker{
		address: "sqs://us-east-1?endpoint=" + url.QueryEscape(s.URL()), targets: []string{u.Host},
		remains: remainsOfSQS(s.URL()), close: func() error { s.Stop(); return nil },
	}
	hook := func(name string, network bool, fault func(rng *rand.Rand, c sqstest.Call) sqstest.Fault) harm {
		return harm{name: name, network: network, hold: 4 * time.Second, do: func(rng *rand.Rand) (func() error, error) {
			seed := rng.Uint64()
			s.SetHook(func(c sqstest.Call) sqstest.Fault {
				return fault(rand.New(rand.NewPCG(seed, rand.Uint64())), c)
			})
			return func() error { s.SetHook(nil); return nil }, nil
		}}
	}
	b.harms = []harm{
		hook("throttle requests", false, func(rng *rand.Rand, _ sqstest.Call) (f sqstest.Fault) {
			if rng.IntN(3) == 0 {
				f.Error = sqstest.Throttled()
			}
			return f
		}),
		hook("throttle entries", false, func(rng *rand.Rand, c sqstest.Call) (f sqstest.Fault) {
			for i := range c.Entries {
				if rng.IntN(3) == 0 {
					if f.Entries == nil {
						f.Entries = make(map[int]*sqstest.Error)
					}
					f.Entries[i] = sqstest.Throttled()
				}
			}
			return f
		}),
		hook("lose answers", true, func(rng *rand.Rand, _ sqstest.Call) (f sqstest.Fault) {
			f.DropReply = rng.IntN(4) == 0
			return f
		}),
	}
	return b, nil
}
