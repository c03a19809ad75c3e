package server_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"

	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	connectv1 "github.com/taskgen/taskgen/proto/taskgen/v1/taskgenv1connect"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/encrypt"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/schedule"
	"github.com/taskgen/taskgen/runtime/sqlite"
	"github.com/taskgen/taskgen/server"
)

// A report is the payload of the tasks of jobs. Its token is a secret.
type report struct {
	Reader string `json:"reader"`
	Token  string `json:"token,omitempty" task:"secret"`
}

// jobCanary is a secret that no answer may show.
const jobCanary = "canary-4711"

var reportSpec = &runtime.Spec[report]{
	Type: "report", Aliases: []string{"old-report"}, Queue: "reports", Shape: "0123456789ab", Secrets: []string{"/token"}, Retry: runtime.RetryPolicy{Max: 3},
	Schema: `{"type":"object","properties":{"reader":{"type":"string"},"token":{"type":"string","maxLength":20}},"required":["reader"]}`,
	Validate: func(r *report) error {
		if r.Reader == "nobody" {
			return errors.New("nobody reads reports")
		}
		return nil
	},
}

// jobProtocols are the ways to call the service.
var jobProtocols = map[string][]connect.ClientOption{
	"gRPC": {connect.WithGRPC()}, "gRPC-Web": {connect.WithGRPCWeb()}, "JSON": {connect.WithProtoJSON()},
}

// jobStores are the stores to keep jobs in, for one test.
func jobStores(t *testing.T) map[string]schedule.Store {
	t.Helper()
	p, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "jobs.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return map[string]schedule.Store{"memory": memory.NewJobs(), "sqlite": p.Jobs()}
}

// A jobServer is a server of jobs and its client.
type jobServer struct {
	connectv1.SchedulerServiceClient
	m *runtime.Manager
	s *schedule.Service
}

// jobManager has the queues reports and urgent.
func jobManager(t *testing.T, ring *encrypt.KeyRing) *runtime.Manager {
	t.Helper()
	var cfg runtime.ManagerConfig
	if ring != nil {
		cfg.Middleware = []runtime.EnqueueMiddleware{ring.Enqueue}
	}
	p, m := memory.New(), runtime.NewManager(cfg)
	t.Cleanup(func() { require.NoError(t, errors.Join(m.Close(), p.Close())) })
	require.NoError(t, m.Open(t.Context(), p, runtime.QueueConfig{Name: "reports"}))
	require.NoError(t, m.Open(t.Context(), p, runtime.QueueConfig{Name: "urgent", Type: runtime.Priority, Levels: 5}))
	return m
}

// serveStore serves the jobs of a store.
func serveStore(t *testing.T, store schedule.Store, ring *encrypt.KeyRing, opts ...connect.ClientOption) jobServer {
	t.Helper()
	m := jobManager(t, ring)
	s := schedule.New(store, m, schedule.Config{})
	return jobServer{serveJobs(t, m, s, opts...), m, s}
}

// serveJobs serves a scheduler, which may be nil, and returns a client.
func serveJobs(t *testing.T, m *runtime.Manager, in schedule.Scheduler, opts ...connect.ClientOption) connectv1.SchedulerServiceClient {
	t.Helper()
	s, err := server.New(server.Config{Manager: m, Scheduler: in, Types: []server.Type{reportSpec}, Audit: func(server.AuditRecord) {}})
	require.NoError(t, err)
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.ServeOn(ctx, l) }()
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		stop()
		require.NoError(t, <-served)
	})
	return connectv1.NewSchedulerServiceClient(&http.Client{Transport: transport}, "http://"+l.Addr().String(), opts...)
}

// jobWithin bounds the calls of a test.
func jobWithin(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// aReport is a task with a secret.
func aReport(reader string) *v1.NewTask {
	return &v1.NewTask{Type: "report", Payload: `{"reader":"` + reader + `","token":"` + jobCanary + `"}`}
}

func byCron(expression, zone string) *v1.When {
	return &v1.When{When: &v1.When_Cron{Cron: &v1.Cron{Expression: expression, Zone: zone}}}
}
