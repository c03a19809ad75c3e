package server_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/durationpb"

	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	connectv1 "github.com/taskgen/taskgen/proto/taskgen/v1/taskgenv1connect"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// mailOf is to whom a task goes.
func mailOf(t *testing.T, d *v1.Delivery) string {
	t.Helper()
	var m mail
	require.NoError(t, json.Unmarshal([]byte(d.GetTask().GetPayload()), &m))
	return m.To
}

// A mailbox is a subscription, as a test reads it.
type mailbox struct {
	t      *testing.T
	stream *connect.ServerStreamForClient[v1.SubscribeResponse]
	rest   []*v1.Delivery
}

// subscribed subscribes to a queue until the test, or cancel, ends it.
func subscribed(t *testing.T, c connectv1.QueueServiceClient, queue string, most int32) (box *mailbox, cancel context.CancelFunc) {
	t.Helper()
	ctx, end := context.WithCancel(soonEnough(t))
	stream, err := c.Subscribe(ctx, &v1.SubscribeRequest{Queue: queue, MaxInFlight: most})
	require.NoError(t, err)
	return &mailbox{t: t, stream: stream}, func() { end(); _ = stream.Close() }
}

// next waits for a task.
func (b *mailbox) next() *v1.Delivery {
	b.t.Helper()
	for len(b.rest) == 0 {
		require.True(b.t, b.stream.Receive(), "%v", b.stream.Err())
		b.rest = b.stream.Msg().GetDeliveries()
	}
	d := b.rest[0]
	b.rest = b.rest[1:]
	return d
}

func TestASubscriptionHandsOutWhatBecomesDueAndWaitsForOutcomes(t *testing.T) {
	everywhere(t, func(t *testing.T, q *queueServer, c connectv1.QueueServiceClient) {
		box, cancel := subscribed(t, c, "mails", 2)
		defer cancel()
		for _, to := range []string{"ada", "bob", "cai", "dan"} {
			enqueued(t, c, aMail(to))
		}
		got := map[string]string{}
		for range 2 {
			d := box.next()
			got[mailOf(t, d)] = d.GetLeaseId()
		}
		assert.Contains(t, got, "ada")
		assert.Contains(t, got, "bob")
		stats := q.statsOf(t, "mails")
		assert.EqualValues(t, 2, stats.Leased, "no more than two are without an outcome")
		assert.EqualValues(t, 2, stats.Ready)
		assert.Equal(t, []string{""}, completed(t, c, got["ada"]))
		third := box.next()
		assert.Equal(t, "cai", mailOf(t, third))
		failed(t, c, &v1.FailedTask{LeaseId: third.GetLeaseId(), Error: "no answer", Permanent: true})
		assert.Equal(t, "dan", mailOf(t, box.next()))
	})
}

func TestWhenAStreamEndsItsTasksGoBack(t *testing.T) {
	everywhere(t, func(t *testing.T, _ *queueServer, c connectv1.QueueServiceClient) {
		box, cancel := subscribed(t, c, "mails", 5)
		enqueued(t, c, aMail("ada"))
		old := box.next()
		cancel()
		d := dequeued(t, c, "mails") // long before the lease of 30 s ends
		assert.Equal(t, old.GetTask().GetId(), d.GetTask().GetId())
		assert.EqualValues(t, 1, d.GetAttempt())
		assert.Equal(t, []string{"aborted", ""}, completed(t, c, old.GetLeaseId(), d.GetLeaseId()))
	})
}

func TestASubscriptionKeepsItsLeases(t *testing.T) {
	everywhere(t, func(t *testing.T, q *queueServer, c connectv1.QueueServiceClient) {
		box, cancel := subscribed(t, c, "short", 5)
		defer cancel()
		task := aMail("ada")
		task.Queue = "short"
		enqueued(t, c, task)
		d := box.next()
		none, err := c.Dequeue(soonEnough(t), &v1.DequeueRequest{Queue: "short", Wait: durationpb.New(3 * time.Second)})
		require.NoError(t, err)
		require.Empty(t, none.GetDeliveries(), "the lease would have ended after 1.5 s")
		assert.Equal(t, []string{""}, completed(t, c, d.GetLeaseId()))
		assert.Equal(t, driver.Stats{}, q.statsOf(t, "short"))
	})
}

func TestASubscriptionOutlivesAnOutageOfItsQueue(t *testing.T) {
	store, f := cutMemory(t)
	q := serveQueues(t, store)
	c := q.as(firstToken, connect.WithGRPC())
	box, cancel := subscribed(t, c, "short", 1)
	defer cancel()
	task := aMail("ada")
	task.Queue = "short"
	enqueued(t, c, task)
	d := box.next()
	f.before.Store(true)
	seen := f.extends.Load()
	require.Eventually(t, func() bool { return f.extends.Load() > seen+1 }, time.Minute, 10*time.Millisecond, "it tries again before the lease ends")
	f.before.Store(false)
	if codes := completed(t, c, d.GetLeaseId()); codes[0] != "" { // the outage was longer than the lease
		assert.Equal(t, []string{"aborted"}, codes)
		return
	}
	task.Payload = `{"to":"bob"}`
	enqueued(t, c, task)
	assert.Equal(t, "bob", mailOf(t, box.next()))
}

func TestALeaseThatIsLostMakesRoomOnItsStream(t *testing.T) {
	store, f := cutMemory(t)
	c := serveQueues(t, store).as(firstToken, connect.WithGRPC())
	box, cancel := subscribed(t, c, "short", 1)
	defer cancel()
	task := aMail("ada")
	task.Queue = "short"
	enqueued(t, c, task)
	lost := box.next()
	f.lost.Store(true)
	task.Payload = `{"to":"bob"}`
	enqueued(t, c, task)
	assert.NotEqual(t, lost.GetLeaseId(), box.next().GetLeaseId())
	assert.Equal(t, []string{"aborted"}, completed(t, c, lost.GetLeaseId()))
}

func TestAPausedQueueHandsOutNothingAndTakesTasks(t *testing.T) {
	clients(t, inMemory, func(t *testing.T, q *queueServer, c connectv1.QueueServiceClient) {
		open, err := q.m.Queue("mails")
		require.NoError(t, err)
		require.NoError(t, open.(driver.Pauser).Pause(soonEnough(t), time.Time{}))
		box, cancel := subscribed(t, c, "mails", 1)
		defer cancel()
		enqueued(t, c, aMail("ada"))
		res, err := c.Dequeue(soonEnough(t), &v1.DequeueRequest{Queue: "mails", Wait: durationpb.New(200 * time.Millisecond)})
		require.NoError(t, err)
		require.Empty(t, res.GetDeliveries())
		assert.EqualValues(t, 1, q.statsOf(t, "mails").Ready)
		require.NoError(t, open.(driver.Pauser).Resume(soonEnough(t)))
		assert.Equal(t, "ada", mailOf(t, box.next()))
	})
}

func TestAServerThatStopsGivesBackWhatItHolds(t *testing.T) {
	everywhere(t, func(t *testing.T, q *queueServer, c connectv1.QueueServiceClient) {
		box, cancel := subscribed(t, c, "mails", 1)
		defer cancel()
		enqueued(t, c, aMail("ada"))
		box.next()
		other := aMail("bob")
		other.Queue = "levels"
		enqueued(t, c, other)
		dequeued(t, c, "levels")
		require.NoError(t, q.Close())
		assert.False(t, box.stream.Receive())
		assert.Equal(t, connect.CodeUnavailable, connect.CodeOf(box.stream.Err()))
		for _, queue := range []string{"mails", "levels"} {
			open, err := q.m.Queue(queue)
			require.NoError(t, err)
			ds, err := open.Dequeue(soonEnough(t), 1, time.Minute)
			require.NoError(t, err)
			assert.Equal(t, 1, ds[0].Attempt())
		}
		require.NoError(t, q.Close(), "a second call does nothing")
	})
}

func TestATaskThatIsTooOldOrHasCrashedTooOftenIsNotHandedOut(t *testing.T) {
	q := serveQueues(t, inMemory(t))
	c := q.as(firstToken)
	require.NoError(t, q.m.Open(t.Context(), q.provider,
		runtime.QueueConfig{Name: "fresh", Retention: time.Minute}, runtime.QueueConfig{Name: "deadly", MaxDeliveries: 1}))
	_, err := q.m.Enqueue(t.Context(), []*runtime.Task{
		{ID: "old", Type: "mail", Queue: "fresh", Payload: []byte(`{"to":"ada"}`), CreatedAt: time.Now().Add(-time.Hour), ScheduledFor: time.Now().Add(-time.Hour)},
		{ID: "new", Type: "mail", Queue: "fresh", Payload: []byte(`{"to":"bob"}`)},
		{ID: "poison", Type: "mail", Queue: "deadly", Payload: []byte(`{"to":"cai"}`)},
	})
	require.NoError(t, err)
	assert.Equal(t, "new", dequeued(t, c, "fresh").GetTask().GetId())
	assert.Contains(t, q.found(t, "fresh", "old").Task.Metadata[driver.MetaFailureReason], driver.ErrTaskExpired.Error())

	open, err := q.m.Queue("deadly")
	require.NoError(t, err)
	for range 2 { // two workers die with it
		ds, err := open.Dequeue(soonEnough(t), 1, time.Millisecond)
		require.NoError(t, err)
		require.Len(t, ds, 1)
	}
	box, cancel := subscribed(t, c, "deadly", 1)
	defer cancel()
	later := aMail("dan")
	later.Queue = "deadly"
	enqueued(t, c, later)
	assert.Equal(t, "dan", mailOf(t, box.next()))
	dead := q.found(t, "deadly", "poison")
	assert.Equal(t, driver.Dead, dead.State)
	assert.Contains(t, dead.Task.Metadata[driver.MetaFailureReason], driver.ErrMaxDeliveries.Error())
	res, err := c.AwaitResult(soonEnough(t), &v1.AwaitResultRequest{Id: "poison"})
	require.NoError(t, err)
	assert.Equal(t, v1.TaskState_TASK_STATE_DEAD, res.GetState())
}

func TestALargePageOfTasksIsSplit(t *testing.T) {
	q := serveQueues(t, inMemory(t))
	c := q.as(firstToken, connect.WithGRPC())
	large := make([]byte, 1<<20)
	for i := range large {
		large[i] = 'a'
	}
	var tasks []*runtime.Task
	for range 5 {
		tasks = append(tasks, &runtime.Task{Type: "mail", Queue: "mails", Payload: []byte(`{"to":"` + string(large) + `"}`)})
	}
	_, err := q.m.Enqueue(t.Context(), tasks)
	require.NoError(t, err)
	box, cancel := subscribed(t, c, "mails", 5)
	require.True(t, box.stream.Receive())
	assert.Len(t, box.stream.Msg().GetDeliveries(), 2, "a message has about 3 MiB")
	require.True(t, box.stream.Receive())
	cancel()
	res, err := c.Dequeue(soonEnough(t), &v1.DequeueRequest{Queue: "mails", Limit: 5})
	require.NoError(t, err)
	assert.LessOrEqual(t, len(res.GetDeliveries()), 2)
	assert.NotEmpty(t, res.GetDeliveries())
}
