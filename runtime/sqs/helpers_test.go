package sqs

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/sqs/sqstest"
	"github.com/taskgen/taskgen/runtime/tasktest"
)

// soon bounds every wait of a test for something that happens at once.
const soon = 2 * time.Minute

// A bench is one test's server, clock and provider.
type bench struct {
	*sqstest.Server
	clock *tasktest.Clock
	p     *Provider
}

func newBench(t *testing.T, opts ...Option) *bench { return benchWith(t, 0, opts...) }

// briefBench is newBench for tests that look through dead letters: such a search ends with a
// receive that waits.
func briefBench(t *testing.T, opts ...Option) *bench {
	return benchWith(t, 50*time.Millisecond, opts...)
}

// benchWith has the server end each poll after longest by the machine's clock, where it
// is not 0: its own stands still.
func benchWith(t *testing.T, longest time.Duration, opts ...Option) *bench {
	clock := tasktest.NewClock(time.Now().Truncate(time.Second))
	b := &bench{Server: sqstest.New(clock), clock: clock}
	b.LongestPoll = longest
	require.NoError(t, b.Start())
	t.Cleanup(b.Stop)
	b.p = b.provider(t, opts...)
	return b
}

// provider opens one more, as another process would.
func (b *bench) provider(t *testing.T, opts ...Option) *Provider {
	p, err := New(client(b.URL()), append([]Option{WithClock(b.clock), WithCloseWait(20 * time.Millisecond)}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

func openQueue(t *testing.T, p *Provider, cfg driver.QueueConfig) *Queue {
	t.Helper()
	if cfg.Name == "" {
		cfg.Name = "q"
	}
	q, err := p.Open(within(t), cfg)
	require.NoError(t, err)
	return q.(*Queue)
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	t.Cleanup(cancel)
	return ctx
}

// shortly ends too soon for a poll that waits.
func shortly(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 900*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

// task makes a task for a queue; on a fifo queue it is of the group "g".
func task(q *Queue, id string, change ...func(*driver.Task)) *driver.Task {
	t := &driver.Task{ID: id, Type: "work", Queue: q.cfg.Name, Payload: []byte(`{"id":"` + id + `"}`), CreatedAt: q.state.p.clock.Now(), MaxRetries: 3}
	if q.cfg.Type == driver.FIFO {
		t.GroupKey = "g"
	}
	for _, f := range change {
		f(t)
	}
	return t
}

func put(t *testing.T, q *Queue, ids ...string) {
	t.Helper()
	ts := make([]*driver.Task, len(ids))
	for i, id := range ids {
		ts[i] = task(q, id)
	}
	enqueue(t, q, ts...)
}

func enqueue(t *testing.T, q *Queue, ts ...*driver.Task) {
	t.Helper()
	_, err := q.Enqueue(within(t), ts)
	require.NoError(t, err)
}

func numbered(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("task-%04d", i)
	}
	return ids
}

// take leases n tasks for a minute.
func take(t *testing.T, q *Queue, n int) []*driver.Delivery {
	t.Helper()
	var all []*driver.Delivery
	for len(all) < n {
		ds, err := q.Dequeue(within(t), n-len(all), time.Minute)
		require.NoError(t, err)
		all = append(all, ds...)
	}
	return all
}

// nothing looks whether the queue hands out anything now, and waits until the polls of that
// are over and what they received is on its way again: one that met a clock which is moved
// then would take a message for a time that has passed, and for good, or make a hop longer.
func nothing(t *testing.T, q *Queue) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	var behind sync.WaitGroup
	ds, err := q.Dequeue(driver.HearBehind(ctx, func() func() {
		behind.Add(1)
		return behind.Done
	}), 10, time.Minute)
	require.Empty(t, idsOf(ds))
	require.ErrorIs(t, err, driver.ErrNoTasks)
	over := make(chan struct{})
	go func() {
		behind.Wait()
		close(over)
	}()
	select {
	case <-over:
	case <-time.After(soon):
		t.Fatal("polls go on behind a Dequeue that has ended")
	}
}

func idsOf(ds []*driver.Delivery) []string {
	ids := []string{}
	for _, d := range ds {
		ids = append(ids, d.Task.ID)
	}
	return ids
}

func stats(t *testing.T, q *Queue) driver.Stats {
	t.Helper()
	s, err := q.Stats(within(t))
	require.NoError(t, err)
	return s
}

func becomes(t *testing.T, q *Queue, want driver.Stats) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		s, err := q.Stats(context.Background())
		require.NoError(c, err)
		require.Equal(c, want, s)
	}, soon, 5*time.Millisecond)
}
