package sqs

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

func tenantOf(t *driver.Task) string { return t.Metadata["tenant"] }

func of(tenant string) func(*driver.Task) {
	return func(t *driver.Task) { t.Metadata = map[string]string{"tenant": tenant} }
}

func TestAFairGroupGoesWhereverATaskGoes(t *testing.T) {
	t.Parallel()
	for _, codec := range []Codec{nil, JSON("work")} {
		b := briefBench(t)
		urls := byHand(t, b.p.api.Client, "live", "dead")
		q := openQueue(t, b.provider(t, WithQueue("q", Existing{URL: urls[0], DLQ: urls[1], Codec: codec, FairGroup: tenantOf})), driver.QueueConfig{})
		for tenant, want := range map[string]string{"acme": "acme", "": "", "two words": token("two words")} {
			enqueue(t, q, task(q, "a", of(tenant)))
			group := func(of *sqsQueue) string { return receiveOne(t, b, of).Attributes["MessageGroupId"] }
			require.Equal(t, want, group(q.state.sources[0].sqsQueue))
			ds := take(t, q, 1)
			require.Empty(t, ds[0].Task.GroupKey)
			ds[0].Task.RetryCount++
			require.NoError(t, q.Release(within(t), ds))
			require.Equal(t, want, group(q.state.sources[0].sqsQueue))
			require.NoError(t, q.DeadLetter(within(t), take(t, q, 1)))
			require.Equal(t, want, group(q.state.dlq))
			_, err := q.Redrive(within(t), nil)
			require.NoError(t, err)
			require.Equal(t, want, group(q.state.sources[0].sqsQueue))
			require.NoError(t, q.Complete(within(t), take(t, q, 1)))
		}
	}
}

func TestSQSDropsWhatTheUsersDeduplicationIDSays(t *testing.T) {
	t.Parallel()
	b := benchWith(t, 250*time.Millisecond)
	urls := byHand(t, b.p.api.Client, "live.fifo", "dead.fifo", "wait")
	q := openQueue(t, b.provider(t, WithQueue("q", Existing{URL: urls[0], DLQ: urls[1], Later: urls[2], DeduplicationID: tenantOf})), fifo)
	later := func(t *driver.Task) { t.ScheduledFor = b.clock.Now().Add(time.Second) }
	enqueue(t, q, task(q, "a", of("acme")))
	enqueue(t, q, task(q, "b", of("acme")))
	enqueue(t, q, task(q, "c", of("acme"), later))
	enqueue(t, q, task(q, "d", of("")), task(q, "e", of("")))
	b.clock.Advance(time.Second)
	ds := take(t, q, 1)
	require.Equal(t, []string{"a"}, idsOf(ds))
	ds[0].Task.RetryCount++
	require.NoError(t, q.Release(within(t), ds)) // a retry is no second
	ds = take(t, q, 1)
	require.Equal(t, []string{"a"}, idsOf(ds))
	require.NoError(t, q.DeadLetter(within(t), ds))
	for _, id := range []string{"d", "e"} {
		ds = take(t, q, 1)
		require.Equal(t, []string{id}, idsOf(ds))
		require.NoError(t, q.Complete(within(t), ds))
	}
	becomes(t, q, driver.Stats{Dead: 1})
	moved, err := q.Redrive(within(t), nil) // nor is a redrive
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, moved)
	ds = take(t, q, 1)
	require.Equal(t, []string{"a"}, idsOf(ds))
	require.NoError(t, q.Complete(within(t), ds))
	b.clock.Advance(5 * time.Minute)
	enqueue(t, q, task(q, "f", of("acme")))
	require.Equal(t, []string{"f"}, idsOf(take(t, q, 1)))
}
