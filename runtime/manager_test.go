package runtime

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A stoppedClock stands still.
type stoppedClock struct {
	driver.Clock
	now time.Time
}

func (c stoppedClock) Now() time.Time { return c.now }

// quick is a broker without a way to it.
func quick(name string) *broker {
	b := newBroker(100)
	b.cfg.Name, b.trip = name, 0
	return b
}

func TestManagerOpensQueuesAndListsThem(t *testing.T) {
	a, b := quick("a"), quick("b")
	m := managerOf(t, ManagerConfig{}, a, b)
	assert.Equal(t, []string{"a", "b"}, m.Queues())
	got, err := m.Queue("a")
	require.NoError(t, err)
	assert.Same(t, a, got, "callers can ask it for what only some queues can do")
	_, err = m.Queue("c")
	require.ErrorIs(t, err, ErrUnknownQueue)
	require.ErrorContains(t, err, `"c": open are ["a" "b"]`)
}

func TestManagerOpensAllOrNothing(t *testing.T) {
	a, b := quick("a"), quick("b")
	m := NewManager(ManagerConfig{})
	err := m.Open(t.Context(), brokers{"a": a, "b": b}, a.cfg, QueueConfig{Name: "missing"}, b.cfg)
	require.ErrorIs(t, err, ErrUnsupported)
	require.ErrorContains(t, err, `open queue "missing" on brokers`)
	assert.Empty(t, m.Queues())
	<-a.closed
	_, err = m.Queue("a")
	require.ErrorIs(t, err, ErrUnknownQueue)
	require.NoError(t, m.Open(t.Context(), brokers{"b": b}, b.cfg), "the names are free again")
}

func TestClosedManagerRefuses(t *testing.T) {
	a := quick("q")
	m := managerOf(t, ManagerConfig{}, a)
	require.NoError(t, m.Close())
	<-a.closed
	require.NoError(t, m.Close())
	_, err := m.Queue("q")
	require.ErrorIs(t, err, ErrClosed)
	_, err = m.Enqueue(t.Context(), someTasks("a"))
	require.ErrorIs(t, err, ErrClosed)
	require.ErrorIs(t, m.Open(t.Context(), brokers{"q": a}, a.cfg), ErrClosed)
	assert.Empty(t, m.Queues())
}

// slowProvider closes the manager while it opens a queue.
type slowProvider struct {
	brokers
	m *Manager
}

func (p slowProvider) Open(ctx context.Context, cfg QueueConfig) (driver.Queue, error) {
	return p.brokers[cfg.Name], p.m.Close()
}

func TestQueueOpenedWhileTheManagerClosesIsClosed(t *testing.T) {
	a := quick("a")
	m := NewManager(ManagerConfig{})
	require.ErrorIs(t, m.Open(t.Context(), slowProvider{brokers{"a": a}, m}, a.cfg), ErrClosed)
	<-a.closed
}

func TestEnqueueCompletesTasks(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	q := quick("q")
	m := managerOf(t, ManagerConfig{Clock: stoppedClock{now: now}}, q)
	assert.Equal(t, now, m.Now())
	tasks := someTasks("", "mine", "")
	tasks[1].CreatedAt = now.Add(-time.Hour)
	answers, err := m.Enqueue(t.Context(), tasks)
	require.NoError(t, err)
	assert.Len(t, tasks[0].ID, idLen)
	assert.Equal(t, "mine", tasks[1].ID)
	assert.Less(t, tasks[0].ID, tasks[2].ID)
	assert.Equal(t, now, tasks[0].CreatedAt)
	assert.Equal(t, now.Add(-time.Hour), tasks[1].CreatedAt)
	for i, a := range answers {
		assert.Equal(t, tasks[i].ID, a.ID)
	}
	answers, err = m.Enqueue(t.Context(), nil)
	require.NoError(t, err)
	assert.Empty(t, answers)
}

// requireItems checks which items of a batch failed, and by what.
func requireItems(t *testing.T, err error, want map[int]error) {
	t.Helper()
	var be *BatchError
	require.ErrorAs(t, err, &be)
	last := -1
	for _, it := range be.Items {
		require.Greater(t, it.Index, last, "in the order of the batch")
		last = it.Index
		require.ErrorIs(t, it.Err, want[it.Index], "item %d", it.Index)
	}
	require.Len(t, be.Items, len(want))
}

func TestInvalidTasksKeepNoneOfTheOthersBack(t *testing.T) {
	q := quick("q")
	q.caps.MaxPayload = 10
	q.answer = func(_ context.Context, tasks []*Task) ([]Enqueued, error) {
		answers := acknowledge(tasks)
		var failed BatchError
		for i, task := range tasks {
			if task.ID == "full" {
				answers[i] = Enqueued{}
				failed.Add(i, task.ID, ErrQueueFull)
			}
		}
		return answers, failed.OrNil()
	}
	m := managerOf(t, ManagerConfig{}, q)
	tasks := someTasks("a", "bad", "b", "large", "full", "c")
	tasks[1].Payload = []byte("no JSON")
	tasks[3].Payload = []byte(`"` + strings.Repeat("a", 9) + `"`)
	tasks = append(tasks, nil)
	answers, err := m.Enqueue(t.Context(), tasks)
	requireItems(t, err, map[int]error{1: ErrInvalidTask, 3: ErrPayloadTooLarge, 4: ErrQueueFull, 6: ErrInvalidTask})
	require.ErrorContains(t, err, `task large (t) has 11 bytes, and queue "q" takes 10`)
	assert.Equal(t, []Enqueued{{ID: "a", Queue: "q"}, {}, {ID: "b", Queue: "q"}, {}, {}, {ID: "c", Queue: "q"}, {}}, answers)
	assert.Equal(t, [][]string{{"a", "b", "full", "c"}}, q.trips())

	answers, err = m.Enqueue(t.Context(), tasks[1:2])
	requireItems(t, err, map[int]error{0: ErrInvalidTask})
	assert.Equal(t, make([]Enqueued, 1), answers)
	_, err = m.Enqueue(t.Context(), tasks[3:4])
	requireItems(t, err, map[int]error{0: ErrPayloadTooLarge})
	assert.Len(t, q.trips(), 1)
}

func TestFailureOfAQueueFailsEachOfItsTasks(t *testing.T) {
	broken := errors.New("the line is cut")
	q, other := quick("q"), quick("other")
	q.caps.MaxPayload = 10
	q.answer = func(context.Context, []*Task) ([]Enqueued, error) { return nil, broken }
	m := managerOf(t, ManagerConfig{}, q, other)

	_, err := m.Enqueue(t.Context(), someTasks("a", "b"))
	require.Equal(t, broken, err)

	tasks := someTasks("bad", "a", "elsewhere", "large", "unknown", "b")
	tasks[0].Payload = nil
	tasks[2].Queue = "other"
	tasks[3].Payload = []byte("12345678901")
	tasks[4].Queue = "no such queue"
	answers, err := m.Enqueue(t.Context(), tasks)
	requireItems(t, err, map[int]error{0: ErrInvalidTask, 1: broken, 3: ErrPayloadTooLarge, 4: ErrUnknownQueue, 5: broken})
	assert.Equal(t, Enqueued{ID: "elsewhere", Queue: "other"}, answers[2])
	assert.Len(t, answers, len(tasks))
}

func TestTasksGoToTheirQueuesInOneBatchEach(t *testing.T) {
	a, b := quick("a"), quick("b")
	m := managerOf(t, ManagerConfig{}, a, b)
	tasks := someTasks("1", "2", "3", "4", "5")
	for i, queue := range []string{"a", "b", "b", "a", "b"} {
		tasks[i].Queue = queue
	}
	answers, err := m.Enqueue(t.Context(), tasks)
	require.NoError(t, err)
	for i, answer := range answers {
		assert.Equal(t, Enqueued{ID: tasks[i].ID, Queue: tasks[i].Queue}, answer)
	}
	assert.Equal(t, [][]string{{"1", "4"}}, a.trips())
	assert.Equal(t, [][]string{{"2", "3", "5"}}, b.trips())
}

func TestPayloadLimitIsTheLowerOfManagerAndProvider(t *testing.T) {
	for _, c := range []struct{ manager, provider, want int }{{0, driver.Unlimited, 0}, {5, driver.Unlimited, 5}, {0, 7, 7}, {5, 7, 5}, {7, 5, 5}} {
		q := quick("q")
		q.caps.MaxPayload = c.provider
		m := managerOf(t, ManagerConfig{MaxPayload: c.manager}, q)
		tasks := someTasks("fits", "large")
		tasks[0].Payload = []byte(strings.Repeat("1", max(c.want, 1)))
		tasks[1].Payload = []byte(strings.Repeat("1", c.want+1))
		_, err := m.Enqueue(t.Context(), tasks)
		if c.want == 0 {
			require.NoError(t, err)
			continue
		}
		requireItems(t, err, map[int]error{1: ErrPayloadTooLarge})
	}
}

func TestManagersPayloadLimitHoldsForWhatGoesThrough(t *testing.T) {
	to := EnqueuerFunc(func(_ context.Context, tasks []*Task) ([]Enqueued, error) { return acknowledge(tasks), nil })
	tasks := someTasks("fits", "large")
	tasks[1].Payload = []byte("123456")
	answers, err := NewManager(ManagerConfig{MaxPayload: 5}).Through(to).Enqueue(t.Context(), tasks)
	requireItems(t, err, map[int]error{1: ErrPayloadTooLarge})
	require.ErrorContains(t, err, "task large (t) has 6 bytes, and the manager takes 5")
	assert.Equal(t, []Enqueued{{ID: "fits", Queue: "q"}, {}}, answers)
}

func TestWrongNumberOfAnswersIsAnError(t *testing.T) {
	q := quick("q")
	for _, c := range []struct {
		answers []Enqueued
		err     error
		says    string
	}{
		{nil, nil, "gave 0 answers to 2 tasks"},
		{make([]Enqueued, 3), nil, "gave 3 answers to 2 tasks"},
		{nil, &BatchError{Items: []driver.ItemError{{Index: 0, Err: ErrQueueFull}}}, "gave 0 answers to 2 tasks"},
		{nil, ErrClosed, "closed"},
	} {
		q.answer = func(context.Context, []*Task) ([]Enqueued, error) { return c.answers, c.err }
		_, err := managerOf(t, ManagerConfig{}, q).Enqueue(t.Context(), someTasks("a", "b"))
		require.ErrorContains(t, err, c.says)
	}
	q.answer = func(context.Context, []*Task) ([]Enqueued, error) {
		return nil, &BatchError{Items: []driver.ItemError{{Index: 0, ID: "a", Err: ErrQueueFull}, {Index: 1, ID: "b", Err: ErrDuplicate}}}
	}
	answers, err := managerOf(t, ManagerConfig{}, q).Enqueue(t.Context(), someTasks("a", "b"))
	requireItems(t, err, map[int]error{0: ErrQueueFull, 1: ErrDuplicate})
	assert.Equal(t, make([]Enqueued, 2), answers, "where all fail there is nothing to tell apart")
}

func TestEnqueueMiddlewareSeesCompleteTasksInOrder(t *testing.T) {
	q := quick("q")
	var order []string
	mark := func(name string) EnqueueMiddleware {
		return func(next Enqueuer) Enqueuer {
			return EnqueuerFunc(func(ctx context.Context, tasks []*Task) ([]Enqueued, error) {
				for _, task := range tasks {
					require.NoError(t, task.Validate())
				}
				order = append(order, name)
				return next.Enqueue(ctx, tasks)
			})
		}
	}
	m := managerOf(t, ManagerConfig{Middleware: []EnqueueMiddleware{mark("a"), mark("b")}}, q)
	_, err := m.Enqueue(t.Context(), someTasks(""))
	require.NoError(t, err)

	var through []*Task
	_, err = m.Through(EnqueuerFunc(func(_ context.Context, tasks []*Task) ([]Enqueued, error) {
		through = tasks
		return acknowledge(tasks), nil
	})).Enqueue(t.Context(), someTasks("tx"))
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "b", "a", "b"}, order)
	assert.Equal(t, "tx", through[0].ID)
	assert.Len(t, q.trips(), 1, "what goes through does not go to the queue")
}

func TestTaskThatMiddlewareBreaksIsRefused(t *testing.T) {
	q := quick("q")
	breaks := func(next Enqueuer) Enqueuer {
		return EnqueuerFunc(func(ctx context.Context, tasks []*Task) ([]Enqueued, error) {
			changed := make([]*Task, len(tasks))
			for i, task := range tasks {
				c := *task
				if c.ID == "b" {
					c.Payload = []byte("no JSON")
				}
				changed[i] = &c
			}
			return next.Enqueue(ctx, changed)
		})
	}
	drops := func(next Enqueuer) Enqueuer {
		return EnqueuerFunc(func(ctx context.Context, tasks []*Task) ([]Enqueued, error) {
			if tasks[0].ID == "drop" {
				tasks = nil
			}
			return next.Enqueue(ctx, tasks)
		})
	}
	m := managerOf(t, ManagerConfig{Middleware: []EnqueueMiddleware{breaks, drops}}, q)
	_, err := m.Enqueue(t.Context(), someTasks("a", "b"))
	requireItems(t, err, map[int]error{1: ErrInvalidTask})
	assert.Equal(t, [][]string{{"a"}}, q.trips())
	_, err = m.Enqueue(t.Context(), someTasks("drop"))
	require.NoError(t, err, "a middleware may keep tasks to itself")
}

func TestAManagerEnqueuesNothingThatTheQueueCannotKeep(t *testing.T) {
	q := quick("q")
	q.caps.MaxDelay, q.caps.UniqueUntilDone = time.Hour, false
	m := managerOf(t, ManagerConfig{}, q)
	tasks := someTasks("now", "late", "unique")
	tasks[1].ScheduledFor = time.Now().Add(2 * time.Hour)
	tasks[2].UniqueKey = "k"
	_, err := m.Enqueue(t.Context(), tasks)
	requireItems(t, err, map[int]error{1: ErrUnsupported, 2: ErrUnsupported})
	assert.Equal(t, [][]string{{"now"}}, q.trips())
}

func TestAManagerOpensNoQueueWithALeaseThatItsProviderCannotGive(t *testing.T) {
	q := quick("q")
	q.caps.MaxLease = time.Minute
	q.cfg.Visibility = time.Minute
	managerOf(t, ManagerConfig{}, q)

	q = quick("q")
	q.caps.MaxLease = time.Minute
	q.cfg.Visibility = time.Minute + 1
	m := NewManager(ManagerConfig{})
	err := m.Open(t.Context(), brokers{"q": q}, q.cfg)
	require.ErrorIs(t, err, ErrUnsupported)
	require.ErrorContains(t, err, "a visibility of 1m0.000000001s, and the longest lease is 1m0s")
	assert.Empty(t, m.Queues())
}

func TestAQueueThatPromisesNoLeaseAndNoPayloadGetsNone(t *testing.T) {
	q := quick("q")
	q.caps.MaxLease, q.cfg.Visibility = 0, time.Second
	err := NewManager(ManagerConfig{}).Open(t.Context(), brokers{"q": q}, q.cfg)
	require.ErrorIs(t, err, ErrUnsupported)
	require.ErrorContains(t, err, "the longest lease is 0s")

	q = quick("q")
	q.caps.MaxPayload = 0
	m := managerOf(t, ManagerConfig{}, q)
	tasks := someTasks("small")
	tasks[0].Payload = []byte("1")
	_, err = m.Enqueue(t.Context(), tasks)
	requireItems(t, err, map[int]error{0: ErrPayloadTooLarge})
	assert.Empty(t, q.trips())
}
