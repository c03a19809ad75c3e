package testserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
)

const redisVariable = "TASKGEN_TEST_REDIS_URL"

const getRedis = `redis-server is not on PATH. Get Redis 6.2 or later, or Valkey:
    Debian, Ubuntu   sudo apt-get install redis-server
    Fedora           sudo dnf install valkey valkey-compat-redis
    macOS            brew install redis
or let ` + redisVariable + ` name a Redis that runs already`

// Redis starts a Redis with an append-only file, which keeps every write through
// a kill. The arguments are added to its command line, as in
// Redis("--appendfsync", "always").
func Redis(args ...string) (*Server, error) {
	if s := external(redisVariable); s != nil {
		return s, nil
	}
	return start("redis", func(dir string) (plan, error) { return redisPlan(dir, args...) })
}

func redisPlan(dir string, args ...string) (plan, error) {
	ports, err := freePorts(1)
	if err != nil {
		return plan{}, err
	}
	d, err := redisDaemon("redis", dir, ports[0], args...)
	return plan{"redis://" + loopback(ports[0]), []*daemon{d}}, err
}

// redisDaemon is one redis-server with its data in dir.
func redisDaemon(name, dir string, port int, args ...string) (*daemon, error) {
	exe, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, errors.New(getRedis)
	}
	argv := []string{
		exe, "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", dir, "--daemonize", "no",
		"--save", "", "--appendonly", "yes", "--maxmemory-policy", "noeviction",
	}
	return &daemon{name: name, argv: append(argv, args...), ready: func(ctx context.Context, d *daemon) error {
		return redisReady(ctx, loopback(port), d.pid)
	}}, nil
}

// redisReady asks for INFO, which tells the process and whether it has loaded its
// data.
func redisReady(ctx context.Context, addr string, pid int) error {
	info, err := redisAsk(ctx, addr, "INFO")
	if err != nil {
		return err
	}
	for _, line := range []string{fmt.Sprintf("process_id:%d\r\n", pid), "loading:0\r\n"} {
		if !strings.Contains(info, line) {
			return fmt.Errorf("INFO does not say %q", line)
		}
	}
	return nil
}

// dial connects, for as long as ctx lasts.
func dial(ctx context.Context, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp4", addr)
	if err != nil {
		return nil, err
	}
	if end, ok := ctx.Deadline(); ok {
		err = conn.SetDeadline(end)
	}
	return conn, err
}
