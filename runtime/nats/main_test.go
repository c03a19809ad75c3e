package nats

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"context"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/internal/faultproxy"
	"github.com/taskgen/taskgen/internal/testserver"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/queuetest"
)

func TestMain(m *testing.M) {
	queuetest.Child(harness)
	code := m.Run()
	if shared.server != nil {
		_ = shared.server.Stop()
	}
	os.Exit(code)
}

// shared is the server of all tests that do not restart theirs.
var shared struct {
	once   sync.Once
	server *testserver.Server
	err    error
	count  atomic.Int64
}

func server(tb testing.TB) *testserver.Server {
	shared.once.Do(func() { shared.server, shared.err = testserver.NATS() })
	require.NoError(tb, shared.err)
	return shared.server
}

// harness is how the conformance suite gets at this provider. An address is a
// URL, and the prefix of the test's own after #.
var harness = queuetest.Harness{
	Name: "nats",
	Home: queuetest.OnServer,
	Data: func(tb testing.TB) string {
		p, err := faultproxy.Listen(strings.TrimPrefix(server(tb).URL, "nats://"))
		require.NoError(tb, err)
		addr := fmt.Sprintf("nats://%s#t%d-%d", p.Addr(), os.Getpid(), shared.count.Add(1))
		tb.Cleanup(func() { sweep(tb, addr); _ = p.Close() })
		return addr
	},
	Open: func(addr string, _ runtime.Clock) (runtime.Provider, error) {
		url, prefix, _ := strings.Cut(addr, "#")
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		return Open(ctx, url, WithPrefix(prefix), WithConnection(nats.ReconnectJitter(0, 0)))
	},
	Cost: func(p runtime.Provider) int64 { return p.(*Provider).wire.asked.Load() },
	Downgrades: map[queuetest.Law]string{
		queuetest.StaleReceipts:  "the server knows no receipts: the worker's own clock ends its lease",
		queuetest.NothingIsLost:  "x",
		queuetest.AcksSurviveTrouble: "x",
	},
}

// sweep removes the streams of a test.
func sweep(tb testing.TB, addr string) {
	url, prefix, _ := strings.Cut(addr, "#")
	p, err := Open(context.Background(), url, WithPrefix(prefix))
	if err != nil {
		return
	}
	defer p.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	names := p.js.StreamNames(ctx)
	for name := range names.Name() {
		if strings.HasPrefix(name, prefix+"-") {
			_ = p.js.DeleteStream(ctx, name)
		}
	}
}

func TestTheProviderKeepsTheLaws(t *testing.T) { queuetest.Run(t, harness) }
