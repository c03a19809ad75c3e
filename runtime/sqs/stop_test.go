package sqs

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/sqs/sqstest"
)

// TestAStoppedPoolLeavesNoPollThatTakesMessages has SQS give messages to polls whose
// clients are gone, as AWS does.
func TestAStoppedPoolLeavesNoPollThatTakesMessages(t *testing.T) {
	t.Parallel()
	for _, kind := range []driver.QueueType{driver.Standard, driver.FIFO, driver.Priority} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			fake := sqstest.New(nil)
			require.NoError(t, fake.Start())
			t.Cleanup(fake.Stop)
			fake.SetHook(func(c sqstest.Call) sqstest.Fault { return sqstest.Fault{GoOn: c.Operation == "ReceiveMessage"} })
			p, err := New(client(fake.URL()))
			require.NoError(t, err)
			m := runtime.NewManager(runtime.ManagerConfig{})
			require.NoError(t, m.Open(within(t), p, driver.QueueConfig{Name: "q", Type: kind}))
			r := runtime.NewRouter()
			r.Handle(runtime.Policy{Type: "x"}, runtime.HandlerFunc(func(context.Context, *driver.Task) error { return nil }))
			pool, err := runtime.NewPool(m, r, runtime.PoolConfig{Logger: slog.New(slog.DiscardHandler)})
			require.NoError(t, err)
			require.NoError(t, pool.Start(within(t)))
			require.Eventually(t, func() bool { return fake.Polls() > 0 }, soon, time.Millisecond)
			require.NoError(t, pool.Stop(within(t)))
			assert.Zero(t, fake.Polls(), "after Pool.Stop")
			sent := p.Requests()["ReceiveMessage"]
			require.NoError(t, m.Close())
			require.NoError(t, p.Close())
			assert.Zero(t, fake.Polls(), "after Close")
			assert.Equal(t, sent, p.Requests()["ReceiveMessage"], "nothing is polled for nobody")
		})
	}
}

// TestADequeueThatEndedTellsWhenItsPollIsOverAndItsMessagesAreBack cancels a Dequeue, and
// has its poll bring something for nobody.
func TestADequeueThatEndedTellsWhenItsPollIsOverAndItsMessagesAreBack(t *testing.T) {
	t.Parallel()
	for _, cfg := range []driver.QueueConfig{{}, {Type: driver.FIFO}, {Type: driver.Priority}} {
		b := newBench(t)
		q := openQueue(t, b.p, cfg)
		over := make(chan struct{})
		begun := 0
		ctx, cancel := context.WithCancel(within(t))
		heard := driver.HearBehind(ctx, func() func() { begun++; return func() { close(over) } })
		done := make(chan error, 1)
		go func() {
			_, err := q.Dequeue(heard, 10, time.Minute)
			done <- err
		}()
		sources := len(q.state.allSources())
		require.Eventually(t, func() bool { return b.Polls() == sources }, soon, time.Millisecond)
		cancel()
		require.ErrorIs(t, <-done, driver.ErrNoTasks)
		require.Equal(t, 1, begun)
		select {
		case <-over:
			t.Fatal("its polls are under way")
		default:
		}
		put(t, q, "a")
		for sources > 1 && b.Polls() > 0 { // the others bring nothing
			b.clock.Advance(time.Second)
		}
		select {
		case <-over:
		case <-time.After(soon):
			t.Fatal("nothing was told")
		}
		s := stats(t, q)
		require.EqualValues(t, 1, s.Ready, "%s: %+v", q.cfg.Type, s)
		d := first(t, q)
		require.Zero(t, d.Crashes)
	}
}

func TestPollsAreShortUntilNothingHasComeForLong(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	q := openQueue(t, b.p, driver.QueueConfig{})
	wait := func() time.Duration {
		q.state.mu.Lock()
		defer q.state.mu.Unlock()
		return q.state.pollWait()
	}
	require.Equal(t, shortWait, wait())
	q.state.lastMessage = time.Now().Add(-idleAfter)
	require.Equal(t, maxWait, wait())
	put(t, q, "a")
	first(t, q)
	require.Equal(t, shortWait, wait())
	set := openQueue(t, b.provider(t, WithWait(7*time.Second)), driver.QueueConfig{})
	require.Equal(t, 7*time.Second, set.state.pollWait())
}
