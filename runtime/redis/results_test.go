package redis

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/drivertest/resultstoretest"
)

// An awaited is what an Await that runs in the background returns.
type hasWaiters struct {
	result []byte
	err    error
}

func await(ctx context.Context, rs driver.Results, id string) <-chan hasWaiters {
	c := make(chan hasWaiters, 1)
	go func() {
		result, err := rs.Await(ctx, id)
		c <- hasWaiters{result, err}
	}()
	return c
}

// subscribed waits until the server knows of n subscriptions to a result.
func subscribed(t *testing.T, p *Provider, id string, n int64) {
	t.Helper()
	channel := resultKey(p.prefix, id)
	require.Eventually(t, func() bool {
		counts, err := p.client.PubSubNumSub(within(t), channel).Result()
		require.NoError(t, err)
		return counts[channel] == n
	}, soon, time.Millisecond)
}

func TestAResultIsThereForWhoeverAwaitsIt(t *testing.T) {
	url := sharedURL(t)
	here, there := open(t, url), open(t, url)
	ctx := within(t)
	require.NoError(t, here.Results().PutResult(ctx, "early", []byte(`{"n":1}`), "", time.Minute))
	got, err := there.Results().Await(ctx, "early")
	require.NoError(t, err)
	assert.Equal(t, `{"n":1}`, string(got))

	a, b, c := await(ctx, here.Results(), "late"), await(ctx, there.Results(), "late"), await(ctx, there.Results(), "late")
	subscribed(t, here, "late", 2)
	require.NoError(t, here.Results().PutResult(ctx, "late", []byte(`2`), "", time.Minute))
	for _, w := range []<-chan hasWaiters{a, b, c} {
		got := <-w
		require.NoError(t, got.err)
		assert.Equal(t, `2`, string(got.result))
	}
	subscribed(t, here, "late", 0)
}

func TestAResultLivesAsLongAsItIsToAndTheLastOneCounts(t *testing.T) {
	p := open(t, sharedURL(t))
	ctx := within(t)
	require.NoError(t, p.Results().PutResult(ctx, "a", []byte(`1`), "", 0))
	ttl, err := p.client.PTTL(ctx, resultKey(p.prefix, "a")).Result()
	require.NoError(t, err)
	assert.InDelta(t, driver.DefaultResultRetention, ttl, float64(time.Minute))
	require.NoError(t, p.Results().PutResult(ctx, "a", []byte(`2`), "", time.Hour))
	got, err := p.Results().Await(ctx, "a")
	require.NoError(t, err)
	assert.Equal(t, `2`, string(got))
	require.NoError(t, p.Results().PutResult(ctx, "a", []byte(`3`), "", 1))
	require.Eventually(t, func() bool { return p.client.Exists(ctx, resultKey(p.prefix, "a")).Val() == 0 }, soon, time.Millisecond)
}

func TestAwaitEndsWithItsContextAndWithTheProvider(t *testing.T) {
	p := open(t, sharedURL(t))
	ctx, cancel := context.WithCancel(within(t))
	w := await(ctx, p.Results(), "never")
	subscribed(t, p, "never", 1)
	cancel()
	require.ErrorIs(t, (<-w).err, context.Canceled)
	w = await(within(t), p.Results(), "never")
	subscribed(t, p, "never", 1)
	require.NoError(t, p.Close())
	require.ErrorIs(t, (<-w).err, driver.ErrClosed)
	_, err := p.Results().Await(within(t), "never")
	require.ErrorIs(t, err, driver.ErrClosed)
	require.ErrorIs(t, p.Results().PutResult(within(t), "never", nil, "", time.Minute), driver.ErrClosed)
}

func TestAResultIsAwaitedThroughALostConnection(t *testing.T) {
	s := own(t)
	p, c := open(t, s.URL), admin(t, s.URL)
	w := await(within(t), p.Results(), "a")
	subscribed(t, p, "a", 1)
	// Without a message, as when that is lost with the connection: the waiter is to look
	// when it has subscribed again.
	require.NoError(t, c.Do(within(t), "SET", resultKey(p.prefix, "a"), stored([]byte("1"), ""), "PX", 60_000).Err())
	require.NoError(t, c.Do(within(t), "CLIENT", "KILL", "TYPE", "pubsub").Err())
	got := <-w
	require.NoError(t, got.err)
	assert.Equal(t, "1", string(got.result))
}

// TestAwaitAsksOnlyWhenThereIsNews counts the reads of a wait that takes longer than
// anybody would let pass between two polls.
func TestAwaitAsksOnlyWhenThereIsNews(t *testing.T) {
	s := own(t)
	p, c := open(t, s.URL), admin(t, s.URL)
	w := await(within(t), p.Results(), "a")
	subscribed(t, p, "a", 1)
	<-time.After(time.Second)
	require.NoError(t, p.Results().PutResult(within(t), "a", []byte(`1`), "", time.Minute))
	got := <-w
	require.NoError(t, got.err)
	info, err := c.Info(within(t), "commandstats").Result()
	require.NoError(t, err)
	assert.Contains(t, info, "cmdstat_get:calls=3,", "one read at first, one when it is subscribed, one at the news")
}

func TestResultsKeepWhatAResultStorePromises(t *testing.T) {
	resultstoretest.Run(t, func(tb testing.TB) resultstoretest.Place {
		url, prefix := sharedURL(tb), newPrefix()
		return resultstoretest.Place{
			Open: func() driver.ResultStore { return open(tb, url, WithPrefix(prefix)).Results() },
			Pass: func(d time.Duration) { <-time.After(d + time.Millisecond) },
		}
	})
}

func TestWhatBecameOfATaskBelongsToOneLife(t *testing.T) {
	resultstoretest.RunLives(t, func(tb testing.TB) resultstoretest.Lives {
		p := open(tb, sharedURL(tb))
		return resultstoretest.Lives{Provider: p, Results: p.Results(), Letters: p.Letters()}
	})
}

// An earlier build writes and reads results without marks.
func TestResultsOfAnEarlierBuildAreReadAndForgottenAndItReadsOurs(t *testing.T) {
	p := open(t, sharedURL(t))
	put := func(id, value string) {
		t.Helper()
		require.NoError(t, p.client.Set(t.Context(), resultKey(p.prefix, id), value, time.Hour).Err())
	}
	ids := []string{"result", "failure", "replaced", "over ours"}
	require.NoError(t, p.Results().PutResult(t.Context(), "over ours", []byte("1"), "", time.Hour))
	for i, value := range []string{"r1", "fboom", "r1", "r2"} {
		put(ids[i], value)
	}
	rs, err := p.results.Peek(t.Context(), ids)
	require.NoError(t, err)
	assert.Equal(t, "1", string(rs[0].Result))
	assert.Equal(t, "boom", rs[1].Failure)
	assert.Equal(t, "2", string(rs[3].Result))
	put("replaced", "r2")
	require.NoError(t, p.results.Forget(t.Context(), rs))
	rs, err = p.results.Peek(t.Context(), ids)
	require.NoError(t, err)
	assert.Empty(t, rs[0].Version+rs[1].Version+rs[3].Version)
	assert.Equal(t, "2", string(rs[2].Result), "another has taken its place")

	require.NoError(t, p.Results().PutResult(t.Context(), "ours", []byte("1"), "", time.Hour))
	require.NoError(t, p.Results().PutResult(t.Context(), "our failure", nil, "boom", time.Hour))
	for id, want := range map[string]string{"ours": "r1", "our failure": "fboom"} {
		got, err := p.client.Get(t.Context(), resultKey(p.prefix, id)).Result()
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
}
