package doctor_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/taskgen/taskgen/cmd/taskq/internal/doctor"
	"github.com/taskgen/taskgen/cmd/taskq/internal/exit"
	"github.com/taskgen/taskgen/cmd/taskq/internal/target"
	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	"github.com/taskgen/taskgen/proto/taskgen/v1/taskgenv1connect"
)

// A fake server answers what a test wants.
type fake struct {
	taskgenv1connect.UnimplementedQueueMonitoringServiceHandler
	taskgenv1connect.UnimplementedQueueAdminServiceHandler

	clock   func() time.Time
	queues  []*v1.ListedQueue
	health  []*v1.QueueHealth
	workers []*v1.Worker
	types   []*v1.TaskType
	role    string
}

func (f *fake) GetClusterInfo(context.Context, *v1.GetClusterInfoRequest) (*v1.GetClusterInfoResponse, error) {
	return &v1.GetClusterInfoResponse{Version: "v1", Queues: int32(len(f.queues)), Fleet: f.workers != nil, Caller: "wall", Role: f.role}, nil
}

func (f *fake) ListQueues(context.Context, *v1.ListQueuesRequest) (*v1.ListQueuesResponse, error) {
	return &v1.ListQueuesResponse{Queues: f.queues}, nil
}

func (f *fake) GetQueueHealth(context.Context, *v1.GetQueueHealthRequest) (*v1.GetQueueHealthResponse, error) {
	return &v1.GetQueueHealthResponse{Queues: f.health}, nil
}

func (f *fake) ListWorkers(context.Context, *v1.ListWorkersRequest) (*v1.ListWorkersResponse, error) {
	return &v1.ListWorkersResponse{Workers: f.workers}, nil
}

func (f *fake) ListTypes(context.Context, *v1.ListTypesRequest) (*v1.ListTypesResponse, error) {
	return &v1.ListTypesResponse{Types: f.types}, nil
}

func (f *fake) StreamMetrics(_ context.Context, _ *v1.StreamMetricsRequest, s *connect.ServerStream[v1.StreamMetricsResponse]) error {
	return s.Send(&v1.StreamMetricsResponse{At: timestamppb.New(f.clock())})
}

// examine has a doctor look at a server.
func examine(t *testing.T, f *fake, notes ...string) []doctor.Finding {
	t.Helper()
	if f.clock == nil {
		f.clock = time.Now
	}
	mux := http.NewServeMux()
	mux.Handle(taskgenv1connect.NewQueueMonitoringServiceHandler(f))
	mux.Handle(taskgenv1connect.NewQueueAdminServiceHandler(f))
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	c, err := target.Open(t.Context(), target.Options{URL: s.URL})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	found, err := doctor.Examine(t.Context(), c, notes, "v1")
	require.NoError(t, err)
	return found
}

// of are the findings about a subject that are not ok.
func of(found []doctor.Finding, subject string) (all []string) {
	for _, f := range found {
		if f.Subject == subject && f.Level != doctor.OK {
			all = append(all, string(f.Level)+" "+f.Check+": "+f.Evidence)
		}
	}
	return all
}

func TestAHealthyServerHasOnlyFindingsThatAreOK(t *testing.T) {
	now := timestamppb.Now()
	found := examine(t, &fake{
		queues:  []*v1.ListedQueue{{Info: &v1.QueueInfo{Name: "emails", Visibility: durationpb.New(time.Minute)}, Open: true}},
		workers: []*v1.Worker{{Name: "mail-1", StartedAt: now, HeartbeatAt: now}},
		types:   []*v1.TaskType{{Name: "mail", Queue: "emails", Timeout: durationpb.New(time.Minute)}},
	})
	assert.Equal(t, doctor.OK, doctor.Worst(found), found)
	assert.Len(t, found, 8, "a line for each check")
}

func TestClocksThatDifferAreFound(t *testing.T) {
	for ahead, want := range map[time.Duration]string{time.Hour: "ahead of the one of this machine", -time.Hour: "behind the one of this machine"} {
		found := examine(t, &fake{clock: func() time.Time { return time.Now().Add(ahead) }})
		assert.True(t, slices.ContainsFunc(found, func(one doctor.Finding) bool { return strings.HasSuffix(one.Evidence, want) }), found)
	}
	now := time.Now()
	found := examine(t, &fake{workers: []*v1.Worker{
		{Name: "fast", StartedAt: timestamppb.New(now.Add(time.Minute)), HeartbeatAt: timestamppb.New(now)},
		{Name: "runs", HeartbeatAt: timestamppb.New(now), Running: []*v1.RunningTask{{Since: timestamppb.New(now.Add(time.Minute))}}},
		{Name: "store", HeartbeatAt: timestamppb.New(now.Add(time.Hour))},
		{Name: "silent", HeartbeatAt: timestamppb.New(now.Add(-time.Hour))},
	}})
	assert.Equal(t, []string{"warning clocks: the worker's clock is at least 1m0s ahead of the one of the broker"}, of(found, "fast"))
	assert.Equal(t, []string{"warning clocks: the worker's clock is at least 1m0s ahead of the one of the broker"}, of(found, "runs"))
	assert.Contains(t, of(found, "store")[0], "in the future")
	assert.Contains(t, of(found, "silent")[0], "it was last heard of 1h0m0s ago")
}

func TestWhatTheCodeAndTheServerSayDifferentlyIsFound(t *testing.T) {
	found := examine(t, &fake{
		queues: []*v1.ListedQueue{
			{Info: &v1.QueueInfo{Name: "emails", Visibility: durationpb.New(30 * time.Second)}, Open: true},
			{Info: &v1.QueueInfo{Name: "elsewhere"}, Workers: 2},
		},
		types: []*v1.TaskType{
			{Name: "mail", Queue: "emails", Timeout: durationpb.New(time.Hour)}, {Name: "lost", Queue: "nowhere"}, {Name: "far", Queue: "elsewhere"},
		},
		health: []*v1.QueueHealth{{Queue: "emails", Problems: []*v1.QueueProblem{{Kind: v1.QueueProblemKind_QUEUE_PROBLEM_KIND_NO_WORKERS, Message: "5 tasks are ready"}, {Kind: 99, Message: "something new"}}}},
		role:   "viewer",
	}, "appendonly is off")
	assert.Equal(t, []string{"note leases: a run may take 1h0m0s, and the leases of the queue emails last 30s"}, of(found, "mail"))
	assert.Contains(t, of(found, "lost")[0], "warning types: the code puts its tasks on the queue nowhere")
	assert.Empty(t, of(found, "far"), "a worker has its queue")
	assert.Contains(t, of(found, "elsewhere")[0], "warning queues: workers take from the queue (2)")
	assert.Equal(t, []string{"problem health: 5 tasks are ready", "warning health: something new"}, of(found, "emails"))
	assert.Contains(t, of(found, ""), "warning broker: appendonly is off")
	assert.True(t, slices.ContainsFunc(found, func(one doctor.Finding) bool {
		return one.Level == doctor.Note && one.Evidence == "the token is that of wall, and may change nothing: its role is viewer"
	}), found)
	assert.Equal(t, doctor.Problem, doctor.Worst(found))
	for _, f := range found {
		assert.True(t, f.Level == doctor.OK || f.Advice != "" || f.Evidence == "something new", f)
	}
}

func TestAServerThatIsAwayIsAnError(t *testing.T) {
	c, err := target.Open(t.Context(), target.Options{URL: "http://127.0.0.1:1"})
	require.NoError(t, err)
	_, err = doctor.Examine(t.Context(), c, nil, "v1")
	assert.Equal(t, exit.Unavailable, exit.Of(err))
}
