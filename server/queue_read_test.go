package server_test

import (
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	connectv1 "github.com/taskgen/taskgen/proto/taskgen/v1/taskgenv1connect"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/history"
	"github.com/taskgen/taskgen/runtime/history/historystore"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/server"
)

// hidesCanary checks that an answer shows a payload without its secret.
func hidesCanary(t *testing.T, m proto.Message) {
	t.Helper()
	text, err := protojson.Marshal(m)
	require.NoError(t, err)
	assert.Contains(t, string(text), "••••")
	assert.NotContains(t, string(text), mailCanary)
}

func TestPeekListsAQueuePageByPageWithoutSecrets(t *testing.T) {
	clients(t, inMemory, func(t *testing.T, _ *queueServer, c connectv1.QueueServiceClient) {
		ctx := soonEnough(t)
		ids := []string{enqueued(t, c, aMail("ada")), enqueued(t, c, aMail("bob")), enqueued(t, c, aMail("cai"))}
		first, err := c.Peek(ctx, &v1.PeekRequest{Queue: "mails", Limit: 2})
		require.NoError(t, err)
		require.Len(t, first.GetTasks(), 2)
		hidesCanary(t, first)
		rest, err := c.Peek(ctx, &v1.PeekRequest{Queue: "mails", Limit: 2, Cursor: first.GetNextCursor()})
		require.NoError(t, err)
		require.Len(t, rest.GetTasks(), 1)
		assert.Empty(t, rest.GetNextCursor())
		assert.Equal(t, ids, []string{first.GetTasks()[0].GetId(), first.GetTasks()[1].GetId(), rest.GetTasks()[0].GetId()})

		dequeued(t, c, "mails")
		leased, err := c.Peek(ctx, &v1.PeekRequest{Queue: "mails", State: v1.TaskState_TASK_STATE_LEASED})
		require.NoError(t, err)
		require.Len(t, leased.GetTasks(), 1)
		assert.Equal(t, ids[0], leased.GetTasks()[0].GetId())

		_, err = c.Peek(ctx, &v1.PeekRequest{Queue: "mails", Cursor: "nonsense"})
		assert.Equal(t, connect.CodeInvalidArgument, connect.CodeOf(err))
		_, err = c.Peek(ctx, &v1.PeekRequest{Queue: "nowhere"})
		assert.Equal(t, connect.CodeNotFound, connect.CodeOf(err))
	})
}

func TestAQueueThatCannotListItsTasksSaysSo(t *testing.T) {
	store := inMemory(t)
	store.provider = &editedProvider{Provider: store.provider, edit: func(q driver.Queue) driver.Queue { return plainQueue{q} }}
	q := serveQueues(t, store)
	c := q.as(firstToken)
	id := enqueued(t, c, aMail("ada"))
	_, err := c.Peek(soonEnough(t), &v1.PeekRequest{Queue: "mails"})
	assert.Equal(t, connect.CodeUnimplemented, connect.CodeOf(err))
	_, err = c.GetTask(soonEnough(t), &v1.GetTaskRequest{Id: id})
	assert.Equal(t, connect.CodeNotFound, connect.CodeOf(err))
}

func TestGetQueueInfoDescribesAQueue(t *testing.T) {
	clients(t, inMemory, func(t *testing.T, q *queueServer, c connectv1.QueueServiceClient) {
		ctx := soonEnough(t)
		enqueued(t, c, aMail("ada"))
		open, err := q.m.Queue("mails")
		require.NoError(t, err)
		require.NoError(t, open.(driver.Pauser).Pause(ctx, time.Time{}))
		res, err := c.GetQueueInfo(ctx, &v1.GetQueueInfoRequest{Queue: "mails"})
		require.NoError(t, err)
		assert.True(t, res.GetPaused())
		assert.EqualValues(t, 1, res.GetStats().GetReady())
		assert.True(t, proto.Equal(&v1.QueueInfo{
			Name: "mails", Provider: "memory", Type: v1.QueueType_QUEUE_TYPE_STANDARD, Levels: 1, Visibility: durationpb.New(driver.DefaultVisibility),
			MaxDeliveries: driver.DefaultMaxDeliveries, Dlq: "mails-dlq", Types: []string{"mail"},
			Operations: &v1.QueueOperations{Browse: true, Cancel: true, Reschedule: true, Purge: true, Pause: true, Redrive: true, Discard: true, Delete: true},
		}, res.GetQueue()), "%v", res.GetQueue())
		_, err = c.GetQueueInfo(ctx, &v1.GetQueueInfoRequest{Queue: "nowhere"})
		assert.Equal(t, connect.CodeNotFound, connect.CodeOf(err))
	})
}

func TestGetTaskFollowsATask(t *testing.T) {
	clients(t, inMemory, func(t *testing.T, _ *queueServer, c connectv1.QueueServiceClient) {
		ctx := soonEnough(t)
		get := func(id string) *v1.GetTaskResponse {
			res, err := c.GetTask(ctx, &v1.GetTaskRequest{Id: id})
			require.NoError(t, err)
			return res
		}
		id := enqueued(t, c, aMail("ada"))
		ready := get(id)
		assert.Equal(t, v1.TaskState_TASK_STATE_READY, ready.GetState())
		assert.Equal(t, "mails", ready.GetTask().GetQueue())
		hidesCanary(t, ready)

		d := dequeued(t, c, "mails")
		leased := get(id)
		assert.Equal(t, v1.TaskState_TASK_STATE_LEASED, leased.GetState())
		assert.EqualValues(t, 1, leased.GetAttempts())
		hidesCanary(t, leased)

		_, err := c.Fail(ctx, &v1.FailRequest{Tasks: []*v1.FailedTask{{LeaseId: d.GetLeaseId(), Error: "no answer", Permanent: true}}})
		require.NoError(t, err)
		dead := get(id)
		assert.Equal(t, v1.TaskState_TASK_STATE_DEAD, dead.GetState())
		assert.Equal(t, "no answer", dead.GetFailure())
		hidesCanary(t, dead)

		id = enqueued(t, c, aMail("bob"))
		_, err = c.Complete(ctx, &v1.CompleteRequest{Tasks: []*v1.CompletedTask{{LeaseId: dequeued(t, c, "mails").GetLeaseId(), Result: `7`}}})
		require.NoError(t, err)
		done := get(id)
		assert.Equal(t, v1.TaskState_TASK_STATE_DONE, done.GetState())
		assert.Nil(t, done.GetTask())

		_, err = c.GetTask(ctx, &v1.GetTaskRequest{Id: "nobody's"})
		assert.Equal(t, connect.CodeNotFound, connect.CodeOf(err))
	})
}

func TestGetTaskShowsTheRunsOfTheHistory(t *testing.T) {
	kept := memory.NewHistory()
	began := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	require.NoError(t, kept.Add(t.Context(), []history.Record{
		{TaskID: "gone", Type: "mail", Queue: "mails", StartedAt: began, EndedAt: began.Add(time.Second), Attempt: 1, Outcome: driver.Retried, Error: "no answer", Worker: "w"},
		{TaskID: "gone", Type: "mail", Queue: "mails", StartedAt: began.Add(time.Minute), EndedAt: began.Add(time.Minute), Attempt: 2, Outcome: driver.Completed, TraceID: "abc"},
		{TaskID: "away", Type: "mail", Queue: "mails", StartedAt: began, EndedAt: began, Attempt: 1, Outcome: driver.Retried},
	}, historystore.Limits{Age: 24 * time.Hour, Bytes: 1 << 20}))
	q := serveQueues(t, inMemory(t), func(cfg *server.Config) { cfg.History = history.New(kept, history.Config{}) })
	res, err := q.as(firstToken).GetTask(soonEnough(t), &v1.GetTaskRequest{Id: "gone"})
	require.NoError(t, err)
	assert.Equal(t, v1.TaskState_TASK_STATE_DONE, res.GetState(), "no queue has it, and its last run was a success")
	require.Len(t, res.GetRuns(), 2)
	assert.Equal(t, []string{"retried", "no answer", "w"}, []string{res.GetRuns()[0].GetOutcome(), res.GetRuns()[0].GetError(), res.GetRuns()[0].GetWorker()})
	assert.True(t, began.Equal(res.GetRuns()[0].GetStartedAt().AsTime()))
	assert.Equal(t, "abc", res.GetRuns()[1].GetTraceId())

	res, err = q.as(firstToken).GetTask(soonEnough(t), &v1.GetTaskRequest{Id: "away"})
	require.NoError(t, err)
	assert.Equal(t, v1.TaskState_TASK_STATE_UNSPECIFIED, res.GetState())
}

func TestAwaitResultReturnsTheOutcome(t *testing.T) {
	clients(t, inMemory, func(t *testing.T, q *queueServer, c connectv1.QueueServiceClient) {
		ctx := soonEnough(t)
		id := enqueued(t, c, aMail("ada"))
		res, err := c.AwaitResult(ctx, &v1.AwaitResultRequest{Id: id, Wait: durationpb.New(0)})
		require.NoError(t, err)
		assert.Equal(t, v1.TaskState_TASK_STATE_UNSPECIFIED, res.GetState())

		came := make(chan *v1.AwaitResultResponse, 1)
		go func() {
			res, _ := c.AwaitResult(ctx, &v1.AwaitResultRequest{Id: id, Wait: durationpb.New(30 * time.Second)})
			came <- res
		}()
		done, err := c.Complete(ctx, &v1.CompleteRequest{Tasks: []*v1.CompletedTask{{LeaseId: dequeued(t, c, "mails").GetLeaseId(), Result: `{"sent":true}`}}})
		require.NoError(t, err)
		require.Nil(t, done.GetOutcomes()[0].GetError())
		res = <-came
		assert.Equal(t, v1.TaskState_TASK_STATE_DONE, res.GetState())
		assert.JSONEq(t, `{"sent":true}`, res.GetResult())

		id = enqueued(t, c, aMail("bob"))
		_, err = c.DeadLetter(ctx, &v1.DeadLetterRequest{LeaseIds: []string{dequeued(t, c, "mails").GetLeaseId()}, Reason: "out of ink"})
		require.NoError(t, err)
		res, err = c.AwaitResult(ctx, &v1.AwaitResultRequest{Id: id})
		require.NoError(t, err)
		assert.Equal(t, v1.TaskState_TASK_STATE_DEAD, res.GetState())
		assert.Equal(t, "out of ink", res.GetFailure())
	})
}

func TestAnEncodedResultIsNotShown(t *testing.T) {
	store := inMemory(t)
	require.NoError(t, store.results.PutResult(t.Context(), "sealed", driver.PackResult(&driver.Task{Encoding: "aes-gcm", Payload: []byte{1, 2}}), "", time.Hour))
	res, err := serveQueues(t, store).as(firstToken).AwaitResult(soonEnough(t), &v1.AwaitResultRequest{Id: "sealed"})
	require.NoError(t, err)
	assert.Equal(t, v1.TaskState_TASK_STATE_DONE, res.GetState())
	assert.Empty(t, res.GetResult())
}

func TestWithoutAStoreOfResultsNoneAreAwaited(t *testing.T) {
	q := serveQueues(t, inMemory(t), func(cfg *server.Config) { cfg.Results = nil })
	c := q.as(firstToken)
	_, err := c.AwaitResult(soonEnough(t), &v1.AwaitResultRequest{Id: "a"})
	assert.Equal(t, connect.CodeUnimplemented, connect.CodeOf(err))
	enqueued(t, c, aMail("ada"))
	res, err := c.Complete(soonEnough(t), &v1.CompleteRequest{Tasks: []*v1.CompletedTask{{LeaseId: dequeued(t, c, "mails").GetLeaseId(), Result: `1`}}})
	require.NoError(t, err)
	assert.Nil(t, res.GetOutcomes()[0].GetError(), "the result is dropped")
}
