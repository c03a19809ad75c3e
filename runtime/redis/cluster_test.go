package redis

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/internal/faultproxy"
	"github.com/taskgen/taskgen/internal/testserver"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/drivertest"
)

// sharedCluster is the cluster that most tests share; it lives as long as the
// process.
var sharedCluster = sync.OnceValues(func() (*testserver.Server, error) { return testserver.RedisCluster() })

// A web is the way to all nodes of a cluster.
type web map[string]*faultproxy.Proxy // by the address of the node

func (w web) each(f func(*faultproxy.Proxy)) {
	for _, p := range w {
		f(p)
	}
}

func (w web) Cut()                    { w.each((*faultproxy.Proxy).Cut) }
func (w web) Heal()                   { w.each((*faultproxy.Proxy).Heal) }
func (w web) Swallow()                { w.each((*faultproxy.Proxy).Swallow) }
func (w web) Mute()                   { w.each((*faultproxy.Proxy).Mute) }
func (w web) Sever(n int)             { w.each(func(p *faultproxy.Proxy) { p.Sever(n) }) }
func (w web) Delay(rtt time.Duration) { w.each(func(p *faultproxy.Proxy) { p.Delay(rtt) }) }
func (w web) Trips() (n int64) {
	w.each(func(p *faultproxy.Proxy) { n += p.Trips() })
	return n
}

// newWeb makes an address on a cluster, with a proxy for each node and keys of
// its own. The parameter via of the address says which proxy stands for which
// node: nodes name each other by their own addresses.
func newWeb(tb testing.TB, s *testserver.Server) string {
	tb.Helper()
	o, _, err := clusterOptions(s.URL)
	require.NoError(tb, err)
	w := make(web)
	addr := withPrefix(s.URL, newPrefix())
	for _, node := range o.Addrs {
		proxy, err := faultproxy.Listen(node)
		require.NoError(tb, err)
		w[node] = proxy
		addr += "&via=" + url.QueryEscape(node+">"+proxy.Addr())
	}
	places.Store(addr, &place{w, s})
	tb.Cleanup(func() {
		places.Delete(addr)
		w.each(func(p *faultproxy.Proxy) { require.NoError(tb, p.Close()) })
	})
	return addr
}

// clusterOptions reads an address of newWeb.
func clusterOptions(addr string) (*goredis.ClusterOptions, string, error) {
	u, err := url.Parse(addr)
	if err != nil {
		return nil, "", err
	}
	query := u.Query()
	via := make(map[string]string)
	for _, pair := range query["via"] {
		node, proxy, _ := strings.Cut(pair, ">")
		via[node] = proxy
	}
	prefix := query.Get("prefix")
	o := &goredis.ClusterOptions{Addrs: append([]string{u.Host}, query["addr"]...)}
	o.Dialer = func(ctx context.Context, network, node string) (net.Conn, error) {
		if len(via) > 0 {
			if node = via[node]; node == "" {
				return nil, fmt.Errorf("the address %s knows no way to the node", addr)
			}
		}
		return new(net.Dialer).DialContext(ctx, network, node)
	}
	return o, prefix, nil
}

// openWeb opens a provider on an address of newWeb.
func openWeb(addr string, _ driver.Clock) (driver.Provider, error) {
	o, prefix, err := clusterOptions(addr)
	if err != nil {
		return nil, err
	}
	p, err := New(goredis.NewClusterClient(o), WithPrefix(prefix), WithCompactTasks())
	if err != nil {
		return nil, err
	}
	p.own()
	opened.Store(p, addr)
	return p, nil
}

// clustered is how the conformance suite gets at this provider on a cluster of
// three nodes. Its servers would answer a script that touches a key which is not
// its own, or is not named in its call, with an error: the slot of each is
// checked.
var clustered = drivertest.Harness{
	Name: "redis cluster",
	Home: drivertest.OnServer,
	Data: func(tb testing.TB) string {
		s, err := sharedCluster()
		require.NoError(tb, err)
		return newWeb(tb, s)
	},
	Open:    openWeb,
	Network: func(tb testing.TB, addr string) drivertest.Network { return placeAt(tb, addr).network },
	Swallow: swallowAt,
	Alone: func(tb testing.TB) string {
		s, err := testserver.RedisCluster()
		require.NoError(tb, err)
		tb.Cleanup(func() { require.NoError(tb, s.Stop()) })
		return newWeb(tb, s)
	},
	Restart: func(tb testing.TB, addr string) { require.NoError(tb, placeAt(tb, addr).server.Restart()) },
	Crash:   func(tb testing.TB, addr string) { require.NoError(tb, placeAt(tb, addr).server.Restart()) },
	Cost:    trips,
}

func TestTheProviderKeepsTheLawsOnACluster(t *testing.T) {
	t.Parallel()
	drivertest.Run(t, clustered)
}
