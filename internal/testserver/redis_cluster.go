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
	// clusterPrimaries is the least that a Redis Cluster takes.
	clusterPrimaries = 3
	clusterSlots     = 16384
)

// RedisCluster starts a Redis Cluster of three primaries, which share the slots
// evenly (Redis 7 or later, or Valkey). URL is that of one node, with the others as
// its parameters addr. The arguments are added to the command line of each.
func RedisCluster(args ...string) (*Server, error) {
	if s := external("TASKGEN_TEST_REDIS_CLUSTER_URL"); s != nil {
		return s, nil
	}
	return redisCluster(clusterPrimaries, args)
}

// ReplicatedRedisCluster is [RedisCluster] with a replica of each primary. They are
// the nodes 3 to 5, in the order of the primaries, until a failover swaps the two.
// Replicas take over only where CLUSTER FAILOVER tells them to.
func ReplicatedRedisCluster() (*Server, error) {
	return redisCluster(2*clusterPrimaries, []string{"--cluster-replica-no-failover", "yes", "--repl-diskless-sync-delay", "0"})
}

func redisCluster(size int, args []string) (*Server, error) {
	return start("redis-cluster", func(dir string) (plan, error) {
		ports, err := freePorts(2 * size)
		if err != nil {
			return plan{}, err
		}
		nodes, buses := ports[:size], ports[size:]
		p := plan{url: "redis+cluster://" + loopback(nodes[0])}
		for i, port := range nodes {
			if i > 0 {
				p.url += map[bool]string{true: "?", false: "&"}[i == 1] + "addr=" + loopback(port)
			}
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
		last := p.daemons[size-1]
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
		if i < clusterPrimaries && strings.Contains(info, "cluster_slots_assigned:0\r\n") {
			first, end := i*clusterSlots/clusterPrimaries, (i+1)*clusterSlots/clusterPrimaries
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
	if len(bad) == 0 && len(nodes) > clusterPrimaries {
		bad = append(bad, replicate(ctx, nodes))
	}
	return errors.Join(bad...)
}

// replicate makes a node without slots the replica of a primary, and says whether each
// node knows that: a primary accepts no failover from one that it does not know for its
// replica.
func replicate(ctx context.Context, nodes []int) error {
	var bad []error
	for i, port := range nodes {
		all, err := redisAsk(ctx, loopback(port), "CLUSTER NODES")
		if err != nil {
			return err
		}
		replicas := 0
		for line := range strings.Lines(all) {
			f := strings.Fields(line) // id, address, flags, primary, ping, pong, epoch, link, slots…
			if strings.Contains(f[2], "slave") {
				replicas++
			}
			if idle := len(f) == 8 && strings.Contains(f[2], "myself,master"); !idle {
				continue
			}
			id, err := redisAsk(ctx, loopback(nodes[i%clusterPrimaries]), "CLUSTER MYID")
			if err != nil {
				return err
			}
			if _, err := redisAsk(ctx, loopback(port), "CLUSTER REPLICATE "+id); err != nil {
				return err
			}
		}
		info, err := redisAsk(ctx, loopback(port), "INFO replication")
		if err != nil {
			return err
		}
		linked := strings.Contains(info, "master_link_status:up") || strings.Contains(info, "connected_slaves:1")
		if want := len(nodes) - clusterPrimaries; replicas != want || !linked {
			bad = append(bad, fmt.Errorf("node %d knows %d replicas of %d yet, and has replicated: %t", i, replicas, want, linked))
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
