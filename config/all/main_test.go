package all_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/config"
	_ "github.com/taskgen/taskgen/config/all"
	"github.com/taskgen/taskgen/internal/testserver"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// emulator ends with the tests.
var emulator struct {
	once   sync.Once
	server *testserver.Server
	err    error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if emulator.server != nil {
		_ = emulator.server.Stop()
	}
	os.Exit(code)
}

// within bounds what a test may wait for.
func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func serve(t *testing.T, s *testserver.Server, err error) *testserver.Server {
	t.Helper()
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Stop()) })
	return s
}

// work opens the provider of a URL, and has a task enqueued, taken and completed there. look
// is called before the provider is closed.
func work(t *testing.T, url string, look func(p runtime.Provider), opts ...config.OpenOption) {
	t.Helper()
	ctx := within(t)
	p, err := config.OpenProvider(ctx, url, opts...)
	require.NoError(t, err)
	defer func() { assert.NoError(t, p.Close()) }()
	m := runtime.NewManager(runtime.ManagerConfig{})
	require.NoError(t, m.Open(ctx, p, runtime.QueueConfig{Name: "mail"}))
	defer func() { assert.NoError(t, m.Close()) }()

	answers, err := m.Enqueue(ctx, []*runtime.Task{{Type: "mail", Queue: "mail", Payload: []byte(`{"to":"ada"}`)}})
	require.NoError(t, err)
	q, err := m.Queue("mail")
	require.NoError(t, err)
	var ds []*driver.Delivery
	for len(ds) == 0 {
		ds, err = q.Dequeue(ctx, 1, time.Minute)
		if err != nil {
			require.ErrorIs(t, err, driver.ErrNoTasks) // the provider's own longest wait was over
			require.NoError(t, ctx.Err())
		}
	}
	assert.Equal(t, answers[0].ID, ds[0].Task.ID)
	assert.JSONEq(t, `{"to":"ada"}`, string(ds[0].Task.Payload))
	require.NoError(t, q.Complete(ctx, ds))
	if look != nil {
		look(p)
	}
}

// certificate writes a self-signed certificate for 127.0.0.1 and its key.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	require.NoError(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed}), 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
	return cert, key
}

// freePort is one that nobody listened on a moment ago.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}
