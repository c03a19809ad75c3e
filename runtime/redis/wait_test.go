package redis

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// idle starts a Dequeue and returns once it waits.
func idle(t *testing.T, ctx context.Context, q *queue) <-chan *driver.Delivery {
	t.Helper()
	before := q.keyspace.waiters()
	got := make(chan *driver.Delivery, 1)
	go func() {
		defer close(got)
		if ds, err := q.Dequeue(ctx, 1, time.Minute); err == nil {
			got <- ds[0]
		}
	}()
	require.Eventually(t, func() bool { return q.keyspace.waiters() == before+1 }, soon, time.Millisecond)
	return got
}

// blocked waits until the server has n clients that wait.
func blocked(t *testing.T, p *Provider, n string) {
	t.Helper()
	require.Eventually(t, func() bool {
		info, err := p.client.Info(within(t), "clients").Result()
		require.NoError(t, err)
		return strings.Contains(info, "blocked_clients:"+n+"\r\n")
	}, soon, time.Millisecond)
}

func TestWaitingWorkersShareOneConnectionAndAskNothing(t *testing.T) {
	s := own(t)
	p := open(t, s.URL)
	q := openQueue(t, p, driver.QueueConfig{})
	twin := openQueue(t, p, driver.QueueConfig{})
	ctx, cancel := context.WithCancel(within(t))
	defer cancel()
	var all []<-chan *driver.Delivery
	for range 5 {
		all = append(all, idle(t, ctx, q), idle(t, ctx, twin))
	}
	blocked(t, p, "1")
	// For as long as this takes the server is asked by this test alone.
	before := calls(t, p)
	brief, end := context.WithTimeout(ctx, time.Second)
	defer end()
	<-brief.Done()
	after := calls(t, p)
	delete(after, "info")
	delete(before, "info")
	assert.Equal(t, before, after)
	enqueue(t, q, tasks(10)...)
	for _, got := range all {
		require.NotNil(t, <-got)
	}
}

func TestAWorkerIsWokenWhenADelayedTaskFallsDueThoughAnotherProcessKnewOfIt(t *testing.T) {
	url := sharedURL(t)
	here, there := openQueue(t, open(t, url), driver.QueueConfig{}), openQueue(t, open(t, url), driver.QueueConfig{})
	ctx := within(t)
	first, cancel := context.WithCancel(ctx)
	defer cancel()
	leaves := idle(t, first, here)
	later := task("later")
	later.ScheduledFor = time.Now().Add(700 * time.Millisecond)
	enqueue(t, there, later) // wakes the only one who waits
	stays := idle(t, ctx, there)
	cancel()
	<-leaves
	got := <-stays
	require.NotNil(t, got)
	assert.False(t, time.Now().Before(later.ScheduledFor))
	assert.Less(t, time.Since(later.ScheduledFor), recheck-time.Second, "not only when it looked by itself")
}

func TestAWakeUpThatReachesNobodyIsPassedOn(t *testing.T) {
	url := sharedURL(t)
	here, there := openQueue(t, open(t, url), driver.QueueConfig{}), openQueue(t, open(t, url), driver.QueueConfig{})
	for i := range 20 {
		first, cancel := context.WithCancel(within(t))
		leaves := idle(t, first, here)
		stays := idle(t, within(t), there)
		sent := time.Now()
		go cancel() // beside the wake-up
		enqueue(t, there, tasks(i + 1)[i])
		a, b := <-leaves, (*driver.Delivery)(nil)
		if a == nil {
			b = <-stays
			require.NotNil(t, b)
			assert.Less(t, time.Since(sent), recheck-time.Second)
			continue
		}
		enqueue(t, there, task(fmt.Sprintf("for the other %d", i)))
		require.NotNil(t, <-stays)
	}
}

func TestAQueueThatIsClosedLeavesTheWakeUpToOthers(t *testing.T) {
	url := sharedURL(t)
	here, there := open(t, url), open(t, url)
	closing := openQueue(t, here, driver.QueueConfig{})
	leaves := idle(t, within(t), closing)
	stays := idle(t, within(t), openQueue(t, there, driver.QueueConfig{}))
	require.NoError(t, closing.Close())
	require.Nil(t, <-leaves)
	sent := time.Now()
	enqueue(t, openQueue(t, there, driver.QueueConfig{}), task("a"))
	require.NotNil(t, <-stays)
	assert.Less(t, time.Since(sent), recheck-time.Second)
}
