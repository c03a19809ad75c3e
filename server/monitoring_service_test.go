package server_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/durationpb"

	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/fleet"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/server"
)

func enqueue(t *testing.T, m *runtime.Manager, n int, queue string) {
	t.Helper()
	for range n {
		_, err := m.Enqueue(t.Context(), []*runtime.Task{{Type: "payment", Queue: queue, Payload: []byte("{}")}})
		require.NoError(t, err)
	}
}

// names of the queues of samples.
func names(samples []*v1.QueueSample) []string {
	var all []string
	for _, s := range samples {
		all = append(all, s.GetQueue())
	}
	return all
}

func TestStatsOfQueuesComeInTheOrderThatWasAskedFor(t *testing.T) {
	m := managerOf(t, runtime.QueueConfig{Name: "payments"}, runtime.QueueConfig{Name: "mail"}, runtime.QueueConfig{Name: "reports"})
	enqueue(t, m, 3, "mail")
	q, err := m.Queue("reports")
	require.NoError(t, err)
	require.NoError(t, q.(driver.Pauser).Pause(t.Context(), time.Time{}))
	c := start(t, server.Config{Manager: m}).monitoring()

	res, err := c.GetQueueStats(bounded(t), &v1.GetQueueStatsRequest{})
	require.NoError(t, err)
	assert.Equal(t, []string{"payments", "mail", "reports"}, names(res.GetQueues()))
	mail, reports := res.GetQueues()[1], res.GetQueues()[2]
	assert.Equal(t, "memory", mail.GetProvider())
	assert.EqualValues(t, 3, mail.GetStats().GetReady())
	assert.Positive(t, mail.GetStats().GetOldestAge().AsDuration())
	assert.False(t, mail.GetPaused())
	assert.True(t, reports.GetPaused())
	assert.Nil(t, reports.GetStats().GetOldestAge(), "no task is ready")

	res, err = c.GetQueueStats(bounded(t), &v1.GetQueueStatsRequest{Queues: []string{"reports", "mail", "reports"}})
	require.NoError(t, err)
	assert.Equal(t, []string{"reports", "mail"}, names(res.GetQueues()), "each once")

	_, err = c.GetQueueStats(bounded(t), &v1.GetQueueStatsRequest{Queues: []string{"mail", "post"}})
	assert.Equal(t, connect.CodeNotFound, connect.CodeOf(err), err)
	require.ErrorContains(t, err, `"post"`)
}

func TestAQueueThatFailsHidesNoOther(t *testing.T) {
	broken := &brokenProvider{Provider: memory.New(), stats: func(_ context.Context, queue string, s driver.Stats) (driver.Stats, error) {
		switch queue {
		case "away":
			return s, driver.Unavailable(errors.New("connection refused"))
		case "faulty":
			panic("a fault")
		}
		return s, nil
	}}
	m := managerOn(t, broken, runtime.QueueConfig{Name: "away"}, runtime.QueueConfig{Name: "faulty"}, runtime.QueueConfig{Name: "well"})
	enqueue(t, m, 1, "well")
	var log logBuffer
	c := start(t, server.Config{Manager: m, Logger: log.logger()}).monitoring()
	res, err := c.GetQueueStats(bounded(t), &v1.GetQueueStatsRequest{})
	require.NoError(t, err)
	away, faulty, well := res.GetQueues()[0], res.GetQueues()[1], res.GetQueues()[2]
	assert.Contains(t, away.GetError(), "connection refused")
	assert.Nil(t, away.GetStats())
	assert.Contains(t, faulty.GetError(), "panicked")
	assert.Contains(t, log.String(), `"queue":"faulty","panic":"a fault"`)
	assert.EqualValues(t, 1, well.GetStats().GetReady())
	assert.Empty(t, well.GetError())

	health, err := c.GetQueueHealth(bounded(t), &v1.GetQueueHealthRequest{Queues: []string{"well", "away"}})
	require.NoError(t, err)
	assert.Empty(t, health.GetQueues()[0].GetProblems())
	requireProblems(t, health.GetQueues()[1], v1.QueueProblemKind_QUEUE_PROBLEM_KIND_UNREACHABLE, "connection refused")
}

func TestTypesAreThoseOfTheServerAndOfTheFleet(t *testing.T) {
	store := memory.NewFleet()
	require.NoError(t, store.PutTypes(t.Context(), []fleet.Type{
		{Name: "mail", Queue: "mail", Schema: "{}", Timeout: time.Second, MaxRetries: 3, Result: true},
		{Name: "payment", Queue: "payments", Secrets: []string{"/to"}},
	}, time.Hour))
	spec := &runtime.Spec[payment]{Type: "payment", Aliases: []string{"pay"}, Queue: "payments", Secrets: []string{"/card"}}
	c := start(t, server.Config{Types: []server.Type{spec}, Fleet: fleet.New(store, fleet.Config{})}).monitoring()
	res, err := c.ListTypes(bounded(t), &v1.ListTypesRequest{})
	require.NoError(t, err)
	require.Len(t, res.GetTypes(), 2)
	mail, pay := res.GetTypes()[0], res.GetTypes()[1]
	assert.Equal(t, "mail", mail.GetName())
	assert.Equal(t, "{}", mail.GetSchema())
	assert.Equal(t, time.Second, mail.GetTimeout().AsDuration())
	assert.EqualValues(t, 3, mail.GetMaxRetries())
	assert.True(t, mail.GetResult())
	assert.False(t, mail.GetEnqueues(), "a worker of an older version has published it")
	assert.Equal(t, "payment", pay.GetName())
	assert.Equal(t, []string{"pay"}, pay.GetAliases())
	assert.ElementsMatch(t, []string{"/card", "/to"}, pay.GetSecrets(), "what one of them declares secret is secret")
	assert.True(t, pay.GetEnqueues())
	assert.Nil(t, pay.GetTimeout())
}

func TestWithoutAFleetThereAreNoWorkersToShow(t *testing.T) {
	c := start(t, server.Config{}).monitoring()
	_, err := c.ListWorkers(bounded(t), &v1.ListWorkersRequest{})
	assert.Equal(t, connect.CodeUnimplemented, connect.CodeOf(err), err)
	require.ErrorContains(t, err, "the server reads no fleet")
	info, err := c.GetClusterInfo(bounded(t), &v1.GetClusterInfoRequest{})
	require.NoError(t, err)
	assert.False(t, info.GetFleet())
	assert.Zero(t, info.GetWorkers())
	assert.EqualValues(t, 1, info.GetQueues())
	assert.Equal(t, []string{"memory"}, info.GetProviders())
	assert.NotEmpty(t, info.GetVersion())
	assert.Equal(t, []string{"anonymous", "admin"}, []string{info.GetCaller(), info.GetRole()})
}

// heartbeat makes workers of a store.
func heartbeat(t *testing.T, store *memory.Fleet, workers ...*fleet.Worker) {
	t.Helper()
	for _, w := range workers {
		_, err := store.Heartbeat(t.Context(), w, 0, time.Hour)
		require.NoError(t, err)
	}
}

func TestWorkersAreShownAsTheyDescribeThemselves(t *testing.T) {
	store := memory.NewFleet()
	began := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	heartbeat(
		t, store,
		&fleet.Worker{
			ID: "2", Name: "b", Host: "h", PID: 7, StartedAt: began, Slots: 4, Busy: 1, Types: []string{"payment"},
			Build:   fleet.Build{Path: "p", Version: "v1", Revision: "r", Modified: true, Go: "go1.26"},
			Queues:  []fleet.Queue{{Name: "payments", Provider: "memory"}},
			Running: []fleet.Run{{TaskID: "t", Type: "payment", Queue: "payments", Attempt: 2, Since: began}},
		},
		&fleet.Worker{ID: "1", Name: "a", Slots: 2, Quiet: true},
	)
	c := start(t, server.Config{Fleet: fleet.New(store, fleet.Config{}), Types: []server.Type{paymentSpec}}).monitoring()
	res, err := c.ListWorkers(bounded(t), &v1.ListWorkersRequest{})
	require.NoError(t, err)
	require.Len(t, res.GetWorkers(), 2)
	a, b := res.GetWorkers()[0], res.GetWorkers()[1]
	assert.Equal(t, "a", a.GetName())
	assert.True(t, a.GetQuiet())
	assert.Nil(t, a.GetStartedAt())
	assert.NotNil(t, b.GetHeartbeatAt())
	b.HeartbeatAt = nil
	assert.Equal(t, `id:"2" name:"b" host:"h" pid:7 build:{path:"p" version:"v1" revision:"r" modified:true go:"go1.26"} started_at:{seconds:1793534400} queues:{name:"payments" provider:"memory"} types:"payment" slots:4 busy:1 running:{task_id:"t" type:"payment" queue:"payments" attempt:2 since:{seconds:1793534400}}`, compact(b))

	info, err := c.GetClusterInfo(bounded(t), &v1.GetClusterInfoRequest{})
	require.NoError(t, err)
	assert.True(t, info.GetFleet())
	assert.Equal(t, []int32{2, 6, 1, 1}, []int32{info.GetWorkers(), info.GetSlots(), info.GetBusy(), info.GetTypes()})
}

func TestMetricsComeAtOnceAndThenAtTheInterval(t *testing.T) {
	m := managerOf(t, runtime.QueueConfig{Name: "payments"}, runtime.QueueConfig{Name: "mail"})
	c := start(t, server.Config{Manager: m}).monitoring(connect.WithGRPC())
	ctx, cancel := context.WithCancel(bounded(t))
	stream, err := c.StreamMetrics(ctx, &v1.StreamMetricsRequest{Interval: durationpb.New(time.Second)})
	require.NoError(t, err)
	require.True(t, stream.Receive(), stream.Err())
	first := stream.Msg()
	assert.Equal(t, []string{"payments", "mail"}, names(first.GetQueues()))
	enqueue(t, m, 2, "mail")
	require.True(t, stream.Receive(), stream.Err())
	second := stream.Msg()
	assert.EqualValues(t, 2, second.GetQueues()[1].GetStats().GetReady())
	assert.Greater(t, second.GetAt().AsTime().Sub(first.GetAt().AsTime()), 500*time.Millisecond)
	cancel()
	for stream.Receive() {
	}
	assert.Equal(t, connect.CodeCanceled, connect.CodeOf(stream.Err()))
	require.NoError(t, stream.Close())

	unknown, err := c.StreamMetrics(bounded(t), &v1.StreamMetricsRequest{Queues: []string{"post"}})
	require.NoError(t, err)
	assert.False(t, unknown.Receive())
	assert.Equal(t, connect.CodeNotFound, connect.CodeOf(unknown.Err()))
	require.NoError(t, unknown.Close())
}

// inProcess calls a server by its handler, so that time can be the test's.
func inProcess(t *testing.T, cfg server.Config) *pipe {
	t.Helper()
	s, err := server.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return &pipe{t, s.Handler()}
}

func TestAProviderThatHangsIsGivenUpAfterFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all []runtime.QueueConfig
		for _, name := range []string{"q1", "q2", "q3", "q4", "q5", "q6", "q7", "q8", "q9", "well"} {
			all = append(all, runtime.QueueConfig{Name: name})
		}
		most, now := 0, make(chan int, 1)
		now <- 0
		m := managerOn(t, &brokenProvider{Provider: memory.New(), stats: func(ctx context.Context, queue string, s driver.Stats) (driver.Stats, error) {
			if queue == "well" {
				return s, nil
			}
			n := <-now + 1
			most = max(most, n)
			now <- n
			<-ctx.Done()
			now <- <-now - 1
			return s, driver.Unavailable(ctx.Err())
		}}, all...)
		c := inProcess(t, server.Config{Manager: m}).monitoring()
		began := time.Now()
		res, err := c.GetQueueStats(t.Context(), &v1.GetQueueStatsRequest{})
		require.NoError(t, err)
		assert.Equal(t, 10*time.Second, time.Since(began), "eight at a time, for 5 s each")
		assert.Equal(t, 8, most)
		for _, sample := range res.GetQueues()[:9] {
			assert.Equal(t, "memory has not answered within 5s", sample.GetError())
		}
		assert.NotNil(t, res.GetQueues()[9].GetStats())
		assert.True(t, slices.IsSortedFunc(res.GetQueues(), func(a, b *v1.QueueSample) int { return len(a.GetQueue()) - len(b.GetQueue()) }))
	})
}
