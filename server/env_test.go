package server_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/taskgen/taskgen/proto/taskgen/v1/taskgenv1connect"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/server"
)

// The tokens of the tests, by role.
const (
	viewerToken   = "viewer-0123456789"
	operatorToken = "operator-0123456789"
	adminToken    = "admin-0123456789"
)

func tokens() []server.Token {
	return []server.Token{
		{Name: "wall", Role: server.Viewer, Secret: viewerToken},
		{Name: "shop", Role: server.Operator, Secret: operatorToken},
		{Name: "ops", Role: server.Admin, Secret: adminToken},
	}
}

// A payment is a payload with a secret.
type payment struct {
	To   string `json:"to"`
	Card string `json:"card"`
}

var paymentSpec = &runtime.Spec[payment]{Type: "payment", Queue: "payments", Secrets: []string{"/card"}}

// managerOf is a manager with queues in memory.
func managerOf(t *testing.T, queues ...runtime.QueueConfig) *runtime.Manager {
	t.Helper()
	return managerOn(t, memory.New(), queues...)
}

func managerOn(t *testing.T, p runtime.Provider, queues ...runtime.QueueConfig) *runtime.Manager {
	t.Helper()
	m := runtime.NewManager(runtime.ManagerConfig{})
	require.NoError(t, m.Open(t.Context(), p, queues...))
	t.Cleanup(func() {
		require.NoError(t, m.Close())
		require.NoError(t, p.Close())
	})
	return m
}

// A testServer is a server that listens on loopback.
type testServer struct {
	t    *testing.T
	addr string
	stop func() // waits until it has stopped; it must do so without an error
}

// start serves what a config names until the test ends. Without a manager it has the queue
// "payments".
func start(t *testing.T, cfg server.Config) *testServer {
	t.Helper()
	if cfg.Manager == nil {
		cfg.Manager = managerOf(t, runtime.QueueConfig{Name: "payments", Types: []string{"payment"}})
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s, err := server.New(cfg)
	require.NoError(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- s.ServeOn(ctx, ln) }()
	stop := sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-over)
	})
	t.Cleanup(stop)
	return &testServer{t, ln.Addr().String(), stop}
}

func (s *testServer) url() string { return "http://" + s.addr }

// client speaks HTTP/2 without TLS, as gRPC needs it. Its connections end with the test.
func (s *testServer) client() *http.Client {
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	s.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func (s *testServer) monitoring(opts ...connect.ClientOption) taskgenv1connect.QueueMonitoringServiceClient {
	return taskgenv1connect.NewQueueMonitoringServiceClient(s.client(), s.url(), opts...)
}

func (s *testServer) queues(opts ...connect.ClientOption) taskgenv1connect.QueueServiceClient {
	return taskgenv1connect.NewQueueServiceClient(s.client(), s.url(), opts...)
}

func (s *testServer) scheduler(opts ...connect.ClientOption) taskgenv1connect.SchedulerServiceClient {
	return taskgenv1connect.NewSchedulerServiceClient(s.client(), s.url(), opts...)
}

// bearer sends a token with each call; none if it is empty.
func bearer(token string) connect.ClientOption {
	return connect.WithInterceptors(bearerInterceptor(token))
}

type bearerInterceptor string

func (b bearerInterceptor) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		b.set(req.Header())
		return next(ctx, req)
	}
}

func (b bearerInterceptor) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return func(ctx context.Context, spec connect.Spec) connect.StreamingClientConn {
		conn := next(ctx, spec)
		b.set(conn.RequestHeader())
		return conn
	}
}

func (b bearerInterceptor) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}

func (b bearerInterceptor) set(h http.Header) {
	if b != "" {
		h.Set("Authorization", "Bearer "+string(b))
	}
}

// bounded is a context that ends a test's call which hangs.
func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// A logBuffer collects logs of several goroutines.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func (b *logBuffer) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// A brokenProvider has queues in memory, of which stats changes what Stats answers.
type brokenProvider struct {
	*memory.Provider
	stats func(ctx context.Context, queue string, s driver.Stats) (driver.Stats, error)
}

func (p *brokenProvider) Open(ctx context.Context, cfg driver.QueueConfig) (driver.Queue, error) {
	q, err := p.Provider.Open(ctx, cfg)
	return &brokenQueue{q, p}, err
}

type brokenQueue struct {
	driver.Queue
	p *brokenProvider
}

func (q *brokenQueue) Stats(ctx context.Context) (driver.Stats, error) {
	s, err := q.Queue.Stats(ctx)
	if err != nil {
		return s, err
	}
	return q.p.stats(ctx, q.Config().Name, s)
}

func (q *brokenQueue) Pause(ctx context.Context, until time.Time) error {
	return q.Queue.(driver.Pauser).Pause(ctx, until)
}

func (q *brokenQueue) Resume(ctx context.Context) error { return q.Queue.(driver.Pauser).Resume(ctx) }

func (q *brokenQueue) Paused(ctx context.Context) (driver.Pause, error) {
	return q.Queue.(driver.Pauser).Paused(ctx)
}

// A pipe calls a handler in its own goroutine's time, without a connection.
type pipe struct {
	t       *testing.T
	handler http.Handler
}

func (p *pipe) Do(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	p.handler.ServeHTTP(w, r)
	return w.Result(), nil
}

func (p *pipe) monitoring() taskgenv1connect.QueueMonitoringServiceClient {
	return taskgenv1connect.NewQueueMonitoringServiceClient(p, "http://localhost", connect.WithProtoJSON())
}

// compact is a message as text, without the spaces that its library varies.
func compact(m proto.Message) string {
	return strings.Join(strings.Fields(prototext.MarshalOptions{}.Format(m)), " ")
}
