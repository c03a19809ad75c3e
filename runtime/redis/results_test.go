package redis

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
)

// An awaited is what an Await that runs in the background returns.
type awaited struct {
	result []byte
	err    error
}

func await(ctx context.Context, rs runtime.Results, id string) <-chan awaited {
	c := make(chan awaited, 1)
	go func() {
		result, err := rs.Await(ctx, id)
		c <- awaited{result, err}
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
	for _, w := range []<-chan awaited{a, b, c} {
		got := <-w
		require.NoError(t, got.err)
		assert.Equal(t, `2`, string(got.result))
	}
	subscribed(t, here, "late", 0)
}

func TestAFailureIsTheErrorOfWhoeverAwaitsIt(t *testing.T) {
	p := open(t, sharedURL(t))
	ctx := within(t)
	w := await(ctx, p.Results(), "dead")
	subscribed(t, p, "dead", 1)
	require.NoError(t, p.Results().PutResult(ctx, "dead", nil, "out of ideas", time.Minute))
	got := <-w
	require.ErrorIs(t, got.err, runtime.ErrTaskFailed)
	assert.ErrorContains(t, got.err, "out of ideas")
}

func TestAResultLivesAsLongAsItIsToAndTheLastOneCounts(t *testing.T) {
	p := open(t, sharedURL(t))
	ctx := within(t)
	require.NoError(t, p.Results().PutResult(ctx, "a", []byte(`1`), "", 0))
	ttl, err := p.client.PTTL(ctx, resultKey(p.prefix, "a")).Result()
	require.NoError(t, err)
	assert.InDelta(t, runtime.DefaultResultRetention, ttl, float64(time.Minute))
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
	require.ErrorIs(t, (<-w).err, runtime.ErrClosed)
	_, err := p.Results().Await(within(t), "never")
	require.ErrorIs(t, err, runtime.ErrClosed)
	require.ErrorIs(t, p.Results().PutResult(within(t), "never", nil, "", time.Minute), runtime.ErrClosed)
}

func TestAResultIsAwaitedThroughALostConnection(t *testing.T) {
	s := own(t)
	p, c := open(t, s.URL), admin(t, s.URL)
	w := await(within(t), p.Results(), "a")
	subscribed(t, p, "a", 1)
	require.NoError(t, c.Do(within(t), "CLIENT", "KILL", "TYPE", "pubsub").Err())
	// Its message finds nobody, or somebody who has come back.
	require.NoError(t, c.Do(within(t), "SET", resultKey(p.prefix, "a"), storedResult+"1", "PX", 60_000).Err())
	got := <-w
	require.NoError(t, got.err)
	assert.Equal(t, "1", string(got.result))
}

func TestResultsOfATaskWithAnOddIDAreKept(t *testing.T) {
	p := open(t, sharedURL(t))
	for _, id := range []string{"{a}b", "a b", strings.Repeat("x", 1000), "ключ"} {
		require.NoError(t, p.Results().PutResult(within(t), id, []byte(`"`+id+`"`), "", time.Minute))
		got, err := p.Results().Await(within(t), id)
		require.NoError(t, err)
		assert.Equal(t, `"`+id+`"`, string(got))
	}
}
