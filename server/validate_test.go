package server_test

import (
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/types/known/durationpb"

	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	"github.com/taskgen/taskgen/server"
)

// requireViolations checks that an error names the fields of a request that are not valid.
func requireViolations(t *testing.T, err error, fields ...string) {
	t.Helper()
	var ce *connect.Error
	require.ErrorAs(t, err, &ce)
	require.Equal(t, connect.CodeInvalidArgument, ce.Code(), err)
	require.Len(t, ce.Details(), 1)
	detail, err := ce.Details()[0].Value()
	require.NoError(t, err)
	bad, ok := detail.(*errdetails.BadRequest)
	require.True(t, ok, "%T", detail)
	var got []string
	for _, v := range bad.GetFieldViolations() {
		got = append(got, v.GetField())
		assert.NotEmpty(t, v.GetDescription())
		assert.NotEmpty(t, v.GetReason())
	}
	assert.Equal(t, fields, got)
}

func TestAnInvalidRequestIsRefusedWithTheNamesOfItsFields(t *testing.T) {
	s := start(t, server.Config{Audit: func(server.AuditRecord) {}})
	for _, speaks := range []connect.ClientOption{connect.WithProtoJSON(), connect.WithGRPC(), connect.WithGRPCWeb()} {
		ctx := bounded(t)
		queues := s.queues(speaks)
		_, err := queues.Dequeue(ctx, &v1.DequeueRequest{Limit: 101})
		requireViolations(t, err, "queue", "limit")
		_, err = queues.EnqueueBatch(ctx, &v1.EnqueueBatchRequest{Tasks: []*v1.NewTask{{Type: "payment", Payload: "{}"}, {Type: "payment"}}})
		requireViolations(t, err, "tasks[1].payload")
		_, err = s.scheduler(speaks).CancelJob(ctx, &v1.CancelJobRequest{})
		requireViolations(t, err, "id")

		stream, err := s.monitoring(speaks).StreamMetrics(ctx, &v1.StreamMetricsRequest{Interval: durationpb.New(time.Millisecond)})
		require.NoError(t, err)
		assert.False(t, stream.Receive())
		requireViolations(t, stream.Err(), "interval")
		require.NoError(t, stream.Close())
	}
}

func TestWhatIsInvalidIsNotShown(t *testing.T) {
	s := start(t, server.Config{Audit: func(server.AuditRecord) {}})
	_, err := s.queues().Enqueue(bounded(t), &v1.EnqueueRequest{Task: &v1.NewTask{Payload: `{"card":"` + canary + `"}`, Delay: durationpb.New(-1)}})
	require.Equal(t, connect.CodeInvalidArgument, connect.CodeOf(err))
	assert.NotContains(t, err.Error(), canary)
}
