//go:build unix

package ledger

import (
	"flag"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/taskgen/taskgen/internal/ledger/tasks"
	"github.com/taskgen/taskgen/runtime"
)

var (
	provider = flag.String("provider", "", "the only provider of TestChaos: sqlite, redis, rediscluster, sqs, rabbitmq or nats; empty: all")
	seed     = flag.Uint64("seed", 1, "what faults are drawn from; 0: a new one")
	duration = flag.Duration("for", 8*time.Second, "how long faults happen")
)

func TestMain(m *testing.M) {
	// What the AWS configuration wants to know, for the server that stands in for SQS.
	os.Setenv("AWS_ACCESS_KEY_ID", "test")
	os.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	Obey()
	flag.Parse()
	if code := m.Run(); code != 0 {
		os.Exit(code)
	}
	if err := goleak.Find(); err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
}

// TestChaos has processes work while faults happen, and compares their books.
func TestChaos(t *testing.T) {
	names := []string{*provider}
	if *provider == "" {
		names = []string{"sqlite", "redis", "rediscluster", "sqs", "rabbitmq", "nats"}
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			drawn := *seed
			if drawn == 0 {
				drawn = rand.Uint64()
			}
			t.Logf("make chaos PROVIDER=%s SEED=%d FOR=%s", name, drawn, *duration)
			found, err := Chaos{Provider: name, Seed: drawn, For: *duration, Dir: t.TempDir(), Logf: t.Logf}.Run(t.Context())
			require.NoError(t, err)
			for _, line := range found {
				assert.Fail(t, line)
			}
		})
	}
}

// TestWhatIsLeftOnABrokerIsFound leaves a task on each queue, and the lease of one.
func TestWhatIsLeftOnABrokerIsFound(t *testing.T) {
	for _, name := range []string{"sqlite", "redis", "rediscluster", "sqs", "rabbitmq", "nats"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			b, err := startBroker(name, t.TempDir())
			require.NoError(t, err)
			defer func() { require.NoError(t, b.close()) }()
			const prefix = "left"
			p, err := Open(ctx, name, b.address, prefix)
			require.NoError(t, err)
			defer func() { require.NoError(t, p.Close()) }()
			finds := func(want ...string) {
				t.Helper()
				require.Eventually(t, func() bool {
					found, err := b.remains(ctx, prefix)
					require.NoError(t, err)
					text := strings.Join(found, "; ")
					return (text == "") == (len(want) == 0) &&
						!slices.ContainsFunc(want, func(queue string) bool { return name != "sqlite" && !strings.Contains(text, queue) })
				}, stopped, 50*time.Millisecond)
			}
			var names []string
			queues, leased := make(map[string]runtime.Queue), make(map[string][]*runtime.Delivery)
			for _, cfg := range tasks.Queues() {
				q, err := p.Open(ctx, cfg)
				require.NoError(t, err)
				one := &runtime.Task{ID: "one", Type: cfg.Types[0], Queue: cfg.Name, Payload: []byte("{}")}
				if cfg.Type == runtime.FIFO {
					one.GroupKey = "group"
				}
				_, err = q.Enqueue(ctx, []*runtime.Task{one})
				require.NoError(t, err)
				names, queues[cfg.Name] = append(names, cfg.Name), q
			}
			finds(names...)
			for name, q := range queues {
				leased[name], err = q.Dequeue(ctx, 1, time.Minute)
				require.NoError(t, err)
			}
			finds(names...)
			for name, q := range queues {
				require.NoError(t, q.Complete(ctx, leased[name]))
			}
			require.NoError(t, p.Close())
			finds()
		})
	}
}
