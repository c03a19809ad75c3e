package nats

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/taskgen/taskgen/internal/testserver"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/drivertest"
)

func TestMain(m *testing.M) {
	drivertest.Child(harness)
	goleak.VerifyTestMain(m)
}

// soon bounds every wait of a test for something that happens at once.
const soon = 2 * time.Minute

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	t.Cleanup(cancel)
	return ctx
}

// shared is the server that most tests share; it lives as long as the process.
var shared = sync.OnceValues(func() (*testserver.Server, error) { return testserver.NATS() })

var prefixes atomic.Int64

// newPrefix makes names that no other test uses.
func newPrefix() string { return fmt.Sprintf("test%d-%d", os.Getpid(), prefixes.Add(1)) }

// own starts a server for one test.
func own(t testing.TB, lines ...string) *testserver.Server {
	t.Helper()
	s, err := testserver.NATS(lines...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop()) })
	return s
}

func open(t testing.TB, url string, opts ...Option) *Provider {
	t.Helper()
	p, err := Open(within(t), url, opts...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

// openShared opens a provider with names of its own on the shared server.
func openShared(t testing.TB) *Provider {
	t.Helper()
	s, err := shared()
	require.NoError(t, err)
	prefix := newPrefix()
	t.Cleanup(func() { sweep(t, s.URL, prefix) })
	return open(t, s.URL, WithPrefix(prefix))
}

// sweep removes the streams of a test.
func sweep(t testing.TB, url, prefix string) {
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	p, err := Open(ctx, url, WithPrefix(prefix))
	if err != nil {
		return // the server is gone, and its streams with it
	}
	defer p.Close()
	names := p.js.StreamNames(ctx)
	for name := range names.Name() {
		if strings.HasPrefix(name, prefix+"-") || name == prefix+"=fleet" {
			require.NoError(t, p.js.DeleteStream(ctx, name))
		}
	}
}

func openQueue(t testing.TB, p *Provider, cfg driver.QueueConfig) *queue {
	t.Helper()
	if cfg.Name == "" {
		cfg.Name = "q"
	}
	q, err := p.Open(within(t), cfg)
	require.NoError(t, err)
	return q.(*queue)
}
