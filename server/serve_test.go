package server_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"

	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	"github.com/taskgen/taskgen/proto/taskgen/v1/taskgenv1connect"
	"github.com/taskgen/taskgen/runtime/fleet"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/server"
)

func newServer(t *testing.T, cfg server.Config) *server.Server {
	t.Helper()
	cfg.Manager = managerOf(t)
	s, err := server.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestWithoutTokensAServerServesLoopbackAlone(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", "[::]:0", ":0", "192.0.2.1:0", "[2001:db8::1]:0", "example.com:0", "localhost.example.com:0"} {
		err := newServer(t, server.Config{}).Serve(t.Context(), address)
		require.ErrorContains(t, err, "there are no tokens: add tokens, or listen on 127.0.0.1", address)
	}
	require.ErrorContains(t, newServer(t, server.Config{}).Serve(t.Context(), "127.0.0.1"), `the address "127.0.0.1"`)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for _, address := range []string{"127.0.0.1:0", "127.1.2.3:0", "localhost:0"} {
		if err := newServer(t, server.Config{}).Serve(over, address); err != nil {
			require.ErrorIs(t, err, context.Canceled, "it may not look the name up any more")
		}
	}
	require.NoError(t, newServer(t, server.Config{Tokens: tokens()}).Serve(over, "0.0.0.0:0"), "it listens, and stops")
}

// freeAddress is one of loopback that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, ln.Close())
	return ln.Addr().String()
}

// TestWithoutTokensAServerAnswersToItsOwnNameAlone is about a page of the web whose name has
// been made to lead to this machine: its browser takes the server for the page's own origin.
func TestWithoutTokensAServerAnswersToItsOwnNameAlone(t *testing.T) {
	serve := func(cfg server.Config) string {
		s, address := newServer(t, cfg), freeAddress(t)
		ctx, cancel := context.WithCancel(t.Context())
		over := make(chan error, 1)
		go func() { over <- s.Serve(ctx, address) }()
		t.Cleanup(func() {
			cancel()
			require.NoError(t, <-over)
		})
		require.Eventually(t, func() bool {
			conn, err := net.Dial("tcp", address)
			return err == nil && conn.Close() == nil
		}, 10*time.Second, time.Millisecond)
		return address
	}
	ask := func(address, host, token string) int {
		r, err := http.NewRequestWithContext(bounded(t), http.MethodPost, "http://"+address+taskgenv1connect.QueueMonitoringServiceListTypesProcedure, strings.NewReader("{}"))
		require.NoError(t, err)
		r.Host = host
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		r.Header.Set("Authorization", "Bearer "+token)
		transport := new(http.Transport)
		defer transport.CloseIdleConnections()
		res, err := (&http.Client{Transport: transport}).Do(r)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		return res.StatusCode
	}
	open, closed := serve(server.Config{}), serve(server.Config{Tokens: tokens()})
	_, port, err := net.SplitHostPort(open)
	require.NoError(t, err)
	for _, host := range []string{open, "127.0.0.1", "localhost:" + port, "[::1]:" + port} {
		assert.Equal(t, http.StatusOK, ask(open, host, ""), host)
	}
	for _, host := range []string{"evil.example:" + port, "localhost.evil.example", "192.0.2.1"} {
		assert.Equal(t, http.StatusForbidden, ask(open, host, ""), host)
	}
	assert.Equal(t, http.StatusOK, ask(closed, "queues.example:443", viewerToken), "with tokens a proxy may give it any name")
}

func TestHealthAndReflectionAnswerGRPC(t *testing.T) {
	s := start(t, server.Config{Tokens: tokens()})
	conn, err := grpc.NewClient(s.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer conn.Close()
	ctx := metadata.AppendToOutgoingContext(bounded(t), "authorization", "Bearer "+viewerToken)

	health := healthpb.NewHealthClient(conn)
	for _, service := range []string{"", "taskgen.v1.QueueService", "taskgen.v1.QueueMonitoringService", "taskgen.v1.SchedulerService"} {
		res, err := health.Check(ctx, &healthpb.HealthCheckRequest{Service: service})
		require.NoError(t, err)
		assert.Equal(t, healthpb.HealthCheckResponse_SERVING, res.GetStatus(), service)
	}
	_, err = health.Check(bounded(t), &healthpb.HealthCheckRequest{})
	require.ErrorContains(t, err, "Unauthenticated")

	reflection, err := reflectionpb.NewServerReflectionClient(conn).ServerReflectionInfo(ctx)
	require.NoError(t, err)
	require.NoError(t, reflection.Send(&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}}))
	res, err := reflection.Recv()
	require.NoError(t, err)
	var names []string
	for _, service := range res.GetListServicesResponse().GetService() {
		names = append(names, service.GetName())
	}
	assert.Subset(t, names, []string{"taskgen.v1.QueueService", "taskgen.v1.QueueMonitoringService", "taskgen.v1.SchedulerService"})

	// One of ours, by gRPC's own client.
	types := new(v1.ListTypesResponse)
	require.NoError(t, conn.Invoke(ctx, taskgenv1connect.QueueMonitoringServiceListTypesProcedure, &v1.ListTypesRequest{}, types))
}

// TestAServerStopsWhileStreamsAreOpen must not wait for the grace of other calls.
func TestAServerStopsWhileStreamsAreOpen(t *testing.T) {
	s := start(t, server.Config{})
	conn, err := grpc.NewClient(s.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer conn.Close()
	ctx := bounded(t)
	watch, err := healthpb.NewHealthClient(conn).Watch(ctx, &healthpb.HealthCheckRequest{})
	require.NoError(t, err)
	_, err = watch.Recv()
	require.NoError(t, err)
	reflection, err := reflectionpb.NewServerReflectionClient(conn).ServerReflectionInfo(ctx)
	require.NoError(t, err)
	require.NoError(t, reflection.Send(&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}}))
	_, err = reflection.Recv()
	require.NoError(t, err)
	metrics, err := s.monitoring().StreamMetrics(ctx, &v1.StreamMetricsRequest{})
	require.NoError(t, err)
	require.True(t, metrics.Receive())

	began := time.Now()
	s.stop() // fails the test if calls were cut off
	assert.Less(t, time.Since(began), 9*time.Second)
	assert.False(t, metrics.Receive())
	assert.Equal(t, connect.CodeUnavailable, connect.CodeOf(metrics.Err()), "so that a caller comes back: %v", metrics.Err())
	require.NoError(t, metrics.Close())
}

func TestCloseEndsServing(t *testing.T) {
	s := newServer(t, server.Config{})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	over := make(chan error, 1)
	go func() { over <- s.ServeOn(context.Background(), ln) }()
	require.NoError(t, s.Close())
	require.NoError(t, <-over)
	require.ErrorIs(t, ln.Close(), net.ErrClosed)
}

// A panicStore is a fleet's store with a fault.
type panicStore struct{ fleet.Store }

func (panicStore) List(context.Context) ([]*fleet.Worker, error) { panic("a fault") }

func TestAPanicEndsItsCallAlone(t *testing.T) {
	var log logBuffer
	s := start(t, server.Config{Fleet: fleet.New(panicStore{memory.NewFleet()}, fleet.Config{}), Logger: log.logger()})
	for _, speaks := range []connect.ClientOption{connect.WithProtoJSON(), connect.WithGRPC()} {
		_, err := s.monitoring(speaks).ListWorkers(bounded(t), &v1.ListWorkersRequest{})
		assert.Equal(t, connect.CodeInternal, connect.CodeOf(err), err)
		assert.NotContains(t, err.Error(), "a fault", "what it was is in the log alone")
	}
	assert.Contains(t, log.String(), `"panic":"a fault"`)
	assert.Contains(t, log.String(), `"procedure":"/taskgen.v1.QueueMonitoringService/ListWorkers"`)
	assert.Contains(t, log.String(), "panicStore", "the stack")
	_, err := s.monitoring().ListTypes(bounded(t), &v1.ListTypesRequest{})
	require.NoError(t, err)
}
