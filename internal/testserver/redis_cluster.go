package testserver

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	// clusterNodes is the least that a Redis Cluster takes.
	clusterNodes = 3
	clusterSlots = 16384
)

// RedisCluster starts a Redis Cluster of three primaries, which share the slots
// evenly (Redis 7 or later, or Valkey). URL is that of one node, with the others as
// its parameters addr. The arguments are added to the command line of each.
func RedisCluster(args ...string) (*Server, error) {
	if s := external("TASKGEN_TEST_REDIS_CLUSTER_URL"); s != nil {
		return s, nil
	}
	return start("redis-cluster", func(dir string) (plan, error) {
		ports, err := freePorts(2 * clusterNodes)
		if err != nil {
			return plan{}, err
		}
		nodes, buses := ports[:clusterNodes], ports[clusterNodes:]
		p := plan{url: "redis+cluster://" + loopback(nodes[0]) + "?addr=" + loopback(nodes[1]) + "&addr=" + loopback(nodes[2])}
		for i, port := range nodes {
			name := "node" + strconv.Itoa(i)
			home := filepath.Join(dir, name)
			if err := os.Mkdir(home, 0o700); err != nil {
				return plan{}, err
			}
			more := []string{"--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(buses[i]), "--cluster-node-timeout", "2000"}
			d, err := redisDaemon(name, home, port, append(more, args...)...)
			if err != nil {
				return plan{}, err
			}
			p.daemons = append(p.daemons, d)
		}
		// The last one is ready when the whole cluster is.
		last := p.daemons[clusterNodes-1]
		alone := last.ready
		last.ready = func(ctx context.Context, d *daemon) error {
			if err := alone(ctx, d); err != nil {
				return err
			}
			return formCluster(ctx, nodes, buses)
		}
		return p, nil
	})
}

// formCluster makes a cluster of nodes that are none yet, and says whether it
// works. It may be repeated.
func formCluster(ctx context.Context, nodes, buses []int) error {
	var bad []error
	for i, port := range nodes {
		info, err := redisAsk(ctx, loopback(port), "CLUSTER INFO")
		if err != nil {
			return err
		}
		if strings.Contains(info, "cluster_slots_assigned:0\r\n") {
			first, end := i*clusterSlots/len(nodes), (i+1)*clusterSlots/len(nodes)
			if _, err := redisAsk(ctx, loopback(port), fmt.Sprintf("CLUSTER ADDSLOTSRANGE %d %d", first, end-1)); err != nil {
				return err
			}
		}
		if i > 0 && strings.Contains(info, "cluster_known_nodes:1\r\n") {
			if _, err := redisAsk(ctx, loopback(port), fmt.Sprintf("CLUSTER MEET 127.0.0.1 %d %d", nodes[0], buses[0])); err != nil {
				return err
			}
		}
		for _, want := range []string{"cluster_state:ok", fmt.Sprintf("cluster_known_nodes:%d", len(nodes))} {
			if !strings.Contains(info, want+"\r\n") {
				bad = append(bad, fmt.Errorf("node %d does not say %s yet", i, want))
			}
		}
	}
	return errors.Join(bad...)
}

// RedisSentinel starts a Sentinel that watches the primary at the address, under
// the name "mymaster", and decides alone that it is gone: after a second without an
// answer. URL is a client's way to the primary by way of the Sentinel.
func RedisSentinel(primary string) (*Server, error) {
	host, port, err := net.SplitHostPort(primary)
	if err != nil {
		return nil, err
	}
	return start("redis-sentinel", func(dir string) (plan, error) {
		ports, err := freePorts(1)
		if err != nil {
			return plan{}, err
		}
		conf := filepath.Join(dir, "sentinel.conf") // which Sentinel writes into
		text := "sentinel monitor mymaster " + host + " " + port + " 1\n" +
			"sentinel down-after-milliseconds mymaster 1000\n" +
			"sentinel failover-timeout mymaster 5000\n"
		if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
			return plan{}, err
		}
		d, err := redisDaemon("sentinel", dir, ports[0])
		if err != nil {
			return plan{}, err
		}
		d.argv = []string{d.argv[0], conf, "--sentinel", "--port", strconv.Itoa(ports[0]), "--bind", "127.0.0.1", "--daemonize", "no"}
		d.ready = func(ctx context.Context, d *daemon) error {
			info, err := redisAsk(ctx, loopback(ports[0]), "INFO")
			if err != nil {
				return err
			}
			for _, line := range []string{fmt.Sprintf("process_id:%d\r\n", d.pid), "status=ok"} {
				if !strings.Contains(info, line) {
					return fmt.Errorf("INFO does not say %q", line)
				}
			}
			return nil
		}
		return plan{"redis+sentinel://" + loopback(ports[0]) + "?master_name=mymaster", []*daemon{d}}, nil
	})
}

// redisAsk sends one command to the Redis at an address, and returns its answer as
// text.
func redisAsk(ctx context.Context, addr, command string) (string, error) {
	conn, err := dial(ctx, addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, command+"\r\n"); err != nil {
		return "", err
	}
	r := bufio.NewReader(conn)
	head, err := r.ReadString('\n')
	if err != nil {
		return "", err
	}
	head = strings.TrimSpace(head)
	switch {
	case strings.HasPrefix(head, "+"):
		return head[1:], nil
	case strings.HasPrefix(head, "$"):
		size, err := strconv.Atoi(head[1:])
		if err != nil || size < 0 {
			return "", fmt.Errorf("%s: the answer begins with %q", command, head)
		}
		text := make([]byte, size)
		_, err = io.ReadFull(r, text)
		return string(text), err
	}
	return "", fmt.Errorf("%s: %s", command, head)
}
