package nats

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// streamsOf lists the streams with the provider's prefix.
func streamsOf(t *testing.T, p *Provider) []string {
	t.Helper()
	all := []string{}
	names := p.js.StreamNames(within(t))
	for name := range names.Name() {
		if strings.HasPrefix(name, p.prefix+"-") {
			all = append(all, name)
		}
	}
	require.NoError(t, names.Err())
	return all
}

func TestDeleteLeavesNoStream(t *testing.T) {
	t.Parallel()
	for _, cfg := range []driver.QueueConfig{{}, {Type: driver.FIFO}, {Type: driver.Priority, Levels: 2}} {
		p := openShared(t)
		q := openQueue(t, p, cfg)
		put(t, q, newTask(q, "a"), newTask(q, "b"))
		waits := make(chan error, 1)
		idle := openQueue(t, p, driver.QueueConfig{Name: "idle"})
		go func() {
			_, err := idle.Dequeue(within(t), 1, time.Minute)
			waits <- err
		}()
		require.NoError(t, q.Delete(within(t)))
		require.NoError(t, idle.Delete(within(t)), "though a worker of this process waits, which must not make the stream again")
		require.ErrorIs(t, <-waits, driver.ErrClosed)
		assert.Empty(t, streamsOf(t, p), "%s", cfg.Type)
	}
}

func TestASharedDeadLetterQueueKeepsWhatOthersHaveThere(t *testing.T) {
	t.Parallel()
	p := openShared(t)
	one, other := openQueue(t, p, driver.QueueConfig{Name: "one", DLQ: "shared"}), openQueue(t, p, driver.QueueConfig{Name: "other", DLQ: "shared"})
	for _, q := range []*queue{one, other} {
		put(t, q, newTask(q, "a"))
		ds := take(t, q, 1, time.Minute)
		driver.RecordDeath(ds[0].Task, q.cfg.Name, time.Now(), assert.AnError)
		require.NoError(t, q.DeadLetter(within(t), ds))
	}
	require.NoError(t, one.Delete(within(t)))
	names, err := other.deadQueue().consumerNames(within(t))
	require.NoError(t, err)
	assert.NotContains(t, names, readyConsumer(originPartition("one")))
	counts(t, other, driver.Stats{Dead: 1})
	counts(t, openQueue(t, p, driver.QueueConfig{Name: "one", DLQ: "shared"}), driver.Stats{})
	require.NoError(t, openQueue(t, p, driver.QueueConfig{Name: "one", DLQ: "shared"}).Delete(within(t)))
	require.NoError(t, other.Delete(within(t)))
	assert.Empty(t, streamsOf(t, p), "it goes with the last queue that names it")
}
