//go:build unix

package ledger

import (
	"flag"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
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
