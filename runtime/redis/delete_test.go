package redis

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// keysOf lists the keys of the provider's queues.
func keysOf(t *testing.T, p *Provider) []string {
	t.Helper()
	keys, err := p.client.Keys(within(t), "{"+p.prefix+":*").Result()
	require.NoError(t, err)
	slices.Sort(keys)
	return keys
}

func TestDeleteLeavesNoKey(t *testing.T) {
	for _, cfg := range []driver.QueueConfig{{}, {Type: driver.FIFO}, {Type: driver.Priority, Levels: 3}} {
		url := sharedURL(t)
		p := open(t, url)
		q := openQueue(t, p, cfg)
		// Another process has more levels than this one knows.
		more := cfg
		if more.Levels++; cfg.Type == driver.Priority {
			urgent := fitting(more, "urgent", 1)
			urgent[0].Priority = more.Levels - 1
			enqueue(t, openQueue(t, open(t, url), more), urgent...)
		}
		ts := fitting(cfg, "t", 9)
		ts[0].UniqueKey = "k"
		enqueue(t, q, ts...)
		take(t, q, 2)
		require.NotEmpty(t, keysOf(t, p))
		require.NoError(t, q.Delete(within(t)))
		assert.Empty(t, keysOf(t, p), "%s", cfg.Type)
	}
}

func TestDeleteOfAQueueWithASharedDeadLetterQueueLeavesItToTheOther(t *testing.T) {
	p := open(t, sharedURL(t))
	one, other := openQueue(t, p, driver.QueueConfig{Name: "one", DLQ: "shared"}), openQueue(t, p, driver.QueueConfig{Name: "other", DLQ: "shared"})
	shared := openQueue(t, p, driver.QueueConfig{Name: "shared"})
	require.NoError(t, one.Delete(within(t)))
	assert.EqualValues(t, 0, stats(t, shared).Ready, "its handle stays open")
	require.ErrorIs(t, shared.Delete(within(t)), driver.ErrUnsupported)
	require.NoError(t, other.Delete(within(t)))
	assert.Empty(t, keysOf(t, p), "it goes with the last queue that names it")
	_, err := shared.Stats(within(t))
	require.ErrorIs(t, err, driver.ErrClosed)
}
