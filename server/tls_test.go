package server_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"net/http"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	"github.com/taskgen/taskgen/proto/taskgen/v1/taskgenv1connect"
	"github.com/taskgen/taskgen/server"
)

// An authority issues certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{t: t}
	made := a.issue(&x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	a.cert, a.key = made.Leaf, made.PrivateKey.(*ecdsa.PrivateKey)
	return a
}

// issue signs a certificate; the first one by itself.
func (a *authority) issue(template *x509.Certificate) tls.Certificate {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.t, err)
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	require.NoError(a.t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(a.t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

func (a *authority) forServer() tls.Certificate {
	return a.issue(&x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
}

func (a *authority) forClient() tls.Certificate {
	return a.issue(&x509.Certificate{Subject: pkix.Name{CommonName: "shop"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
}

// listTypes calls a server by TLS, and returns the version of HTTP that was spoken.
func listTypes(t *testing.T, address string, cfg *tls.Config, opts ...connect.ClientOption) (proto string, err error) {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: cfg, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		res, err := transport.RoundTrip(r)
		if err == nil {
			proto = res.Proto
		}
		return res, err
	})}
	_, err = taskgenv1connect.NewQueueMonitoringServiceClient(client, "https://"+address, opts...).ListTypes(bounded(t), &v1.ListTypesRequest{})
	return proto, err
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestAServerSpeaksTLS(t *testing.T) {
	ca := newAuthority(t, "ours")
	s := start(t, server.Config{Tokens: tokens(), TLS: &tls.Config{Certificates: []tls.Certificate{ca.forServer()}}})
	for _, speaks := range []connect.ClientOption{connect.WithProtoJSON(), connect.WithGRPC()} {
		proto, err := listTypes(t, s.addr, &tls.Config{RootCAs: ca.pool()}, speaks, bearer(viewerToken))
		require.NoError(t, err)
		assert.Equal(t, "HTTP/2.0", proto)
	}
	_, err := listTypes(t, s.addr, &tls.Config{RootCAs: ca.pool()})
	assert.Equal(t, connect.CodeUnauthenticated, connect.CodeOf(err), "TLS takes no token's place: %v", err)
	_, err = listTypes(t, s.addr, &tls.Config{RootCAs: newAuthority(t, "another").pool()}, bearer(viewerToken))
	require.ErrorContains(t, err, "unknown authority")
	_, err = taskgenv1connect.NewQueueMonitoringServiceClient(s.client(), s.url(), bearer(viewerToken)).ListTypes(bounded(t), &v1.ListTypesRequest{})
	require.Error(t, err, "it does not speak HTTP without TLS beside it")
}

func TestMutualTLSLetsInWhoHasACertificate(t *testing.T) {
	ca, clients := newAuthority(t, "ours"), newAuthority(t, "clients")
	var log logBuffer
	s := start(t, server.Config{Tokens: tokens(), Logger: log.logger(), TLS: &tls.Config{
		Certificates: []tls.Certificate{ca.forServer()}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients.pool(),
	}})
	with := func(certs ...tls.Certificate) *tls.Config {
		return &tls.Config{RootCAs: ca.pool(), Certificates: certs}
	}
	_, err := listTypes(t, s.addr, with(clients.forClient()), bearer(viewerToken))
	require.NoError(t, err)
	_, err = listTypes(t, s.addr, with(clients.forClient()))
	assert.Equal(t, connect.CodeUnauthenticated, connect.CodeOf(err), "a certificate takes no token's place: %v", err)
	_, err = listTypes(t, s.addr, with(), bearer(viewerToken))
	require.Error(t, err)
	_, err = listTypes(t, s.addr, with(ca.forClient()), bearer(viewerToken))
	require.Error(t, err, "a certificate of another authority")
	s.stop()
	assert.Contains(t, log.String(), "TLS handshake error", "the server's logger has it")
}

func TestTLSWithoutACertificateServesNothing(t *testing.T) {
	s := newServer(t, server.Config{TLS: &tls.Config{}})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.Error(t, s.ServeOn(context.Background(), ln))
	require.ErrorIs(t, ln.Close(), net.ErrClosed, "the listener is closed all the same")
}
