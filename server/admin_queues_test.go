package server_test

import (
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/durationpb"

	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	connectv1 "github.com/taskgen/taskgen/proto/taskgen/v1/taskgenv1connect"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/fleet"
	"github.com/taskgen/taskgen/runtime/fleet/fleetstore"
	"github.com/taskgen/taskgen/runtime/history"
	"github.com/taskgen/taskgen/runtime/history/historystore"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/server"
)

func listedQueues(t *testing.T, c connectv1.QueueAdminServiceClient) (map[string]*v1.ListedQueue, []string) {
	t.Helper()
	res, err := c.ListQueues(soonEnough(t), &v1.ListQueuesRequest{})
	require.NoError(t, err)
	all := make(map[string]*v1.ListedQueue)
	var names []string
	for _, q := range res.GetQueues() {
		names = append(names, q.GetInfo().GetName())
		all[q.GetInfo().GetName()] = q
	}
	return all, names
}

func TestAQueueIsCreatedAndListed(t *testing.T) {
	admins(t, func(t *testing.T, q *queueServer, c connectv1.QueueAdminServiceClient) {
		create := &v1.CreateQueueRequest{Queue: "orders", Type: v1.QueueType_QUEUE_TYPE_PRIORITY, Levels: 3, Visibility: durationpb.New(time.Minute), Capacity: 7, Reason: "for the shop"}
		for range 2 {
			res, err := c.CreateQueue(soonEnough(t), create)
			require.NoError(t, err, "also a second time")
			info := res.GetQueue()
			assert.Equal(t, []any{"orders", "memory", int32(3), "orders-dlq", int64(7)}, []any{info.GetName(), info.GetProvider(), info.GetLevels(), info.GetDlq(), info.GetCapacity()})
		}
		create.Levels = 4
		_, err := c.CreateQueue(soonEnough(t), create)
		assert.Equal(t, connect.CodeFailedPrecondition, connect.CodeOf(err), "it is another queue")
		_, err = c.CreateQueue(soonEnough(t), &v1.CreateQueueRequest{Queue: "x", Provider: "mian"})
		assert.Equal(t, connect.CodeInvalidArgument, connect.CodeOf(err))
		assert.ErrorContains(t, err, "main")
		_, err = c.CreateQueue(soonEnough(t), &v1.CreateQueueRequest{Queue: "x", Levels: 3})
		assert.Equal(t, connect.CodeInvalidArgument, connect.CodeOf(err))

		q.put(t, mailsOf(2)...)
		all, names := listedQueues(t, c)
		assert.Equal(t, []string{"levels", "mails", "orders", "short", "small"}, names)
		mails := all["mails"]
		assert.Equal(t, []any{true, int64(2), false, "", "memory"}, []any{mails.GetOpen(), mails.GetStats().GetReady(), mails.GetPaused(), mails.GetError(), mails.GetInfo().GetProvider()})
		assert.Nil(t, mails.GetTotals(), "there is no history")
		assert.Nil(t, mails.GetLastMinute())
	})
}

func TestWithoutProvidersNoQueueIsCreated(t *testing.T) {
	c := serveAdmin(t, inMemory(t), func(c *server.Config) { c.Providers = nil }).admin(adminToken)
	_, err := c.CreateQueue(soonEnough(t), &v1.CreateQueueRequest{Queue: "x"})
	assert.Equal(t, connect.CodeUnimplemented, connect.CodeOf(err))
}

func TestQueuesThatOnlyWorkersHaveAreListed(t *testing.T) {
	store := memory.NewFleet()
	w := &fleetstore.Worker{ID: "1", Name: "w", Queues: []fleetstore.Queue{{Name: "elsewhere", Provider: "redis"}, {Name: "mails", Provider: "memory"}}}
	_, err := store.Heartbeat(t.Context(), w, 0, fleet.TTL)
	require.NoError(t, err)
	c := serveAdmin(t, inMemory(t), func(c *server.Config) { c.Fleet = fleet.New(store, fleet.Config{}) }).admin(viewerToken)
	all, _ := listedQueues(t, c)
	assert.Equal(t, []any{false, int32(1), "redis"}, []any{all["elsewhere"].GetOpen(), all["elsewhere"].GetWorkers(), all["elsewhere"].GetInfo().GetProvider()})
	assert.Nil(t, all["elsewhere"].GetStats())
	assert.Equal(t, int32(1), all["mails"].GetWorkers())
}

func TestAQueueIsPausedResumedAndPurged(t *testing.T) {
	admins(t, func(t *testing.T, q *queueServer, c connectv1.QueueAdminServiceClient) {
		q.bury(t, 1)
		tasks := mailsOf(5)[1:]
		tasks[3].ScheduledFor = time.Now().Add(time.Hour)
		q.put(t, tasks...)
		_, err := c.PauseQueue(soonEnough(t), &v1.PauseQueueRequest{Queue: "mails", Reason: "the mail server is down"})
		require.NoError(t, err)
		all, _ := listedQueues(t, c)
		assert.True(t, all["mails"].GetPaused())
		assert.Nil(t, all["mails"].GetPausedUntil())
		before := time.Now()
		res, err := c.PauseQueue(soonEnough(t), &v1.PauseQueueRequest{Queue: "mails", Duration: durationpb.New(time.Hour)})
		require.NoError(t, err)
		assert.WithinRange(t, res.GetPausedUntil().AsTime(), before.Add(time.Hour), time.Now().Add(time.Hour))
		all, _ = listedQueues(t, c)
		assert.WithinDuration(t, res.GetPausedUntil().AsTime(), all["mails"].GetPausedUntil().AsTime(), time.Second)
		_, err = c.ResumeQueue(soonEnough(t), &v1.ResumeQueueRequest{Queue: "mails"})
		require.NoError(t, err)
		all, _ = listedQueues(t, c)
		assert.False(t, all["mails"].GetPaused())

		would, err := c.PurgeQueue(soonEnough(t), &v1.PurgeQueueRequest{Queue: "mails", DryRun: true})
		require.NoError(t, err)
		assert.Equal(t, int64(4), would.GetTasks())
		assert.Equal(t, driver.Stats{Ready: 3, Scheduled: 1, Dead: 1}, q.statsOf(t, "mails"))
		did, err := c.PurgeQueue(soonEnough(t), &v1.PurgeQueueRequest{Queue: "mails", Reason: "a test run"})
		require.NoError(t, err)
		assert.Equal(t, int64(4), did.GetTasks())
		assert.Equal(t, driver.Stats{Dead: 1}, q.statsOf(t, "mails"))

		_, err = c.PauseQueue(soonEnough(t), &v1.PauseQueueRequest{Queue: "nowhere"})
		assert.Equal(t, connect.CodeNotFound, connect.CodeOf(err))
		_, err = c.ResetQueueStats(soonEnough(t), &v1.ResetQueueStatsRequest{Queue: "mails"})
		assert.Equal(t, connect.CodeUnimplemented, connect.CodeOf(err), "there is no history")
	})
}

func TestTotalsCountFromTheStartOfTheServerAndFromTheLastReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, p := runtime.NewManager(runtime.ManagerConfig{}), memory.New()
		require.NoError(t, m.Open(t.Context(), p, runtime.QueueConfig{Name: "mails"}, runtime.QueueConfig{Name: "others"}))
		store := memory.NewHistory()
		ran := func(queue string, outcomes ...driver.Outcome) {
			t.Helper()
			var records []history.Record
			for _, o := range outcomes {
				records = append(records, history.Record{TaskID: "t", Type: "mail", Queue: queue, EnqueuedAt: time.Now(), StartedAt: time.Now(), EndedAt: time.Now(), Attempt: 1, Outcome: o})
			}
			require.NoError(t, store.Add(t.Context(), records, historystore.Limits{Age: time.Hour, Bytes: 1 << 20}))
			time.Sleep(time.Second)
		}
		ran("mails", driver.Completed)
		s, err := server.New(server.Config{Manager: m, History: history.New(store, history.Config{}), Audit: func(server.AuditRecord) {}})
		require.NoError(t, err)
		c := connectv1.NewQueueAdminServiceClient(&pipe{t, s.Handler()}, "http://localhost", connect.WithProtoJSON())
		mails := func() *v1.ListedQueue {
			t.Helper()
			all, _ := listedQueues(t, c)
			return all["mails"]
		}
		totals := func() *v1.QueueTotals { return mails().GetTotals() }
		start := time.Now()
		ran("mails", driver.Completed, driver.Completed, driver.Retried, driver.Died, driver.Snoozed)
		ran("others", driver.Completed)
		assert.Equal(t, []int64{2, 1, 1}, []int64{totals().GetCompleted(), totals().GetRetried(), totals().GetDied()})
		assert.True(t, start.Equal(totals().GetSince().AsTime()))
		recent := func() []int64 {
			m := mails().GetLastMinute()
			return []int64{m.GetCompleted(), m.GetRetried(), m.GetDied()}
		}
		assert.Equal(t, []int64{3, 1, 1}, recent(), "the last minute has what ran before the server")
		until, err := c.ResetQueueStats(t.Context(), &v1.ResetQueueStatsRequest{Queue: "mails", Reason: "a new month"})
		require.NoError(t, err)
		assert.Equal(t, int64(2), until.GetTotals().GetCompleted())
		assert.Equal(t, []int64{0, 0, 0}, []int64{totals().GetCompleted(), totals().GetRetried(), totals().GetDied()})
		assert.Equal(t, []int64{3, 1, 1}, recent(), "a reset is of the totals alone")
		time.Sleep(time.Minute) // they are read again
		ran("mails", driver.Completed)
		assert.Equal(t, int64(1), totals().GetCompleted())
		assert.Equal(t, []int64{1, 0, 0}, recent())
		require.NoError(t, s.Close())
		require.NoError(t, m.Close())
		require.NoError(t, p.Close())
	})
}
