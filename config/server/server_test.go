package server_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/config"
	serverconfig "github.com/taskgen/taskgen/config/server"
	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	"github.com/taskgen/taskgen/proto/taskgen/v1/taskgenv1connect"
	"github.com/taskgen/taskgen/runtime"
)

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func code() config.Code {
	return config.Code{Queues: []runtime.QueueConfig{{Name: "mail"}}, Types: []config.TaskType{&welcomeSpec}, Logger: slog.New(slog.DiscardHandler)}
}

// build makes a program with a section server, and other sections.
func build(t *testing.T, section, others string) (*config.Program, error) {
	t.Helper()
	c, err := config.Parse("tasks.yaml", []byte("providers: {main: {url: 'memory:'}}\nserver: "+section+"\n"+others))
	require.NoError(t, err)
	return c.Build(within(t), code())
}

// run runs a program until stop is called.
func run(t *testing.T, p *config.Program) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	return func() error { cancel(); return <-done }
}

// client calls the server of a program with a token.
func client(t *testing.T, p *config.Program, token string, secured *tls.Config) *http.Client {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: secured, Protocols: new(http.Protocols)}
	transport.Protocols.SetHTTP2(secured != nil)
	transport.Protocols.SetUnencryptedHTTP2(secured == nil)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: withToken{transport, token}}
}

type withToken struct {
	next  *http.Transport
	token string
}

func (w withToken) RoundTrip(r *http.Request) (*http.Response, error) {
	r.Header.Set("Authorization", "Bearer "+w.token)
	return w.next.RoundTrip(r)
}

const (
	shopToken = "CANARY-shop-0123456789"
	deskToken = "CANARY-desk-0123456789"
	tokens    = `tokens: {shop: {role: operator, secret: ` + shopToken + `}, desk: {role: viewer, secret: ` + deskToken + `}}`
)

func TestTheSectionServesWhatTheProgramHas(t *testing.T) {
	p, err := build(t, "{listen: '127.0.0.1:0', max_request: 2kB, "+tokens+"}", "scheduler: {enabled: true}\nfleet: {provider: main}\nhistory: {provider: main}\n")
	require.NoError(t, err)
	stop := run(t, p)
	url := "http://" + serverconfig.Of(p).Addr.String()
	jobs := taskgenv1connect.NewSchedulerServiceClient(client(t, p, shopToken, nil), url, connect.WithGRPC())
	looks := taskgenv1connect.NewSchedulerServiceClient(client(t, p, deskToken, nil), url)
	wrong := taskgenv1connect.NewSchedulerServiceClient(client(t, p, "CANARY-none-0123456789", nil), url)
	request := &v1.ScheduleJobRequest{
		Id: "daily", When: &v1.When{When: &v1.When_Cron{Cron: &v1.Cron{Expression: "@daily"}}}, Task: &v1.NewTask{Type: "welcome", Payload: `{"user":"ada"}`},
	}
	_, err = jobs.ScheduleJob(within(t), request)
	require.NoError(t, err, "an operator")
	_, err = p.Scheduler.Status(within(t), "daily")
	require.NoError(t, err, "the program's own scheduler has it")
	res, err := looks.GetJobStatus(within(t), &v1.GetJobStatusRequest{Id: "daily"})
	require.NoError(t, err, "a viewer")
	assert.JSONEq(t, `{"user":"ada"}`, res.GetJob().GetTask().GetPayload())
	_, err = looks.ScheduleJob(within(t), request)
	assert.Equal(t, connect.CodePermissionDenied, connect.CodeOf(err))
	_, err = wrong.ListJobs(within(t), &v1.ListJobsRequest{})
	assert.Equal(t, connect.CodeUnauthenticated, connect.CodeOf(err))
	_, err = jobs.CancelJob(within(t), &v1.CancelJobRequest{Id: "daily", Reason: string(bytes.Repeat([]byte("x"), 3000))})
	assert.Equal(t, connect.CodeResourceExhausted, connect.CodeOf(err), "max_request")

	require.NoError(t, stop())
	_, err = net.DialTimeout("tcp", serverconfig.Of(p).Addr.String(), time.Second)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
}

func TestTheAuditRecordsOfAProgramStayInItsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	const admin = "CANARY-admin-0123456789"
	section := "{listen: '127.0.0.1:0', audit: " + path + ", tokens: {ops: {role: admin, secret: " + admin + "}}}"
	for runs := 1; runs <= 2; runs++ {
		p, err := build(t, section, "")
		require.NoError(t, err)
		stop := run(t, p)
		c := taskgenv1connect.NewQueueAdminServiceClient(client(t, p, admin, nil), "http://"+serverconfig.Of(p).Addr.String())
		_, err = c.CreateQueue(within(t), &v1.CreateQueueRequest{Queue: "orders", Reason: "for the shop"})
		require.NoError(t, err, "the server may create queues on the providers of the file")
		res, err := c.ListAuditRecords(within(t), &v1.ListAuditRecordsRequest{Subject: "orders"})
		require.NoError(t, err)
		require.Len(t, res.GetRecords(), runs)
		assert.Equal(t, "for the shop", res.GetRecords()[0].GetReason())
		require.NoError(t, stop())
	}
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.NotContains(t, string(text), "CANARY")
	_, err = build(t, "{listen: '127.0.0.1:0', audit: "+filepath.Join(path, "x")+"}", "")
	require.ErrorContains(t, err, "audit log")
}

func TestWithoutASchedulerThereAreNoJobs(t *testing.T) {
	p, err := build(t, "{listen: '127.0.0.1:0'}", "")
	require.NoError(t, err)
	stop := run(t, p)
	_, err = taskgenv1connect.NewSchedulerServiceClient(client(t, p, "", nil), "http://"+serverconfig.Of(p).Addr.String()).ListJobs(within(t), &v1.ListJobsRequest{})
	assert.Equal(t, connect.CodeUnimplemented, connect.CodeOf(err))
	require.NoError(t, stop())
}

// Scripts of a page whose name leads to 127.0.0.1 are not let in where there are no tokens.
func TestWithoutTokensARequestMustNameThisMachine(t *testing.T) {
	p, err := build(t, "{listen: '127.0.0.1:0'}", "")
	require.NoError(t, err)
	stop := run(t, p)
	r, err := http.NewRequestWithContext(within(t), http.MethodPost, "http://"+serverconfig.Of(p).Addr.String()+taskgenv1connect.QueueMonitoringServiceListTypesProcedure, bytes.NewReader([]byte("{}")))
	require.NoError(t, err)
	r.Host = "evil.example"
	r.Header.Set("Content-Type", "application/json")
	answer, err := client(t, p, "", nil).Do(r)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	assert.Equal(t, http.StatusForbidden, answer.StatusCode)
	require.NoError(t, stop())
}

func TestAnAddressThatIsTakenIsAnErrorOfBuild(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	_, err = build(t, "{listen: '"+l.Addr().String()+"'}", "")
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	require.ErrorContains(t, err, "config: tasks.yaml:2:1: ")
}

func TestAProgramThatIsNeverRunFreesTheAddress(t *testing.T) {
	p, err := build(t, "{listen: '127.0.0.1:0'}", "")
	require.NoError(t, err)
	require.NoError(t, p.Close())
	require.NoError(t, p.Close())
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", serverconfig.Of(p).Addr.String())
	require.NoError(t, err)
	require.NoError(t, l.Close())
}

func TestNothingPrintedOfAProgramShowsATokenOrTheKey(t *testing.T) {
	cert, key := certificate(t)
	var logged bytes.Buffer
	c, err := config.Parse("tasks.yaml", fmt.Appendf(nil, "providers: {main: {url: 'memory:'}}\nserver: {listen: '127.0.0.1:0', tls_cert_file: %s, tls_key_file: %s, %s}\n", cert, key, tokens))
	require.NoError(t, err)
	with := code()
	with.Logger = slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	p, err := c.Build(within(t), with)
	require.NoError(t, err)
	with.Logger.Info("built", "config", c, "server", c.Server)
	require.NoError(t, run(t, p)())
	for _, text := range []string{logged.String(), fmt.Sprintf("%v %+v %#v", c, c, c), fmt.Sprintf("%v %+v", c.Server, c.Server.Tokens)} {
		assert.NotContains(t, text, "CANARY")
		assert.NotContains(t, text, "PRIVATE KEY")
	}
}

// certificate makes a certificate for 127.0.0.1 that signs itself, and returns its files.
func certificate(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	certFile, keyFile = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	require.NoError(t, os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	return certFile, keyFile
}

func TestTheServerSpeaksTLSAndWantsCertificates(t *testing.T) {
	cert, key := certificate(t)
	p, err := build(t, fmt.Sprintf("{listen: '127.0.0.1:0', tls_cert_file: %s, tls_key_file: %s, tls_client_ca_file: %s, %s}", cert, key, cert, tokens), "")
	require.NoError(t, err)
	stop := run(t, p)
	text, err := os.ReadFile(cert)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(text))
	pair, err := tls.LoadX509KeyPair(cert, key)
	require.NoError(t, err)
	call := func(secured *tls.Config) error {
		_, err := taskgenv1connect.NewQueueMonitoringServiceClient(client(t, p, deskToken, secured), "https://"+serverconfig.Of(p).Addr.String(), connect.WithGRPC()).ListTypes(within(t), &v1.ListTypesRequest{})
		return err
	}
	require.NoError(t, call(&tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}}))
	require.Error(t, call(&tls.Config{RootCAs: roots}), "a caller without a certificate")
	require.NoError(t, stop())
}

func TestWhatIsNoCertificateIsAnErrorOfBuild(t *testing.T) {
	cert, key := certificate(t)
	for section, want := range map[string]string{
		"{listen: '127.0.0.1:0', tls_cert: x, tls_key: CANARY}":                                                  "tls_cert and tls_key: tls: failed to find any PEM data in certificate input",
		"{listen: '127.0.0.1:0', tls_cert_file: " + cert + ", tls_key: CANARY}":                                  "tls_cert and tls_key: tls: failed to find any PEM data in key input",
		"{listen: '127.0.0.1:0', tls_cert_file: " + cert + ", tls_key_file: " + key + ", tls_client_ca: CANARY}": "tls_client_ca: there is no certificate in it",
	} {
		_, err := build(t, section, "")
		require.ErrorContains(t, err, "config: tasks.yaml:2:1: "+want)
		assert.NotContains(t, err.Error(), "CANARY")
	}
}

func TestTheCatalogOfTheSectionIsServed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "taskgen.catalog.json")
	const catalog = `{"version": 1, "types": [
{"name": "alert", "queue": "mail", "template": {"version": 1, "payload": {"kind": "struct", "fields": [{"name": "Text", "shape": {"kind": "string"}}]}}}]}`
	require.NoError(t, os.WriteFile(path, []byte(catalog), 0o600))
	p, err := build(t, "{listen: '127.0.0.1:0', catalog: "+path+"}", "")
	require.NoError(t, err)
	stop := run(t, p)
	queues := taskgenv1connect.NewQueueServiceClient(client(t, p, "", nil), "http://"+serverconfig.Of(p).Addr.String())
	res, err := queues.Enqueue(within(t), &v1.EnqueueRequest{Task: &v1.NewTask{Type: "alert", Payload: `{"Text":"fire"}`}})
	require.NoError(t, err)
	assert.Equal(t, "mail", res.GetTask().GetQueue())
	require.NoError(t, stop())
}

// TestAProgramWithABadCatalogDoesNotStart holds the port that it would listen on.
func TestAProgramWithABadCatalogDoesNotStart(t *testing.T) {
	held, err := new(net.ListenConfig).Listen(within(t), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := held.Addr().String()
	require.NoError(t, held.Close())
	path := filepath.Join(t.TempDir(), "taskgen.catalog.json")
	for content, want := range map[string]string{
		`{}`:                                path + ":1: it has no version",
		"{\"version\": 1,\n":                path + ":2: ",
		"{\n\"version\": 2, \"types\": []}": path + ":2: it has version 2, and this program reads version 1",
		"{\"version\": 1, \"types\": [\n{\"name\": \"a\", \"template\": {\"version\": 1, \"refused\": \"x\"}},\n{\"name\": \"a\"}]}": path + `:3: the type "a" is there twice`,
	} {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		_, err := build(t, "{listen: '"+addr+"', catalog: "+path+"}", "")
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "taskgen", "how to mend it")
		again, err := new(net.ListenConfig).Listen(within(t), "tcp", addr)
		require.NoError(t, err, "nothing listens")
		require.NoError(t, again.Close())
	}
	_, err = build(t, "{listen: '127.0.0.1:0', catalog: none.json}", "")
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "taskgen -catalog none.json")
}
