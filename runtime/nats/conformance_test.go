package nats

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/internal/faultproxy"
	"github.com/taskgen/taskgen/internal/testserver"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/drivertest"
)

// An endpoint is what one test of the suite has: a way to its server.
type endpoint struct {
	proxy  *faultproxy.Proxy
	server *testserver.Server
}

var places sync.Map // address → *endpoint

func endpointAt(tb testing.TB, addr string) *endpoint {
	tb.Helper()
	p, ok := places.Load(addr)
	require.True(tb, ok, "%s is the address of no test", addr)
	return p.(*endpoint)
}

// newEndpoint makes an address on a server, with a proxy and names of its own. The
// address is a URL, and the names' prefix after #.
func newEndpoint(tb testing.TB, s *testserver.Server) string {
	tb.Helper()
	proxy, err := faultproxy.Listen(strings.TrimPrefix(s.URL, "nats://"))
	require.NoError(tb, err)
	prefix := newPrefix()
	addr := "nats://" + proxy.Addr() + "#" + prefix
	places.Store(addr, &endpoint{proxy, s})
	tb.Cleanup(func() {
		sweep(tb, s.URL, prefix)
		places.Delete(addr)
		require.NoError(tb, proxy.Close())
	})
	return addr
}

// openAt opens a provider on an address that this process made, or that the
// parent of this process did.
func openAt(addr string, _ driver.Clock) (driver.Provider, error) {
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	url, prefix, _ := strings.Cut(addr, "#")
	p, err := Open(ctx, url, WithPrefix(prefix), WithConnection(nats.ReconnectJitter(10*time.Millisecond, 10*time.Millisecond)))
	if err != nil {
		return nil, err
	}
	return p, nil
}

// fill has others take all of a server's storage, to the last kilobyte.
func fill(tb testing.TB, url string) (empty func()) {
	tb.Helper()
	nc, err := nats.Connect(url)
	require.NoError(tb, err)
	tb.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	require.NoError(tb, err)
	_, err = js.CreateStream(within(tb), jetstream.StreamConfig{Name: "others", Subjects: []string{"others"}})
	require.NoError(tb, err)
	for size := 512 << 10; size >= 256; {
		if _, err := js.Publish(within(tb), "others", make([]byte, size)); err != nil {
			require.ErrorContains(tb, err, "insufficient")
			size /= 2
		}
	}
	return func() {
		if err := js.DeleteStream(within(tb), "others"); !errors.Is(err, jetstream.ErrStreamNotFound) {
			require.NoError(tb, err)
		}
	}
}

var raws atomic.Int64 // messages of other programs up to now

// harness is how the conformance suite gets at this provider.
var harness = drivertest.Harness{
	Name: "nats",
	Home: drivertest.OnServer,
	Data: func(tb testing.TB) string {
		s, err := shared()
		require.NoError(tb, err)
		return newEndpoint(tb, s)
	},
	Open:    openAt,
	Network: func(tb testing.TB, addr string) drivertest.Network { return endpointAt(tb, addr).proxy },
	Swallow: func(tb testing.TB, addr string) func() {
		p := endpointAt(tb, addr).proxy
		p.Swallow()
		return p.Heal
	},
	Raw: func(tb testing.TB, _ string, q driver.Queue, body []byte) bool {
		publishRaw(tb, q.(*queue), fmt.Sprintf("q.r.0.-.-.raw%d", raws.Add(1)), string(body))
		return true
	},
	Large:   700 << 10,
	Alone:   func(tb testing.TB) string { return newEndpoint(tb, own(tb, "max_file_store: 32MB")) },
	Fill:    func(tb testing.TB, addr string) func() { return fill(tb, endpointAt(tb, addr).server.URL) },
	Jams:    true,
	Restart: func(tb testing.TB, addr string) { require.NoError(tb, endpointAt(tb, addr).server.Restart()) },
	Crash: func(tb testing.TB, addr string) {
		s := endpointAt(tb, addr).server
		require.NoError(tb, s.Kill())
		require.NoError(tb, s.Restart())
	},
	Cost: func(p driver.Provider) int64 { return p.(*Provider).requester.requests.Load() },
	Downgrades: map[drivertest.Law]string{
		drivertest.LeasesHold:        "the server lets an earlier holder extend a lease that has ended: only the worker's own clock prevents it",
		drivertest.StaleReceipts:     "the server knows no receipts: between processes only the worker's own clock ends its lease",
		drivertest.StatsTellTheTruth: "the server notices that a lease has ended only when a worker asks for tasks: until then the tasks of a killed worker count as leased",
		drivertest.DiesOfItsOwnRuns:  "the server may answer a fetch whose worker was killed: it counts that as a delivery, and so as a crash",
	},
}

func TestTheProviderKeepsTheLaws(t *testing.T) { drivertest.Run(t, harness) }
