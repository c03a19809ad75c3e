package redis

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/internal/faultproxy"
	"github.com/taskgen/taskgen/runtime/driver"
)

// waitOnMany opens queues, and returns once a Dequeue waits on each of them. Whoever
// gets a task says which.
func waitOnMany(t *testing.T, p *Provider, n int) ([]*queue, <-chan string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	queues, got, over := make([]*queue, n), make(chan string, n), make(chan struct{}, n)
	for i := range queues {
		queues[i] = openQueue(t, p, driver.QueueConfig{Name: fmt.Sprintf("q%d", i)})
	}
	t.Cleanup(func() {
		cancel()
		for range queues {
			<-over
		}
	})
	for _, q := range queues {
		go func() {
			defer func() { over <- struct{}{} }()
			for ctx.Err() == nil {
				ds, err := q.Dequeue(ctx, 1, time.Minute)
				if err != nil {
					continue
				}
				got <- ds[0].Task.ID
				_ = q.Complete(ctx, ds)
			}
		}()
	}
	require.Eventually(t, func() bool {
		for _, q := range queues {
			if !q.keyspace.waitQueue.hasWaiters() {
				return false
			}
		}
		return true
	}, soon, time.Millisecond)
	return queues, got
}

// wakeEach puts a task on each queue, and waits for all of them.
func wakeEach(t *testing.T, queues []*queue, got <-chan string, round string) {
	t.Helper()
	left := make(map[string]bool)
	for i, q := range queues {
		one := task(fmt.Sprintf("%s-%d", round, i))
		one.Queue = q.cfg.Name
		left[one.ID] = true
		enqueue(t, q, one)
	}
	limit := time.After(soon)
	for len(left) > 0 {
		select {
		case id := <-got:
			delete(left, id)
		case <-limit:
			require.Empty(t, left, round)
		}
	}
}

func blockedOn(t *testing.T, c goredis.UniversalClient) int {
	t.Helper()
	info, err := c.Info(within(t), "clients").Result()
	require.NoError(t, err)
	_, rest, _ := strings.Cut(info, "blocked_clients:")
	text, _, _ := strings.Cut(rest, "\r\n")
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	return n
}

// manyKeyspaces are more than have a connection each, and more than one connection takes of
// the others.
const manyKeyspaces = ownWatchers + sharedKeyspaces + 12

func TestManyQueuesShareAFewConnections(t *testing.T) {
	p := open(t, own(t).URL)
	queues, got := waitOnMany(t, p, manyKeyspaces)
	for round := range 5 {
		wakeEach(t, queues, got, strconv.Itoa(round))
		assert.LessOrEqual(t, blockedOn(t, p.client), ownWatchers+2)
	}
}

func TestEmptyQueuesThatWaitRunNoScript(t *testing.T) {
	p := open(t, own(t).URL)
	waitOnMany(t, p, manyKeyspaces)
	before := calls(t, p)
	require.Eventually(t, func() bool { return calls(t, p)["exists"] >= before["exists"]+manyKeyspaces }, soon, 100*time.Millisecond)
	assert.LessOrEqual(t, calls(t, p)["evalsha"]-before["evalsha"], ownWatchers+sharedWatchers, "but to block for more keyspaces")
}

func TestALostWakeUpIsMadeUpForOnASharedConnection(t *testing.T) {
	p := open(t, own(t).URL)
	queues, got := waitOnMany(t, p, manyKeyspaces)
	q := queues[manyKeyspaces-1]
	_, err := p.client.TxPipelined(within(t), func(pipe goredis.Pipeliner) error {
		pipe.HSet(t.Context(), q.keyspace.key(keyBody), "a", driver.AppendEnvelope(nil, task("a")))
		pipe.RPush(t.Context(), listKey(p.prefix, q.cfg.Name, "0"), "a")
		return nil
	})
	require.NoError(t, err)
	select {
	case id := <-got:
		assert.Equal(t, "a", id)
	case <-time.After(soon):
		require.Fail(t, "nobody has looked")
	}
}

func TestASharedConnectionThatDiesInSilenceIsReplaced(t *testing.T) {
	s := own(t)
	proxy, err := faultproxy.Listen(addrOf(s.URL))
	require.NoError(t, err)
	t.Cleanup(func() { _ = proxy.Close() })
	p := open(t, "redis://"+proxy.Addr())
	queues, got := waitOnMany(t, p, ownWatchers+20)
	proxy.Swallow()
	proxy.Heal() // for new ones
	wakeEach(t, queues, got, "after")
}

func TestAnotherQueueIsWaitedForAtOnceThoughTheServerIsFull(t *testing.T) {
	s := own(t)
	p := open(t, s.URL)
	waitOnMany(t, p, ownWatchers+1)
	another := openQueue(t, p, driver.QueueConfig{Name: "another"})
	require.Eventually(t, func() bool { return blockedOn(t, p.client) == ownWatchers+1 }, soon, time.Millisecond)
	restore := fill(t, s.URL)
	defer restore()
	before := calls(t, p)["rpush"]
	ctx, cancel := context.WithCancel(within(t))
	defer cancel()
	idle(t, ctx, another)
	assert.Eventually(t, func() bool { return calls(t, p)["rpush"] > before }, soon, time.Millisecond)
}

func TestNothingStaysOfWhatHasWaited(t *testing.T) {
	s := own(t)
	p, err := Open(within(t), s.URL)
	require.NoError(t, err)
	c := admin(t, s.URL)
	ctx, cancel := context.WithCancel(within(t))
	defer cancel()
	for i := range ownWatchers + 50 {
		idle(t, ctx, openQueue(t, p, driver.QueueConfig{Name: fmt.Sprintf("q%d", i)}))
	}
	require.NoError(t, p.Close())
	keys, err := c.Keys(within(t), "*:watch:*").Result()
	require.NoError(t, err)
	for _, key := range keys {
		assert.Positive(t, c.PTTL(within(t), key).Val(), "%s lasts", key)
	}
}

func TestManyQueuesShareAFewConnectionsToACluster(t *testing.T) {
	s, err := sharedCluster()
	require.NoError(t, err)
	o, _, err := clusterOptions(s.URL)
	require.NoError(t, err)
	client := goredis.NewClusterClient(o)
	t.Cleanup(func() { _ = client.Close() })
	p, err := New(client, WithPrefix(newPrefix()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	queues, got := waitOnMany(t, p, 2*ownWatchers)
	for round := range 3 {
		wakeEach(t, queues, got, strconv.Itoa(round))
		var mu sync.Mutex
		all := 0
		require.NoError(t, client.ForEachMaster(within(t), func(_ context.Context, node *goredis.Client) error {
			mu.Lock()
			defer mu.Unlock()
			all += blockedOn(t, node)
			return nil
		}))
		assert.LessOrEqual(t, all, ownWatchers)
	}
}
