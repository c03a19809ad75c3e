package server_test

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/internal/testserver"
	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	connectv1 "github.com/taskgen/taskgen/proto/taskgen/v1/taskgenv1connect"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/redis"
	"github.com/taskgen/taskgen/server"
)

// A mail is the payload of the tasks of these tests. Its token is a secret.
type mail struct {
	To    string `json:"to"`
	Token string `json:"token,omitempty" task:"secret"`
	Once  string `json:"once,omitempty"`
}

// mailCanary is a secret that only deliveries show.
const mailCanary = "canary-0815"

// mailSpec retries so soon that a test may wait for it.
var mailSpec = &runtime.Spec[mail]{
	Type: "mail", Aliases: []string{"old-mail"}, Queue: "mails", Shape: "5a9d0b1c00fe", Secrets: []string{"/token"}, Timeout: time.Minute,
	Retry:     runtime.RetryPolicy{Max: 2, Backoff: "constant", Base: 10 * time.Millisecond},
	UniqueKey: func(m *mail) string { return m.Once },
	Schema:    `{"type":"object","properties":{"to":{"type":"string"},"token":{"type":"string","maxLength":20},"once":{"type":"string"}},"required":["to"]}`,
	Validate: func(m *mail) error {
		if m.To == "nobody" {
			return errors.New("nobody has no address")
		}
		return nil
	},
	Retention: time.Hour,
}

// aMail is a task with a secret.
func aMail(to string) *v1.NewTask {
	return &v1.NewTask{Type: "mail", Payload: `{"to":"` + to + `","token":"` + mailCanary + `"}`}
}

// queueProtocols are the ways to call the service.
var queueProtocols = map[string][]connect.ClientOption{
	"gRPC": {connect.WithGRPC()}, "gRPC-Web": {connect.WithGRPCWeb()}, "JSON": {connect.WithProtoJSON()},
}

// queueRedis is the server that all tests share.
var queueRedis = sync.OnceValues(func() (*testserver.Server, error) { return testserver.Redis() })

// A queueStore is a provider with its store of results.
type queueStore struct {
	provider runtime.Provider
	results  driver.ResultStore
}

// inMemory is a store that is empty.
func inMemory(t *testing.T) queueStore {
	t.Helper()
	p := memory.New()
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return queueStore{p, memory.NewResults()}
}

// onRedis is a store that is empty.
func onRedis(t *testing.T) queueStore {
	t.Helper()
	s, err := queueRedis()
	require.NoError(t, err)
	p, err := redis.Open(t.Context(), s.URL+"?prefix="+rand.Text())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return queueStore{p, p.Results()}
}

// A queueServer is a server of queues and clients of it.
type queueServer struct {
	*server.Server
	m        *runtime.Manager
	provider runtime.Provider
	url      string
	http     *http.Client
	stopped  chan error
}

// queues are those that each test has open.
var queues = []runtime.QueueConfig{
	{Name: "mails", Types: []string{"mail"}},
	{Name: "levels", Type: runtime.Priority, Levels: 5},
	{Name: "small", Capacity: 1},
	{Name: "short", Visibility: 1500 * time.Millisecond},
}

// The tokens of the callers.
const (
	firstToken  = "first-worker-0123456789"
	secondToken = "second-worker-0123456789"
)

// serveQueues serves the queues of a store to two callers.
func serveQueues(t *testing.T, store queueStore, edit ...func(*server.Config)) *queueServer {
	t.Helper()
	m := runtime.NewManager(runtime.ManagerConfig{Results: store.results})
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	require.NoError(t, m.Open(t.Context(), store.provider, queues...))
	return serveManager(t, m, store, edit...)
}

// serveManager is serveQueues for a manager that has queues of the store.
func serveManager(t *testing.T, m *runtime.Manager, store queueStore, edit ...func(*server.Config)) *queueServer {
	t.Helper()
	cfg := server.Config{
		Manager: m, Types: []server.Type{mailSpec}, Results: store.results, Audit: func(server.AuditRecord) {},
		Tokens: []server.Token{{Name: "first", Role: server.Operator, Secret: firstToken}, {Name: "second", Role: server.Operator, Secret: secondToken}},
	}
	for _, e := range edit {
		e(&cfg)
	}
	s, err := server.New(cfg)
	require.NoError(t, err)
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	q := &queueServer{Server: s, m: m, provider: store.provider, url: "http://" + l.Addr().String(), stopped: make(chan error, 1)}
	go func() { q.stopped <- s.ServeOn(ctx, l) }()
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	q.http = &http.Client{Transport: transport}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		stop()
		require.NoError(t, <-q.stopped)
	})
	return q
}

// as is a client with a token.
func (q *queueServer) as(token string, opts ...connect.ClientOption) connectv1.QueueServiceClient {
	return connectv1.NewQueueServiceClient(q.http, q.url, append(opts, connect.WithInterceptors(queueToken(token)))...)
}

// A queueToken sends itself with each call.
type queueToken string

func (s queueToken) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		req.Header().Set("Authorization", "Bearer "+string(s))
		return next(ctx, req)
	}
}

func (s queueToken) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return func(ctx context.Context, spec connect.Spec) connect.StreamingClientConn {
		conn := next(ctx, spec)
		conn.RequestHeader().Set("Authorization", "Bearer "+string(s))
		return conn
	}
}

func (s queueToken) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}

// clients calls test with a server and a client for each protocol.
func clients(t *testing.T, store func(*testing.T) queueStore, test func(t *testing.T, q *queueServer, c connectv1.QueueServiceClient)) {
	for name, opts := range queueProtocols {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := serveQueues(t, store(t))
			test(t, q, q.as(firstToken, opts...))
		})
	}
}

// soonEnough bounds the calls of a test.
func soonEnough(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// enqueued enqueues a task, and returns its ID.
func enqueued(t *testing.T, c connectv1.QueueServiceClient, task *v1.NewTask) string {
	t.Helper()
	res, err := c.Enqueue(soonEnough(t), &v1.EnqueueRequest{Task: task})
	require.NoError(t, err)
	return res.GetTask().GetId()
}

// dequeued leases one task.
func dequeued(t *testing.T, c connectv1.QueueServiceClient, queue string) *v1.Delivery {
	t.Helper()
	res, err := c.Dequeue(soonEnough(t), &v1.DequeueRequest{Queue: queue})
	require.NoError(t, err)
	require.Len(t, res.GetDeliveries(), 1)
	return res.GetDeliveries()[0]
}

// statsOf are the numbers of a queue.
func (q *queueServer) statsOf(t *testing.T, queue string) driver.Stats {
	t.Helper()
	open, err := q.m.Queue(queue)
	require.NoError(t, err)
	stats, err := open.Stats(soonEnough(t))
	require.NoError(t, err)
	stats.OldestAge = 0
	return stats
}
