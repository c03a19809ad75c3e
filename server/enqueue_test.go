package server_test

import (
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	connectv1 "github.com/taskgen/taskgen/proto/taskgen/v1/taskgenv1connect"
	"github.com/taskgen/taskgen/runtime/driver"
)

func TestEnqueueTakesWhatTheSpecSaysAndWhatTheRequestOverrides(t *testing.T) {
	clients(t, inMemory, func(t *testing.T, q *queueServer, c connectv1.QueueServiceClient) {
		ctx := soonEnough(t)
		res, err := c.Enqueue(ctx, &v1.EnqueueRequest{Task: aMail("ada")})
		require.NoError(t, err)
		assert.Equal(t, "mails", res.GetTask().GetQueue())
		assert.NotEmpty(t, res.GetTask().GetId())
		assert.WithinDuration(t, time.Now(), res.GetTask().GetDueAt().AsTime(), time.Minute)

		due := time.Now().Add(time.Hour).Truncate(time.Second)
		task := aMail("bob")
		task.Type, task.Id, task.Queue, task.DueAt = "old-mail", "mine", "levels", timestamppb.New(due)
		task.Priority, task.MaxRetries, task.Timeout = proto.Int32(3), proto.Int32(0), durationpb.New(time.Second)
		task.Metadata = map[string]string{"tenant": "acme"}
		res, err = c.Enqueue(ctx, &v1.EnqueueRequest{Task: task})
		require.NoError(t, err)
		assert.Equal(t, "mine", res.GetTask().GetId())
		assert.True(t, due.Equal(res.GetTask().GetDueAt().AsTime()))

		open, err := q.m.Queue("levels")
		require.NoError(t, err)
		found, err := open.(driver.Finder).Find(ctx, "mine")
		require.NoError(t, err)
		require.Len(t, found, 1)
		got := found[0].Task
		assert.Equal(t, "mail", got.Type, "an alias is a former name: what is new has the present one")
		assert.Equal(t, 3, got.Priority)
		assert.Equal(t, 0, got.MaxRetries)
		assert.Equal(t, time.Second, got.Timeout)
		assert.Equal(t, map[string]string{"tenant": "acme"}, got.Metadata)
		assert.JSONEq(t, `{"to":"bob","token":"`+mailCanary+`"}`, string(got.Payload))
	})
}

func TestATaskThatCannotBeEnqueuedIsRefusedWithItsReason(t *testing.T) {
	clients(t, inMemory, func(t *testing.T, _ *queueServer, c connectv1.QueueServiceClient) {
		ctx := soonEnough(t)
		enqueued(t, c, &v1.NewTask{Type: "mail", Payload: `{"to":"ada"}`, Id: "taken"})
		for name, want := range map[string]struct {
			task *v1.NewTask
			code connect.Code
			says string
		}{
			"unknown type":     {&v1.NewTask{Type: "male", Payload: `{}`}, connect.CodeNotFound, `knows nothing of "male": it knows mail`},
			"unknown queue":    {&v1.NewTask{Type: "mail", Payload: `{"to":"a"}`, Queue: "nowhere"}, connect.CodeNotFound, `unknown queue "nowhere": open are`},
			"schema":           {&v1.NewTask{Type: "mail", Payload: `{"to":7,"token":"` + mailCanary + `"}`}, connect.CodeInvalidArgument, `at "/to"`},
			"secret":           {&v1.NewTask{Type: "mail", Payload: `{"to":"a","token":"` + mailCanary + mailCanary + `"}`}, connect.CodeInvalidArgument, `/token`},
			"unknown member":   {&v1.NewTask{Type: "mail", Payload: `{"to":"a","` + mailCanary + `":1}`}, connect.CodeInvalidArgument, "whose text is left out"},
			"no JSON":          {&v1.NewTask{Type: "mail", Payload: `{"to":"a"} ` + mailCanary}, connect.CodeInvalidArgument, "invalid payload"},
			"Validate":         {aMail("nobody"), connect.CodeInvalidArgument, "nobody has no address"},
			"runtime's key":    {&v1.NewTask{Type: "mail", Payload: `{"to":"a"}`, Metadata: map[string]string{"taskgen.due": "x"}}, connect.CodeInvalidArgument, `belong to the runtime`},
			"taken ID":         {&v1.NewTask{Type: "mail", Payload: `{"to":"a"}`, Id: "taken"}, connect.CodeAlreadyExists, "duplicate"},
			"level":            {&v1.NewTask{Type: "mail", Payload: `{"to":"a"}`, Priority: proto.Int32(1)}, connect.CodeInvalidArgument, "has no levels"},
			"delay and due_at": {&v1.NewTask{Type: "mail", Payload: `{"to":"a"}`, Delay: durationpb.New(1), DueAt: timestamppb.Now()}, connect.CodeInvalidArgument, "exclude each other"},
		} {
			_, err := c.Enqueue(ctx, &v1.EnqueueRequest{Task: want.task})
			require.Error(t, err, name)
			assert.Equal(t, want.code, connect.CodeOf(err), name)
			assert.ErrorContains(t, err, want.says, name)
			assert.NotContains(t, err.Error(), mailCanary, name)
		}
	})
}

func TestAnEnqueueOnAFullQueueSaysWhenToTryAgain(t *testing.T) {
	clients(t, inMemory, func(t *testing.T, _ *queueServer, c connectv1.QueueServiceClient) {
		task := aMail("ada")
		task.Queue = "small"
		enqueued(t, c, task)
		_, err := c.Enqueue(soonEnough(t), &v1.EnqueueRequest{Task: task})
		require.Equal(t, connect.CodeResourceExhausted, connect.CodeOf(err))
		var coded *connect.Error
		require.ErrorAs(t, err, &coded)
		require.Len(t, coded.Details(), 1)
		detail, err := coded.Details()[0].Value()
		require.NoError(t, err)
		assert.Equal(t, time.Second, detail.(*errdetails.RetryInfo).GetRetryDelay().AsDuration())
	})
}

func TestATaskWithATakenUniqueKeyIsADuplicate(t *testing.T) {
	clients(t, inMemory, func(t *testing.T, q *queueServer, c connectv1.QueueServiceClient) {
		task := &v1.NewTask{Type: "mail", Payload: `{"to":"ada","once":"welcome"}`}
		first := enqueued(t, c, task)
		res, err := c.Enqueue(soonEnough(t), &v1.EnqueueRequest{Task: task})
		require.NoError(t, err)
		assert.True(t, res.GetTask().GetDuplicate())
		assert.Equal(t, first, res.GetTask().GetId())
		assert.EqualValues(t, 1, q.statsOf(t, "mails").Ready)
	})
}

func TestTheGoodTasksOfABatchAreEnqueued(t *testing.T) {
	clients(t, inMemory, func(t *testing.T, q *queueServer, c connectv1.QueueServiceClient) {
		ctx := soonEnough(t)
		elsewhere := aMail("cai")
		elsewhere.Queue = "nowhere"
		res, err := c.EnqueueBatch(ctx, &v1.EnqueueBatchRequest{Tasks: []*v1.NewTask{
			aMail("ada"), {Type: "male", Payload: `{}`}, aMail("bob"), elsewhere, aMail("nobody"),
		}})
		require.NoError(t, err)
		var codes []string
		for _, o := range res.GetOutcomes() {
			codes = append(codes, o.GetError().GetCode())
			assert.Equal(t, o.GetError() == nil, o.GetTask().GetId() != "")
		}
		assert.Equal(t, []string{"", "not_found", "", "not_found", "invalid_argument"}, codes)
		assert.EqualValues(t, 2, q.statsOf(t, "mails").Ready)

		res, err = c.EnqueueBatch(ctx, &v1.EnqueueBatchRequest{Tasks: []*v1.NewTask{{Type: "male", Payload: `{}`}}})
		require.NoError(t, err)
		assert.Equal(t, "not_found", res.GetOutcomes()[0].GetError().GetCode())
	})
}

func TestPublishEnqueuesACopyOnEachQueue(t *testing.T) {
	clients(t, inMemory, func(t *testing.T, q *queueServer, c connectv1.QueueServiceClient) {
		ctx := soonEnough(t)
		res, err := c.Publish(ctx, &v1.PublishRequest{Task: aMail("ada"), Queues: []string{"mails", "nowhere", "levels"}})
		require.NoError(t, err)
		all := res.GetOutcomes()
		require.Len(t, all, 3)
		assert.Equal(t, "mails", all[0].GetTask().GetQueue())
		assert.Equal(t, "not_found", all[1].GetError().GetCode())
		assert.Equal(t, "levels", all[2].GetTask().GetQueue())
		assert.NotEqual(t, all[0].GetTask().GetId(), all[2].GetTask().GetId())
		assert.EqualValues(t, 1, q.statsOf(t, "levels").Ready)

		_, err = c.Publish(ctx, &v1.PublishRequest{Task: aMail("nobody"), Queues: []string{"mails"}})
		assert.Equal(t, connect.CodeInvalidArgument, connect.CodeOf(err))
		named := aMail("ada")
		named.Id = "mine"
		_, err = c.Publish(ctx, &v1.PublishRequest{Task: named, Queues: []string{"mails"}})
		assert.ErrorContains(t, err, "neither an ID nor a queue")
	})
}
