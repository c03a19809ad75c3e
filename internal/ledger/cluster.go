package ledger

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	goredis "github.com/redis/go-redis/v9"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/redis"
)

// via is the parameter of a Redis Cluster's address that leads to a node by way of a
// proxy, as in via=NODE>PROXY: nodes name one another by their own addresses.
const via = "via"

// A clustered is a provider on a client of the program's.
type clustered struct {
	*redis.Provider
	client *goredis.ClusterClient
}

func (c clustered) Close() error { return errors.Join(c.Provider.Close(), c.client.Close()) }

// openCluster opens a provider on a Redis Cluster. It looks at no node yet.
func openCluster(address, prefix string) (runtime.Provider, error) {
	client, err := dialCluster(address)
	if err != nil {
		return nil, err
	}
	p, err := redis.New(client, redis.WithPrefix(prefix))
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return clustered{p, client}, nil
}

// dialCluster makes a client, which takes the ways that the address names.
func dialCluster(address string) (*goredis.ClusterClient, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	ways := make(map[string]string)
	for _, pair := range u.Query()[via] {
		node, proxy, _ := strings.Cut(pair, ">")
		ways[node] = proxy
	}
	o := &goredis.ClusterOptions{Addrs: nodes(u)}
	o.Dialer = func(ctx context.Context, network, node string) (net.Conn, error) {
		if len(ways) > 0 {
			proxy, ok := ways[node]
			if !ok {
				return nil, fmt.Errorf("ledger: %s knows no way to %s", address, node)
			}
			node = proxy
		}
		return new(net.Dialer).DialContext(ctx, network, node)
	}
	return goredis.NewClusterClient(o), nil
}

// nodes are all that an address of a cluster names.
func nodes(u *url.URL) []string { return slices.Insert(u.Query()["addr"], 0, u.Host) }
