package sqs

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/internal/output"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/sqs/sqstest"
)

// logged returns the option with which a provider logs to the buffer.
func logged() (*output.Buffer, Option) {
	b := new(output.Buffer)
	return b, WithLogger(slog.New(slog.NewTextHandler(b, nil)))
}

func TestAProviderWithoutALoggerLogsToTheDefaultOfThatTime(t *testing.T) {
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	for _, opts := range [][]Option{nil, {WithLogger(nil)}} {
		b := newBench(t, opts...)
		log := new(output.Buffer)
		slog.SetDefault(slog.New(slog.NewTextHandler(log, nil)))
		b.p.logger().Info("to the default")
		require.Contains(t, log.String(), "to the default")
	}
}

func TestWhileTheStoreIsAwayTasksWaitUnchargedAndDequeueSaysSo(t *testing.T) {
	t.Parallel()
	for _, cfg := range []driver.QueueConfig{{}, fifo, {Type: driver.Priority}} {
		store := &failingStore{memoryStore: &memoryStore{all: make(map[string][]byte)}}
		b := newBench(t, WithStore(store))
		q := openQueue(t, b.p, cfg)
		enqueue(t, q, task(q, "large", sized(2<<20)), task(q, "larger", sized(3<<20)))
		store.failing.Store(true)
		for range 2 * driver.DefaultMaxDeliveries {
			_, err := q.Dequeue(within(t), 10, time.Minute)
			require.ErrorContains(t, err, "the store is away")
			require.NotErrorIs(t, err, driver.ErrNoTasks)
			idle(t, q)
			b.clock.Advance(storePause)
		}
		store.failing.Store(false)
		other := openQueue(t, b.provider(t, WithStore(store)), cfg) // a process that remembers nothing
		for range 2 {
			d := first(t, other)
			require.Greater(t, len(d.Task.Payload), 2<<20-1)
			require.Zero(t, d.Crashes)
			require.Zero(t, d.Task.RetryCount)
		}
		require.Zero(t, store.len())
	}
}

// idle waits until nothing is on its way by the queue state's own doing.
func idle(t *testing.T, q *Queue) {
	t.Helper()
	require.Eventually(t, func() bool {
		q.state.mu.Lock()
		defer q.state.mu.Unlock()
		return len(q.state.moving) == 0
	}, soon, time.Millisecond)
}

func TestProblemsWithTheStoreAreLoggedWhereOtherTasksArrive(t *testing.T) {
	log, toLog := logged()
	store := &failingStore{memoryStore: &memoryStore{all: make(map[string][]byte)}}
	b := newBench(t, WithStore(store), toLog)
	q := openQueue(t, b.p, driver.QueueConfig{})
	enqueue(t, q, task(q, "large", sized(2<<20)), task(q, "small"))
	store.failing.Store(true)
	require.Equal(t, []string{"small"}, idsOf(dequeue(t, q)))
	require.Contains(t, log.String(), "the store is away")
}

func TestProblemsWithDelayedTasksAreLoggedAndDelayNoOtherTask(t *testing.T) {
	log, toLog := logged()
	b := newBench(t, toLog)
	q := openQueue(t, b.p, fifo)
	b.SetHook(func(c sqstest.Call) sqstest.Fault {
		if c.Queue == "q--later" {
			return sqstest.Fault{Error: &sqstest.Error{Type: "AccessDenied", Status: 403, Message: "not authorized to perform: sqs:receivemessage"}}
		}
		return sqstest.Fault{}
	})
	before := b.p.Requests()["ReceiveMessage"]
	for _, id := range numbered(30) {
		put(t, q, id)
		d := dequeue(t, q)
		require.Equal(t, []string{id}, idsOf(d))
		require.Equal(t, 1, receives(q, d[0]))
		require.NoError(t, q.Complete(within(t), d))
	}
	require.LessOrEqual(t, b.p.Requests()["ReceiveMessage"]-before, int64(30+10), "the delayed tasks are asked for with growing pauses")
	require.Contains(t, log.String(), "not authorized to perform")
	_, err := q.Enqueue(within(t), []*driver.Task{task(q, "late", func(t *driver.Task) { t.ScheduledFor = b.clock.Now().Add(time.Hour) })})
	require.ErrorContains(t, err, "not authorized to perform", "who needs it is told")
	b.SetHook(nil)
	enqueue(t, q, task(q, "soon", func(t *driver.Task) { t.ScheduledFor = b.clock.Now().Add(time.Second) }))
	b.clock.Advance(time.Second)
	require.Equal(t, "soon", first(t, q).Task.ID)
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "delayed tasks are received again") }, soon, time.Millisecond, "it is said after the task has moved")
}
