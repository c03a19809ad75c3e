package redis

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/internal/faultproxy"
	"github.com/taskgen/taskgen/internal/testserver"
	"github.com/taskgen/taskgen/runtime/driver"
)

// openLimit is what Open may take to say what is wrong: a second or two, and what
// a busy machine adds.
const openLimit = 8 * time.Second

const secret = "s3cr3tpw"

// refusedBy opens a provider, and checks that it fails in time, with what to do,
// and without the password.
func refusedBy(t *testing.T, url string, want ...string) {
	t.Helper()
	began := time.Now()
	p, err := Open(within(t), url)
	if err == nil {
		_ = p.Close()
	}
	require.Error(t, err)
	assert.Less(t, time.Since(began), openLimit)
	for _, text := range want {
		assert.ErrorContains(t, err, text)
	}
	assert.NotContains(t, err.Error(), secret)
}

func addrOf(url string) string { return strings.TrimPrefix(strings.Split(url, "?")[0], "redis://") }

func TestOpenSaysWhatIsWrongWithTheAddress(t *testing.T) {
	t.Parallel()
	s := own(t)
	host := addrOf(s.URL)
	ctx := t.Context()
	c := admin(t, s.URL)
	require.NoError(t, c.Do(ctx, "ACL", "SETUSER", "worker", "on", ">"+secret, "~*", "&*", "+@all").Err())
	require.NoError(t, c.Do(ctx, "ACL", "SETUSER", "off", "off", ">"+secret, "~*", "+@all").Err())
	open(t, "redis://worker:"+secret+"@"+host)

	t.Run("nobody there", func(t *testing.T) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		gone := ln.Addr().String()
		require.NoError(t, ln.Close())
		refusedBy(t, "redis://worker:"+secret+"@"+gone, gone+" cannot be reached", "connection refused")
		refusedBy(t, "rediss://worker:"+secret+"@"+gone, gone+" cannot be reached", "connection refused")
		refusedBy(t, "redis+cluster://worker:"+secret+"@"+gone, gone+" cannot be reached", "connection refused")
		refusedBy(t, "redis+sentinel://worker:"+secret+"@"+gone+"/0?master_name=m", "cannot be reached", "connection refused")
	})
	t.Run("no answer", func(t *testing.T) {
		proxy, err := faultproxy.Listen(host)
		require.NoError(t, err)
		defer func() { require.NoError(t, proxy.Close()) }()
		proxy.Swallow()
		for _, scheme := range []string{"redis", "rediss", "redis+cluster"} {
			refusedBy(t, scheme+"://worker:"+secret+"@"+proxy.Addr(), "does not answer")
		}
		short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		defer cancel()
		began := time.Now()
		_, err = Open(short, "redis://"+proxy.Addr())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Less(t, time.Since(began), time.Second+500*time.Millisecond)
	})
	t.Run("password", func(t *testing.T) {
		refusedBy(t, "redis://worker:wrong@"+host, "WRONGPASS", "is wrong")
		refusedBy(t, "redis://off:"+secret+"@"+host, "WRONGPASS", "is disabled")
		locked := own(t)
		require.NoError(t, admin(t, locked.URL).ConfigSet(ctx, "requirepass", secret).Err())
		refusedBy(t, "redis://"+addrOf(locked.URL), "NOAUTH", "redis://user:password@host")
		refusedBy(t, "redis://:wrong@"+addrOf(locked.URL), "WRONGPASS", "is wrong")
		refusedBy(t, "redis+cluster://:wrong@"+addrOf(locked.URL), "WRONGPASS", "is wrong")
		open(t, "redis://:"+secret+"@"+addrOf(locked.URL))
	})
	t.Run("database", func(t *testing.T) {
		refusedBy(t, s.URL+"/99", "DB index is out of range", "databases in redis.conf")
	})
	t.Run("no cluster", func(t *testing.T) {
		refusedBy(t, "redis+cluster://"+host, "cluster support disabled", "use redis://")
	})
	t.Run("no Redis", func(t *testing.T) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer ln.Close()
		go func() {
			for {
				conn, err := ln.Accept()
				if err != nil {
					return
				}
				_, _ = conn.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
				_ = conn.Close()
			}
		}()
		refusedBy(t, "redis://worker:"+secret+"@"+ln.Addr().String(), "is not a Redis server", "HTTP/1.1 400")
	})
	t.Run("a replica", func(t *testing.T) {
		host, port, _ := strings.Cut(host, ":")
		replica := own(t, "--replicaof", host, port)
		require.Eventually(t, func() bool {
			info, err := admin(t, replica.URL).Info(ctx, "replication").Result()
			return err == nil && strings.Contains(info, "master_link_status:up")
		}, soon, 20*time.Millisecond)
		refusedBy(t, replica.URL, "is a replica", "primary")
		alone := own(t, "--replicaof", "127.0.0.1", "1", "--replica-serve-stale-data", "no")
		refusedBy(t, alone.URL, "replica", "primary")
		// Where INFO is not permitted, HELLO tells.
		require.NoError(t, admin(t, alone.URL).Do(ctx, "ACL", "SETUSER", "blind", "on", ">"+secret, "~*", "&*", "+@all", "-info").Err())
		refusedBy(t, "redis://blind:"+secret+"@"+addrOf(alone.URL), "is a replica", "primary")
	})
	t.Run("a Sentinel", func(t *testing.T) {
		sentinel, err := testserver.RedisSentinel(host)
		require.NoError(t, err)
		defer func() { require.NoError(t, sentinel.Stop()) }()
		at := strings.Split(strings.TrimPrefix(sentinel.URL, "redis+sentinel://"), "/")[0]
		at = strings.Split(at, "?")[0]
		refusedBy(t, "redis://"+at, "is a Sentinel", "redis+sentinel://")
		refusedBy(t, "redis+sentinel://"+at+"/0?master_name=nobody", "master")
	})
	t.Run("a Cluster", func(t *testing.T) {
		cluster, err := sharedCluster()
		require.NoError(t, err)
		o, _, err := clusterOptions(cluster.URL)
		require.NoError(t, err)
		refusedBy(t, "redis://"+o.Addrs[0], "node of a Cluster", "redis+cluster://")
		client := goredis.NewClient(&goredis.Options{Addr: o.Addrs[0]})
		t.Cleanup(func() { require.NoError(t, client.Close()) })
		p, err := New(client)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, p.Close()) })
		_, err = p.Open(ctx, driver.QueueConfig{Name: "q"})
		require.ErrorContains(t, err, "NewClusterClient")
	})
	t.Run("permissions", func(t *testing.T) {
		require.NoError(t, c.Do(ctx, "ACL", "SETUSER", "weak", "on", ">"+secret, "~*", "&*", "+@all", "-evalsha", "-eval").Err())
		p := open(t, "redis://weak:"+secret+"@"+host)
		began := time.Now()
		_, err := p.Open(ctx, driver.QueueConfig{Name: "q"})
		require.ErrorContains(t, err, "NOPERM")
		require.ErrorContains(t, err, "README")
		assert.Less(t, time.Since(began), openLimit)
	})
}

func TestAServerThatLoadsItsDataIsToldOf(t *testing.T) {
	s := own(t, "--enable-debug-command", "yes")
	c := admin(t, s.URL)
	ctx := within(t)
	pipe := c.Pipeline()
	for i := range 2000 {
		pipe.Set(ctx, strconv.Itoa(i), strings.Repeat("x", 200), 0)
	}
	_, err := pipe.Exec(ctx)
	require.NoError(t, err)
	// Each key takes 5 ms to load, and the server answers in between.
	require.NoError(t, c.ConfigSet(ctx, "key-load-delay", "5000").Err())
	require.NoError(t, c.ConfigSet(ctx, "loading-process-events-interval-bytes", "1024").Err())
	require.NoError(t, c.BgRewriteAOF(ctx).Err())
	require.Eventually(t, func() bool {
		info, err := c.Info(ctx, "persistence").Result()
		return err == nil && strings.Contains(info, "aof_rewrite_in_progress:0") && strings.Contains(info, "aof_rewrite_scheduled:0")
	}, soon, 20*time.Millisecond)
	loading := make(chan error, 1)
	go func() {
		loading <- admin(t, s.URL+"?read_timeout=60s&max_retries=-1").Do(context.Background(), "DEBUG", "LOADAOF").Err()
	}()
	require.Eventually(t, func() bool {
		info, err := c.Info(ctx, "persistence").Result()
		return err == nil && strings.Contains(info, "loading:1")
	}, soon, 20*time.Millisecond)
	refusedBy(t, s.URL, "still loading its data")
	require.NoError(t, c.ConfigSet(ctx, "key-load-delay", "0").Err())
	require.NoError(t, <-loading)
	open(t, s.URL)
}

// certificate makes files with a certificate of this host, and its key.
func certificate(t *testing.T) (cert, key string) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	require.NoError(t, err)
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	require.NoError(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}), 0o600))
	return cert, key
}

// secured has a server speak TLS on another port as well, and returns the address.
func secured(t *testing.T, s *testserver.Server, cert, key string) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := ln.Addr().String()
	require.NoError(t, ln.Close())
	_, port, _ := net.SplitHostPort(addr)
	require.NoError(t, admin(t, s.URL).Do(within(t), "CONFIG", "SET", "tls-cert-file", cert, "tls-key-file", key, "tls-auth-clients", "no", "tls-port", port).Err())
	return addr
}

func TestTLSIsAskedForWhereItIsSpoken(t *testing.T) {
	cert, key := certificate(t)
	s := own(t)
	secure := secured(t, s, cert, key)
	require.NoError(t, admin(t, s.URL).ConfigSet(within(t), "requirepass", secret).Err())
	plain := addrOf(s.URL)

	refusedBy(t, "redis://:"+secret+"@"+secure, secure+" speaks TLS", "rediss://")
	refusedBy(t, "rediss://:"+secret+"@"+plain, plain+" does not speak TLS", "redis://")
	refusedBy(t, "redis+cluster://:"+secret+"@"+secure, secure+" speaks TLS", "rediss://")
	refusedBy(t, "rediss://:"+secret+"@"+secure, "certificate")
	refusedBy(t, "rediss://:wrong@"+secure+"?skip_verify=true", "WRONGPASS")

	p := open(t, "rediss://:"+secret+"@"+secure+"?skip_verify=true")
	workout(t, p, driver.QueueConfig{Name: "tls"})
}
