package redis

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/taskgen/taskgen/runtime/driver"
)

const (
	// reachLimit is how long a server may take for its first answer when a provider
	// checks it.
	probeTimeout = 3 * time.Second
	// failoverLimit is reachLimit under Sentinel: go-redis dials a Sentinel that refuses
	// for three seconds before it says so.
	failoverTimeout = 2 * probeTimeout
	// tlsProbeDelay is how long that may take before the provider tries whether it speaks
	// TLS, or does not.
	tlsProbeDelay = 500 * time.Millisecond
)

// failover is go-redis's address of a client under Sentinel.
const failover = "FailoverClient"

// probe requests a first answer from a server, bypassing the client, which would try
// for long and report little. An error says what is wrong with the address.
func probe(ctx context.Context, o *redis.Options) error {
	limit := probeTimeout
	if o.Addr == failover {
		limit = failoverTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	type result struct {
		reply string
		err   error
	}
	first, other := make(chan result, 1), make(chan result, 1)
	go func() {
		reply, err := ping(ctx, func(ctx context.Context) (net.Conn, error) { return o.Dialer(ctx, o.Network, o.Addr) })
		first <- result{reply, err}
	}()
	secure := o.TLSConfig != nil
	pingOther := func() {
		reply, err := ping(ctx, func(ctx context.Context) (net.Conn, error) { return dialOther(ctx, o, !secure) })
		other <- result{reply, err}
	}
	hint := time.NewTimer(tlsProbeDelay)
	defer hint.Stop()
	var got result
	asked := false
	for waits := true; waits; {
		select {
		case got = <-first:
			waits = false
		case <-hint.C:
			if asked = o.Addr != failover; asked {
				go pingOther()
			}
		case r := <-other:
			if r.err == nil && answered(r.reply) {
				return errTLSMismatch(o.Addr, secure)
			}
		case <-ctx.Done():
			got, waits = result{err: ctx.Err()}, false
		}
	}
	if got.err == nil {
		return judgePing(o.Addr, got.reply)
	}
	// A server that is not there need not be asked again.
	var dialled *net.OpError
	if refused := errors.As(got.err, &dialled) && dialled.Op == "dial"; !asked && !refused && o.Addr != failover && ctx.Err() == nil {
		go pingOther()
		select {
		case r := <-other:
			if r.err == nil && answered(r.reply) {
				return errTLSMismatch(o.Addr, secure)
			}
		case <-ctx.Done():
		}
	}
	name := o.Addr
	if name == failover {
		name = "the primary that the Sentinels name"
	}
	switch {
	case o.Addr == failover && strings.Contains(got.err.Error(), redis.Nil.Error()):
		return fmt.Errorf("no Sentinel knows a primary of that name: is master_name right? %w", got.err)
	case errors.Is(got.err, context.DeadlineExceeded) || errors.Is(got.err, context.Canceled) || errors.Is(got.err, os.ErrDeadlineExceeded):
		return fmt.Errorf("%s does not answer: is that the server's address, does it run, and does a firewall let this host through? %w", name, unreached(got.err))
	case errors.Is(got.err, io.EOF):
		return fmt.Errorf("%s closes the connection without an answer: is that the port of a Redis server? %w", name, unreached(got.err))
	}
	return fmt.Errorf("%s cannot be reached: is that the server's address, and does it run? %w", name, unreached(got.err))
}

func errTLSMismatch(addr string, secure bool) error {
	if secure {
		return fmt.Errorf("%s does not speak TLS: use redis:// instead of rediss://, or a client without a TLSConfig", addr)
	}
	return fmt.Errorf("%s speaks TLS: use rediss:// instead of redis://, or a client with a TLSConfig", addr)
}

// dialOther connects with TLS if the client would not, and without if it would. It
// trusts any certificate: it sends nothing but a PING.
func dialOther(ctx context.Context, o *redis.Options, secure bool) (net.Conn, error) {
	if secure {
		return (&tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}).DialContext(ctx, o.Network, o.Addr) //nolint:gosec // see above
	}
	return new(net.Dialer).DialContext(ctx, o.Network, o.Addr)
}

// ping sends a PING over a new connection, and returns the first line of the answer.
func ping(ctx context.Context, dial func(context.Context) (net.Conn, error)) (string, error) {
	return bounded(ctx, func(ctx context.Context) (string, error) {
		conn, err := dial(ctx)
		if err != nil {
			return "", err
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(probeTimeout)); err != nil {
			return "", err
		}
		if _, err := io.WriteString(conn, "PING\r\n"); err != nil {
			return "", err
		}
		line, err := bufio.NewReader(io.LimitReader(conn, 256)).ReadString('\n')
		if line != "" {
			return strings.TrimSpace(line), nil
		}
		return "", err
	})
}

// answered reports whether a line may be the answer of a Redis server.
func answered(line string) bool { return strings.HasPrefix(line, "+") || strings.HasPrefix(line, "-") }

// judgePing decides by the answer to a PING whether to continue.
func judgePing(addr, line string) error {
	switch {
	case !answered(line):
		return fmt.Errorf("%s is not a Redis server: it answers %s", addr, strconv.QuoteToASCII(line))
	case strings.HasPrefix(line, "-DENIED"):
		return fmt.Errorf("%s accepts connections only from its own host (protected mode): set a password and bind on the server, or connect from there", addr)
	case strings.HasPrefix(line, "-ERR "+manyClients):
		return fmt.Errorf("%w: %s has no connection left: raise maxclients on the server, or lower pool_size of its clients", driver.ErrUnavailable, addr)
	}
	return nil // a server that is loading, or wants a password, tells the client more
}

// withRemedy adds the remedy to a server's refusal.
func withRemedy(err error, client redis.UniversalClient) error {
	if err == nil {
		return nil
	}
	for _, r := range refusals {
		if redis.HasErrorPrefix(err, r.prefix) {
			return fmt.Errorf("%w: %s", err, r.remedy)
		}
	}
	if _, cluster := client.(*redis.ClusterClient); !cluster && (redis.HasErrorPrefix(err, "MOVED") || redis.HasErrorPrefix(err, "ASK ") || redis.HasErrorPrefix(err, "CROSSSLOT")) {
		return fmt.Errorf("%w: %s", err, isCluster)
	}
	return err
}

const (
	isCluster  = "the server is a node of a Cluster: use redis+cluster:// in place of redis://, or a client by NewClusterClient"
	isSentinel = "the server is a Sentinel: use redis+sentinel://…?master_name=NAME in place of redis://, or a client by NewFailoverClient"
	isReplica  = "the server is a replica, which takes no tasks: use the address of its primary, or redis+sentinel:// where Sentinels know it"
)

// refusals are errors of a server, without their ERR, that a person can remedy.
var refusals = []struct{ prefix, remedy string }{
	{"WRONGPASS", "user or password of the address is wrong, or the user is disabled"},
	{"NOAUTH", "the server wants a password: use redis://user:password@host, without a user redis://:password@host"},
	{"AUTH", "the server has no password for this user: leave it out of the address, or set one on the server"},
	{"invalid password", "the password of the address is wrong"},
	{"NOPERM", "give the user the permissions that the README of this package lists (ACL SETUSER)"},
	{"DB index is out of range", "use a database that the server has (databases in redis.conf; 0 is always there)"},
	{"invalid DB index", "use a database that the server has (databases in redis.conf; 0 is always there)"},
	{"SELECT is not allowed in cluster mode", "a Cluster has database 0 alone: use redis+cluster://, without a database"},
	{"This instance has cluster support disabled", "the server is no Cluster: use redis:// in place of redis+cluster://, or a client by NewClient"},
	{"LOADING", "the server is still loading its data: open again when it is done"},
	{"MASTERDOWN", "the server is a replica without its primary: use the address of the primary"},
}
