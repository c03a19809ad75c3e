package server_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	connectv1 "github.com/taskgen/taskgen/proto/taskgen/v1/taskgenv1connect"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// everywhere calls test for each protocol, on tasks in memory and on Redis.
func everywhere(t *testing.T, test func(t *testing.T, q *queueServer, c connectv1.QueueServiceClient)) {
	t.Parallel() // leases that end take their time
	for name, store := range map[string]func(*testing.T) queueStore{"memory": inMemory, "redis": onRedis} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clients(t, store, test)
		})
	}
}

// completed completes leases, and returns the codes of their errors.
func completed(t *testing.T, c connectv1.QueueServiceClient, leases ...string) []string {
	t.Helper()
	req := &v1.CompleteRequest{}
	for _, id := range leases {
		req.Tasks = append(req.Tasks, &v1.CompletedTask{LeaseId: id})
	}
	res, err := c.Complete(soonEnough(t), req)
	require.NoError(t, err)
	return codesOf(t, leases, res.GetOutcomes())
}

func codesOf(t *testing.T, leases []string, all []*v1.SettleOutcome) (codes []string) {
	t.Helper()
	require.Len(t, all, len(leases))
	for i, o := range all {
		assert.Equal(t, leases[i], o.GetLeaseId())
		codes = append(codes, o.GetError().GetCode())
	}
	return codes
}

// failed fails a lease.
func failed(t *testing.T, c connectv1.QueueServiceClient, task *v1.FailedTask) *v1.FailOutcome {
	t.Helper()
	res, err := c.Fail(soonEnough(t), &v1.FailRequest{Tasks: []*v1.FailedTask{task}})
	require.NoError(t, err)
	require.Len(t, res.GetOutcomes(), 1)
	require.Nil(t, res.GetOutcomes()[0].GetError())
	return res.GetOutcomes()[0]
}

// found is a task on a queue.
func (q *queueServer) found(t *testing.T, queue, id string) driver.Found {
	t.Helper()
	open, err := q.m.Queue(queue)
	require.NoError(t, err)
	all, err := open.(driver.Finder).Find(soonEnough(t), id)
	require.NoError(t, err)
	require.Len(t, all, 1)
	return all[0]
}

func TestADeliveryHasTheWholeTask(t *testing.T) {
	everywhere(t, func(t *testing.T, _ *queueServer, c connectv1.QueueServiceClient) {
		task := aMail("ada")
		task.Metadata = map[string]string{"tenant": "acme"}
		id := enqueued(t, c, task)
		res, err := c.Dequeue(soonEnough(t), &v1.DequeueRequest{Queue: "mails", Lease: durationpb.New(time.Hour)})
		require.NoError(t, err)
		require.Len(t, res.GetDeliveries(), 1)
		d := res.GetDeliveries()[0]
		assert.NotEmpty(t, d.GetLeaseId())
		assert.EqualValues(t, 1, d.GetAttempt())
		assert.WithinDuration(t, time.Now().Add(time.Hour), d.GetLeaseUntil().AsTime(), 5*time.Minute)
		assert.Equal(t, id, d.GetTask().GetId())
		assert.JSONEq(t, task.GetPayload(), d.GetTask().GetPayload())
		assert.Empty(t, d.GetEncodedPayload())
		assert.Equal(t, task.GetMetadata(), d.GetTask().GetMetadata())
		assert.Equal(t, mailSpec.Shape, d.GetTask().GetShape())
	})
}

func TestAnEncodedPayloadComesAsItIs(t *testing.T) {
	q := serveQueues(t, inMemory(t))
	_, err := q.m.Enqueue(t.Context(), []*runtime.Task{{Type: "mail", Queue: "mails", Payload: []byte{1, 2, 255}, Encoding: "zstd"}})
	require.NoError(t, err)
	d := dequeued(t, q.as(firstToken), "mails")
	assert.Equal(t, []byte{1, 2, 255}, d.GetEncodedPayload())
	assert.Equal(t, "zstd", d.GetTask().GetEncoding())
	assert.Empty(t, d.GetTask().GetPayload())
}

func TestDequeueReturnsNothingIfNothingBecomesDue(t *testing.T) {
	everywhere(t, func(t *testing.T, _ *queueServer, c connectv1.QueueServiceClient) {
		res, err := c.Dequeue(soonEnough(t), &v1.DequeueRequest{Queue: "mails", Wait: durationpb.New(0)})
		require.NoError(t, err)
		assert.Empty(t, res.GetDeliveries())
		_, err = c.Dequeue(soonEnough(t), &v1.DequeueRequest{Queue: "nowhere"})
		assert.Equal(t, connect.CodeNotFound, connect.CodeOf(err))
	})
}

func TestACompletedTaskIsGoneAndItsLeaseToo(t *testing.T) {
	everywhere(t, func(t *testing.T, q *queueServer, c connectv1.QueueServiceClient) {
		enqueued(t, c, aMail("ada"))
		lease := dequeued(t, c, "mails").GetLeaseId()
		assert.Equal(t, []string{"", "aborted", "aborted"}, completed(t, c, lease, lease, "none"))
		assert.Equal(t, []string{"aborted"}, completed(t, c, lease))
		assert.Equal(t, driver.Stats{}, q.statsOf(t, "mails"))
	})
}

func TestAResultThatIsNotJSONLeavesTheLease(t *testing.T) {
	clients(t, inMemory, func(t *testing.T, _ *queueServer, c connectv1.QueueServiceClient) {
		enqueued(t, c, aMail("ada"))
		lease := dequeued(t, c, "mails").GetLeaseId()
		res, err := c.Complete(soonEnough(t), &v1.CompleteRequest{Tasks: []*v1.CompletedTask{{LeaseId: lease, Result: "{"}}})
		require.NoError(t, err)
		assert.Equal(t, "invalid_argument", res.GetOutcomes()[0].GetError().GetCode())
		assert.Equal(t, []string{""}, completed(t, c, lease))
	})
}

func TestAFailedTaskIsRetriedUntilItDies(t *testing.T) {
	everywhere(t, func(t *testing.T, q *queueServer, c connectv1.QueueServiceClient) {
		id := enqueued(t, c, aMail("ada"))
		for attempt := range int32(2) {
			d := dequeued(t, c, "mails")
			require.Equal(t, attempt+1, d.GetAttempt())
			retried := failed(t, c, &v1.FailedTask{LeaseId: d.GetLeaseId(), Error: "no answer"})
			assert.False(t, retried.GetDead())
			assert.WithinDuration(t, time.Now(), retried.GetDueAt().AsTime(), time.Minute)
		}
		d := dequeued(t, c, "mails")
		assert.EqualValues(t, 3, d.GetAttempt())
		assert.EqualValues(t, 2, d.GetTask().GetRetryCount())
		dead := failed(t, c, &v1.FailedTask{LeaseId: d.GetLeaseId(), Error: "gave up"})
		assert.True(t, dead.GetDead())
		assert.Nil(t, dead.GetDueAt())

		got := q.found(t, "mails", id)
		assert.Equal(t, driver.Dead, got.State)
		meta := got.Task.Metadata
		assert.Equal(t, "gave up", meta[driver.MetaFailureReason])
		assert.Equal(t, "3", meta[driver.MetaAttempts])
		assert.Equal(t, "mails", meta[driver.MetaOriginalQueue])
		assert.Contains(t, meta[driver.MetaAttemptPrefix+"1"], " on first: no answer")
		res, err := c.AwaitResult(soonEnough(t), &v1.AwaitResultRequest{Id: id})
		require.NoError(t, err)
		assert.Equal(t, "gave up", res.GetFailure())
	})
}

func TestAWorkerMaySayWhenToRetryAndThatItIsNoUse(t *testing.T) {
	everywhere(t, func(t *testing.T, q *queueServer, c connectv1.QueueServiceClient) {
		id := enqueued(t, c, aMail("ada"))
		out := failed(t, c, &v1.FailedTask{LeaseId: dequeued(t, c, "mails").GetLeaseId(), Error: "later", RetryAfter: durationpb.New(time.Hour)})
		assert.WithinDuration(t, time.Now().Add(time.Hour), out.GetDueAt().AsTime(), 5*time.Minute)
		assert.Equal(t, driver.Scheduled, q.found(t, "mails", id).State)

		enqueued(t, c, aMail("bob"))
		out = failed(t, c, &v1.FailedTask{LeaseId: dequeued(t, c, "mails").GetLeaseId(), Error: "no such address", Permanent: true})
		assert.True(t, out.GetDead())
		assert.EqualValues(t, 1, q.statsOf(t, "mails").Dead)
	})
}

func TestATypeThatTheServerDoesNotKnowIsRetriedByTheDefaultPolicy(t *testing.T) {
	q := serveQueues(t, inMemory(t))
	_, err := q.m.Enqueue(t.Context(), []*runtime.Task{{Type: "foreign", Queue: "mails", Payload: []byte(`1`), MaxRetries: 1}})
	require.NoError(t, err)
	before := time.Now()
	out := failed(t, q.as(firstToken), &v1.FailedTask{LeaseId: dequeued(t, q.as(firstToken), "mails").GetLeaseId(), Error: "no answer"})
	assert.False(t, out.GetDueAt().AsTime().Before(before.Add(time.Second)))
}

func TestAReleasedTaskIsNotCharged(t *testing.T) {
	everywhere(t, func(t *testing.T, q *queueServer, c connectv1.QueueServiceClient) {
		id := enqueued(t, c, aMail("ada"))
		lease := dequeued(t, c, "mails").GetLeaseId()
		res, err := c.Release(soonEnough(t), &v1.ReleaseRequest{LeaseIds: []string{lease}})
		require.NoError(t, err)
		assert.Equal(t, []string{""}, codesOf(t, []string{lease}, res.GetOutcomes()))
		d := dequeued(t, c, "mails")
		assert.EqualValues(t, 1, d.GetAttempt())
		assert.NotEqual(t, lease, d.GetLeaseId())

		_, err = c.Release(soonEnough(t), &v1.ReleaseRequest{LeaseIds: []string{d.GetLeaseId()}, Delay: durationpb.New(time.Hour)})
		require.NoError(t, err)
		assert.Equal(t, driver.Scheduled, q.found(t, "mails", id).State)
	})
}

func TestDeadLetterKeepsTheReason(t *testing.T) {
	everywhere(t, func(t *testing.T, q *queueServer, c connectv1.QueueServiceClient) {
		id := enqueued(t, c, aMail("ada"))
		lease := dequeued(t, c, "mails").GetLeaseId()
		res, err := c.DeadLetter(soonEnough(t), &v1.DeadLetterRequest{LeaseIds: []string{lease}, Reason: "spam"})
		require.NoError(t, err)
		assert.Equal(t, []string{""}, codesOf(t, []string{lease}, res.GetOutcomes()))
		assert.Equal(t, "spam", q.found(t, "mails", id).Task.Metadata[driver.MetaFailureReason])
	})
}

func TestAnExtendedLeaseHoldsForLonger(t *testing.T) {
	everywhere(t, func(t *testing.T, q *queueServer, c connectv1.QueueServiceClient) {
		task := aMail("ada")
		task.Queue = "short"
		enqueued(t, c, task)
		lease := dequeued(t, c, "short").GetLeaseId()
		res, err := c.Extend(soonEnough(t), &v1.ExtendRequest{LeaseIds: []string{lease}, Lease: durationpb.New(time.Hour)})
		require.NoError(t, err)
		require.Equal(t, []string{""}, codesOf(t, []string{lease}, res.GetOutcomes()))
		none, err := c.Dequeue(soonEnough(t), &v1.DequeueRequest{Queue: "short", Wait: durationpb.New(2 * time.Second)})
		require.NoError(t, err)
		require.Empty(t, none.GetDeliveries(), "the lease would have ended after 1.5 s")
		assert.Equal(t, []string{""}, completed(t, c, lease))
		assert.Equal(t, driver.Stats{}, q.statsOf(t, "short"))
	})
}

func TestALeaseThatHasEndedSettlesNothing(t *testing.T) {
	everywhere(t, func(t *testing.T, q *queueServer, c connectv1.QueueServiceClient) {
		task := aMail("ada")
		task.Queue, task.MaxRetries = "short", proto.Int32(5)
		id := enqueued(t, c, task)
		old := dequeued(t, c, "short").GetLeaseId()
		now := dequeued(t, c, "short") // once the lease has ended
		res, err := c.Complete(soonEnough(t), &v1.CompleteRequest{Tasks: []*v1.CompletedTask{{LeaseId: old, Result: `"late"`}}})
		require.NoError(t, err)
		assert.Equal(t, "aborted", res.GetOutcomes()[0].GetError().GetCode())
		none, err := c.AwaitResult(soonEnough(t), &v1.AwaitResultRequest{Id: id, Wait: durationpb.New(0)})
		require.NoError(t, err)
		assert.Equal(t, v1.TaskState_TASK_STATE_UNSPECIFIED, none.GetState(), "a result that comes late is not stored")
		assert.EqualValues(t, 1, q.statsOf(t, "short").Leased)
		assert.Equal(t, []string{""}, completed(t, c, now.GetLeaseId()))
	})
}

func TestALeaseIsItsCallers(t *testing.T) {
	q := serveQueues(t, inMemory(t))
	first, second := q.as(firstToken), q.as(secondToken, connect.WithGRPC())
	enqueued(t, first, aMail("ada"))
	lease := dequeued(t, first, "mails").GetLeaseId()
	ctx := soonEnough(t)
	assert.Equal(t, []string{"aborted"}, completed(t, second, lease))
	for name, call := range map[string]func() ([]*v1.SettleOutcome, error){
		"Extend": func() ([]*v1.SettleOutcome, error) {
			res, err := second.Extend(ctx, &v1.ExtendRequest{LeaseIds: []string{lease}})
			return res.GetOutcomes(), err
		},
		"Release": func() ([]*v1.SettleOutcome, error) {
			res, err := second.Release(ctx, &v1.ReleaseRequest{LeaseIds: []string{lease}})
			return res.GetOutcomes(), err
		},
		"DeadLetter": func() ([]*v1.SettleOutcome, error) {
			res, err := second.DeadLetter(ctx, &v1.DeadLetterRequest{LeaseIds: []string{lease}, Reason: "mine"})
			return res.GetOutcomes(), err
		},
	} {
		all, err := call()
		require.NoError(t, err, name)
		assert.Equal(t, []string{"aborted"}, codesOf(t, []string{lease}, all), name)
	}
	res, err := second.Fail(ctx, &v1.FailRequest{Tasks: []*v1.FailedTask{{LeaseId: lease, Error: "x"}}})
	require.NoError(t, err)
	assert.Equal(t, "aborted", res.GetOutcomes()[0].GetError().GetCode())
	assert.Equal(t, []string{""}, completed(t, first, lease))
}

// cutMemory is a store in memory with faults.
func cutMemory(t *testing.T) (queueStore, *faults) {
	t.Helper()
	store, f := inMemory(t), new(faults)
	store.provider = &editedProvider{Provider: store.provider, edit: func(q driver.Queue) driver.Queue { return cutQueue{q, f} }}
	return store, f
}

func TestAnOutcomeWhoseAnswerWasLostMayBeRepeated(t *testing.T) {
	store, f := cutMemory(t)
	q := serveQueues(t, store)
	c := q.as(firstToken, connect.WithGRPC())
	for name, cut := range map[string]*atomic.Bool{"the call was carried out": &f.behind, "the call never came": &f.before} {
		enqueued(t, c, aMail("ada"))
		lease := dequeued(t, c, "mails").GetLeaseId()
		cut.Store(true)
		assert.Equal(t, []string{"unavailable"}, completed(t, c, lease), name)
		cut.Store(false)
		assert.Equal(t, []string{""}, completed(t, c, lease), name)
		assert.Equal(t, []string{"aborted"}, completed(t, c, lease), name)
		assert.Equal(t, driver.Stats{}, q.statsOf(t, "mails"), name)
	}
	enqueued(t, c, aMail("bob"))
	lease := dequeued(t, c, "mails").GetLeaseId()
	f.before.Store(true)
	res, err := c.Fail(soonEnough(t), &v1.FailRequest{Tasks: []*v1.FailedTask{{LeaseId: lease, Error: "no answer", RetryAfter: durationpb.New(0)}}})
	require.NoError(t, err)
	assert.Equal(t, "unavailable", res.GetOutcomes()[0].GetError().GetCode())
	f.before.Store(false)
	failed(t, c, &v1.FailedTask{LeaseId: lease, Error: "no answer", RetryAfter: durationpb.New(0)})
	assert.EqualValues(t, 2, dequeued(t, c, "mails").GetAttempt(), "a failure that is repeated is charged once")
}

func TestAServerHoldsSoManyLeasesAndNoMore(t *testing.T) {
	const most = 10_000
	q := serveQueues(t, inMemory(t))
	c := q.as(firstToken, connect.WithGRPC())
	tasks := make([]*runtime.Task, most+1)
	for i := range tasks {
		tasks[i] = &runtime.Task{Type: "mail", Queue: "mails", Payload: []byte(`{"to":"ada"}`)}
	}
	_, err := q.m.Enqueue(t.Context(), tasks)
	require.NoError(t, err)
	var last *v1.DequeueResponse
	for range most / 100 {
		last, err = c.Dequeue(soonEnough(t), &v1.DequeueRequest{Queue: "mails", Limit: 100, Lease: durationpb.New(time.Hour)})
		require.NoError(t, err)
		require.Len(t, last.GetDeliveries(), 100)
	}
	_, err = c.Dequeue(soonEnough(t), &v1.DequeueRequest{Queue: "mails"})
	assert.Equal(t, connect.CodeResourceExhausted, connect.CodeOf(err))
	stream, err := c.Subscribe(soonEnough(t), &v1.SubscribeRequest{Queue: "mails"})
	require.NoError(t, err)
	assert.False(t, stream.Receive())
	assert.Equal(t, connect.CodeResourceExhausted, connect.CodeOf(stream.Err()))
	assert.Equal(t, []string{""}, completed(t, c, last.GetDeliveries()[0].GetLeaseId()))
	dequeued(t, c, "mails")
}

func TestACallerThatIsGoneLeavesItsTasks(t *testing.T) {
	everywhere(t, func(t *testing.T, q *queueServer, c connectv1.QueueServiceClient) {
		ctx, cancel := context.WithCancel(soonEnough(t))
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			_, _ = c.Dequeue(ctx, &v1.DequeueRequest{Queue: "mails", Wait: durationpb.New(time.Minute)})
		}()
		cancel()
		<-gone
		enqueued(t, c, aMail("ada"))
		assert.Equal(t, "ada", mailOf(t, dequeued(t, c, "mails")))
	})
}
