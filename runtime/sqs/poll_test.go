package sqs

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/sqs/sqstest"
)

// abandon lets a Dequeue wait in a poll and then goes away from it.
func abandon(t *testing.T, b *bench, q *Queue) {
	t.Helper()
	ctx, cancel := context.WithCancel(within(t))
	done := make(chan error, 1)
	go func() {
		_, err := q.Dequeue(ctx, 10, time.Minute)
		done <- err
	}()
	require.Eventually(t, func() bool { return b.Polls() > 0 }, soon, time.Millisecond)
	cancel()
	require.ErrorIs(t, <-done, driver.ErrNoTasks)
}

func TestACancelledDequeueLeavesItsPollToTheNextOne(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	q := openQueue(t, b.p, driver.QueueConfig{})
	abandon(t, b, q)
	require.Equal(t, 1, b.Polls(), "the poll was cancelled: SQS would lease messages to nobody")
	before := b.p.Requests()["ReceiveMessage"]
	put(t, q, "a", "b")
	require.ElementsMatch(t, []string{"a", "b"}, idsOf(take(t, q, 2)))
	require.LessOrEqual(t, b.p.Requests()["ReceiveMessage"]-before, int64(1))
}

func TestWhatNobodyAsksForGoesBackToOtherProcessesUncharged(t *testing.T) {
	t.Parallel()
	for i, cfg := range []driver.QueueConfig{{}, {Type: driver.FIFO}, {Type: driver.Priority}, {}} {
		var opts []Option
		if i == 3 {
			opts = append(opts, RetryByVisibility())
		}
		b := newBench(t, opts...)
		q, other := openQueue(t, b.p, cfg), openQueue(t, b.provider(t, opts...), cfg)
		abandon(t, b, q)
		put(t, q, "a")
		becomes(t, q, driver.Stats{Ready: 1})
		d := take(t, other, 1)[0]
		require.Equal(t, "a", d.Task.ID)
		require.Zero(t, d.Crashes)
		require.Zero(t, d.Task.RetryCount)
	}
}

func TestCloseGivesBackWhatItsPollsBrought(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := b.provider(t, WithCloseWait(soon))
	q := openQueue(t, p, driver.QueueConfig{})
	abandon(t, b, q)
	closed := make(chan error, 1)
	go func() { closed <- q.Close() }()
	other := openQueue(t, b.p, driver.QueueConfig{})
	put(t, other, "a")
	require.NoError(t, <-closed)
	require.Equal(t, []string{"a"}, idsOf(take(t, other, 1)))
}

func TestCloseDoesNotWaitForAnIdlePollBeyondItsBound(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	q := openQueue(t, b.p, driver.QueueConfig{})
	abandon(t, b, q)
	require.NoError(t, q.Close())
	require.Eventually(t, func() bool { return b.Polls() == 0 }, soon, time.Millisecond)
}

func TestAPollThatIsNeverAnsweredIsGivenUp(t *testing.T) {
	t.Parallel()
	b := newBench(t, WithWait(time.Second))
	q := openQueue(t, b.p, driver.QueueConfig{})
	put(t, q, "a")
	b.p.api.answerWait = 100 * time.Millisecond
	b.SetHook(func(c sqstest.Call) sqstest.Fault { return sqstest.Fault{Delay: time.Hour} })
	_, err := q.Dequeue(within(t), 1, time.Minute)
	require.ErrorContains(t, err, "SQS did not answer within 1.1s")
	require.NotErrorIs(t, err, context.DeadlineExceeded, "the caller's has not passed")
	b.SetHook(nil)
	b.clock.Advance(time.Hour)
	require.Equal(t, []string{"a"}, idsOf(take(t, q, 1)))
}

func TestThereIsOnePollWhenIdleAndMoreAtLoad(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	q := openQueue(t, b.p, driver.QueueConfig{})
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(within(t))
	for range 5 {
		wg.Go(func() { _, _ = q.Dequeue(ctx, 20, time.Minute) })
	}
	require.Eventually(t, func() bool { return b.Polls() == 1 }, soon, time.Millisecond)
	cancel()
	wg.Wait()

	var mu sync.Mutex
	most := 0
	b.SetHook(func(c sqstest.Call) sqstest.Fault {
		if c.Operation != "ReceiveMessage" {
			return sqstest.Fault{}
		}
		q.state.mu.Lock()
		n := q.state.sources[0].polls
		q.state.mu.Unlock()
		mu.Lock()
		defer mu.Unlock()
		most = max(most, n)
		return sqstest.Fault{}
	})
	put(t, q, numbered(600)...)
	for got := 0; got < 600; {
		ds, err := q.Dequeue(within(t), 200, time.Minute)
		require.NoError(t, err)
		got += len(ds)
	}
	mu.Lock()
	defer mu.Unlock()
	assert.Greater(t, most, 2)
	assert.LessOrEqual(t, most, defaultPolls)
}

func TestAtLoadATaskCostsAtMostTwoFifthsOfARequest(t *testing.T) {
	t.Parallel()
	const tasks = 2000
	for _, cfg := range []driver.QueueConfig{{Name: "s"}, {Name: "p", Type: driver.Priority, Levels: 4}} {
		b := benchWith(t, 250*time.Millisecond) // Stop waits for the polls
		m := runtime.NewManager(runtime.ManagerConfig{Clock: b.clock})
		require.NoError(t, m.Open(within(t), b.p, cfg))
		before := total(b.p)
		ts := make([]*driver.Task, tasks)
		for i, id := range numbered(tasks) {
			ts[i] = &driver.Task{ID: id, Type: "work", Queue: cfg.Name, Payload: []byte(`{}`)}
		}
		_, err := m.Enqueue(within(t), ts)
		require.NoError(t, err)
		var wg sync.WaitGroup
		wg.Add(tasks)
		r := runtime.NewRouter()
		r.Handle(runtime.Policy{Type: "work", Queue: cfg.Name}, runtime.HandlerFunc(func(context.Context, *driver.Task) error {
			wg.Done()
			return nil
		}))
		pool, err := runtime.NewPool(m, r, runtime.PoolConfig{Workers: 64, Logger: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		require.NoError(t, pool.Start(within(t)))
		wg.Wait()
		require.NoError(t, pool.Stop(within(t)))
		cost := float64(total(b.p)-before) / tasks
		t.Logf("queue %q: %.3f requests a task: %v", cfg.Name, cost, b.p.Requests())
		assert.LessOrEqual(t, cost, 0.4)
		require.NoError(t, m.Close())
	}
}

// TestWithSlowHandlersATaskCostsAtMostHalfARequest is about handlers that take half a second,
// by the machine's clock, as fetches and acks go by it.
func TestWithSlowHandlersATaskCostsAtMostHalfARequest(t *testing.T) {
	t.Parallel()
	const tasks, run = 100, 500 * time.Millisecond
	fake := sqstest.New(nil)
	require.NoError(t, fake.Start())
	t.Cleanup(fake.Stop)
	p, err := New(client(fake.URL()), WithWait(time.Second)) // Stop waits for the polls
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	m := runtime.NewManager(runtime.ManagerConfig{})
	require.NoError(t, m.Open(within(t), p, driver.QueueConfig{Name: "q"}))
	before := total(p)
	ts := make([]*driver.Task, tasks)
	for i := range ts {
		ts[i] = &driver.Task{Type: "work", Queue: "q", Payload: []byte(`{}`)}
	}
	_, err = m.Enqueue(within(t), ts)
	require.NoError(t, err)
	var left sync.WaitGroup
	left.Add(tasks)
	r := runtime.NewRouter()
	r.Handle(runtime.Policy{Type: "work"}, runtime.HandlerFunc(func(_ context.Context, task *driver.Task) error {
		defer left.Done()
		<-time.After(run/2 + rand.N(run))
		return nil
	}))
	pool, err := runtime.NewPool(m, r, runtime.PoolConfig{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	require.NoError(t, pool.Start(within(t)))
	left.Wait()
	require.NoError(t, pool.Stop(within(t)))
	cost := float64(total(p)-before) / tasks
	t.Logf("%.3f requests a task: %v", cost, p.Requests())
	assert.LessOrEqual(t, cost, 0.5)
	require.NoError(t, m.Close())
}

func TestRequestsCountsEachTry(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	q := openQueue(t, b.p, driver.QueueConfig{})
	tries := 0
	b.SetHook(func(c sqstest.Call) sqstest.Fault {
		if c.Operation != "SendMessageBatch" {
			return sqstest.Fault{}
		}
		if tries++; tries < 3 {
			return sqstest.Fault{Error: sqstest.Throttled()}
		}
		return sqstest.Fault{}
	})
	before := b.p.Requests()["SendMessageBatch"]
	put(t, q, "a")
	require.Equal(t, int64(3), b.p.Requests()["SendMessageBatch"]-before, "throttled twice, then sent")
	require.Equal(t, driver.Stats{Ready: 1}, stats(t, q))
}

// TestABriefDequeueLooksNowAndThen counts what a Dequeue costs that ends too soon for
// a poll that waits: a few looks, however fast they are answered.
func TestABriefDequeueLooksNowAndThen(t *testing.T) {
	t.Parallel()
	for _, cfg := range []driver.QueueConfig{{}, {Type: driver.FIFO}, {Type: driver.Priority, Levels: 4}} {
		b := newBench(t)
		q := openQueue(t, b.p, cfg)
		before := b.p.Requests()["ReceiveMessage"]
		began := time.Now()
		_, err := q.Dequeue(shortly(t), 10, time.Minute)
		require.ErrorIs(t, err, driver.ErrNoTasks)
		looks := int64(time.Since(began)/shortPollInterval) + 1
		sources := int64(len(q.state.allSources()))
		cost := b.p.Requests()["ReceiveMessage"] - before
		require.LessOrEqual(t, cost, sources*(looks+2), "%s: for %d looks", q.cfg.Type, looks) // the highest levels are asked once more by themselves
		put(t, q, "a")
		require.Equal(t, []string{"a"}, idsOf(take(t, q, 1)))
	}
}

// TestALeaseIsCountedFromTheRequestWhereItsPollDidNotWait has the answer be late: the
// lease must not seem to last longer than SQS keeps it.
func TestALeaseIsCountedFromTheRequestWhereItsPollDidNotWait(t *testing.T) {
	t.Parallel()
	for late, want := range map[time.Duration]time.Duration{quick - time.Millisecond: 0, quick: quick} {
		b := newBench(t)
		q := openQueue(t, b.p, driver.QueueConfig{})
		put(t, q, "a")
		began := b.clock.Now()
		var once sync.Once
		b.SetHook(func(c sqstest.Call) sqstest.Fault {
			if c.Operation == "ReceiveMessage" {
				once.Do(func() { b.clock.Advance(late) })
			}
			return sqstest.Fault{}
		})
		ds, err := q.Dequeue(within(t), 1, 20*time.Second)
		require.NoError(t, err)
		require.Equal(t, want+20*time.Second, ds[0].LeaseUntil.Sub(began), "answered after %s", late)
	}
}

// A process that stands still reads the answer when its lease is over: somebody else has
// the task by then, or is done with it.
func TestAnAnswerThatIsReadAfterItsLeaseBringsNothing(t *testing.T) {
	t.Parallel()
	for _, kind := range []driver.QueueType{driver.Standard, driver.FIFO} {
		b := benchWith(t, 20*time.Millisecond)
		q := openQueue(t, b.p, driver.QueueConfig{Type: kind})
		put(t, q, "a")
		name := q.state.sources[0].name
		var once sync.Once
		b.SetHook(func(c sqstest.Call) sqstest.Fault {
			if c.Operation == "ReceiveMessage" && c.Queue == name {
				once.Do(func() { b.clock.Advance(time.Minute) })
			}
			return sqstest.Fault{}
		})
		nothing(t, q)
		b.clock.Advance(firstLease)
		require.Equal(t, []string{"a"}, idsOf(take(t, q, 1)), kind)
	}
}
