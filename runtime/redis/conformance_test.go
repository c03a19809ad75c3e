package redis

import (
	"context"
	"fmt"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/internal/faultproxy"
	"github.com/taskgen/taskgen/internal/testserver"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/drivertest"
)

// A place is what one test of the suite has: a way to its server.
type place struct {
	network drivertest.Network
	server  *testserver.Server
}

var places sync.Map // address → *place

func placeAt(tb testing.TB, addr string) *place {
	tb.Helper()
	p, ok := places.Load(addr)
	require.True(tb, ok, "%s is the address of no test", addr)
	return p.(*place)
}

// swallowAt has the way to the server at addr swallow everything.
func swallowAt(tb testing.TB, addr string) (restore func()) {
	n := placeAt(tb, addr).network
	n.(interface{ Swallow() }).Swallow()
	return n.Heal
}

// newPlace makes an address on a server, with a proxy and keys of its own.
func newPlace(tb testing.TB, s *testserver.Server) string {
	tb.Helper()
	u, err := url.Parse(s.URL)
	require.NoError(tb, err)
	proxy, err := faultproxy.Listen(u.Host)
	require.NoError(tb, err)
	u.Host = proxy.Addr()
	addr := withPrefix(u.String(), newPrefix())
	places.Store(addr, &place{proxy, s})
	tb.Cleanup(func() {
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
	p, err := Open(ctx, addr)
	if err == nil {
		opened.Store(p, addr)
	}
	return p, err
}

var opened sync.Map // *Provider → its address

// trips counts the round trips of a provider.
func trips(p driver.Provider) int64 {
	addr, _ := opened.Load(p)
	at, ok := places.Load(addr)
	if !ok {
		return 0
	}
	return at.(*place).network.Trips()
}

// spoil puts a task on a queue and other bytes in the place of its value.
func spoil(tb testing.TB, addr string, q driver.Queue, body []byte) bool {
	p := open(tb, addr)
	own, err := p.Open(within(tb), q.Config())
	require.NoError(tb, err)
	one := fitting(q.Config(), fmt.Sprint("raw-", spoilt.Add(1)), 1)
	enqueue(tb, own.(*queue), one...)
	require.NoError(tb, p.client.HSet(within(tb), own.(*queue).keyspace.key(keyBody), one[0].ID, body).Err())
	return true
}

var spoilt atomic.Int64

// single is how the conformance suite gets at this provider on one server.
var single = drivertest.Harness{
	Name: "redis",
	Home: drivertest.OnServer,
	Data: func(tb testing.TB) string {
		s, err := shared()
		require.NoError(tb, err)
		return newPlace(tb, s)
	},
	Open:    openAt,
	Network: func(tb testing.TB, addr string) drivertest.Network { return placeAt(tb, addr).network },
	Swallow: swallowAt,
	Alone:   func(tb testing.TB) string { return newPlace(tb, own(tb)) },
	Restart: func(tb testing.TB, addr string) {
		s := placeAt(tb, addr).server
		ctx, cancel := context.WithTimeout(context.Background(), soon)
		defer cancel()
		_ = admin(tb, s.URL).Do(ctx, "SHUTDOWN").Err() // the connection ends without an answer
		require.NoError(tb, s.Restart())
	},
	Fill:  func(tb testing.TB, addr string) func() { return fill(tb, placeAt(tb, addr).server.URL) },
	Large: 1 << 20,
	Raw:   spoil,
	Cost:  trips,
	Crash: func(tb testing.TB, addr string) { require.NoError(tb, placeAt(tb, addr).server.Restart()) },
}

func TestTheProviderKeepsTheLaws(t *testing.T) {
	t.Parallel()
	drivertest.Run(t, single)
}
