package nats

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// openBounded opens a provider whose streams take n bytes.
func openBounded(t testing.TB, n int64) *Provider {
	t.Helper()
	s, err := shared()
	require.NoError(t, err)
	prefix := newPrefix()
	t.Cleanup(func() { sweep(t, s.URL, prefix) })
	return open(t, s.URL, WithPrefix(prefix), WithMaxBytes(n))
}

func TestABoundedStreamKeepsDelays(t *testing.T) {
	t.Parallel()
	for _, cfg := range []driver.QueueConfig{{}, {Type: driver.FIFO}, {Type: driver.Priority, Levels: 2}} {
		q := openQueue(t, openBounded(t, 10<<20), cfg)
		due := time.Now().Add(700 * time.Millisecond)
		put(t, q, newTask(q, "now"), newTask(q, "later", func(t *driver.Task) { t.ScheduledFor = due }), newTask(q, "cancelled", func(t *driver.Task) { t.ScheduledFor = due }))
		ds := take(t, q, 1, time.Minute)
		assert.Equal(t, "now", ds[0].Task.ID)
		ds[0].Delay = time.Nanosecond
		require.NoError(t, q.Release(within(t), ds))
		ds = take(t, q, 1, time.Minute)
		assert.Equal(t, "now", ds[0].Task.ID)
		require.NoError(t, q.Complete(within(t), ds))
		gone, err := q.Cancel(within(t), []string{"cancelled"})
		require.NoError(t, err)
		assert.Equal(t, []string{"cancelled"}, gone)
		counts(t, q, driver.Stats{Scheduled: 1})
		ds = take(t, q, 1, time.Minute)
		assert.Equal(t, "later", ds[0].Task.ID)
		assert.Zero(t, ds[0].Crashes)
		assert.False(t, time.Now().Before(due), "it came early")
		require.NoError(t, q.Complete(within(t), ds))
		counts(t, q, driver.Stats{})
	}
}

// untilFull enqueues tasks of 8 KiB until there is no room, and says how many and what it was
// told.
func untilFull(t testing.TB, q *queue) (n int, err error) {
	t.Helper()
	big := func(task *driver.Task) { task.Payload = []byte(`"` + strings.Repeat("x", 8<<10) + `"`) }
	for {
		if _, err = q.Enqueue(within(t), []*driver.Task{newTask(q, strconv.Itoa(n), big)}); err != nil {
			require.ErrorIs(t, err, driver.ErrQueueFull)
			return n, err
		}
		require.Less(t, n, 40)
		n++
	}
}

func TestAFullStreamIsDrained(t *testing.T) {
	t.Parallel()
	for _, cfg := range []driver.QueueConfig{{}, {Type: driver.FIFO}} {
		p := openBounded(t, 256<<10)
		q := openQueue(t, p, cfg)
		n, err := untilFull(t, q)
		require.ErrorContains(t, err, "max_bytes")
		// Others fill what is kept for retries.
		for {
			r := publish(q.at(placeKey, tail(none, strconv.Itoa(n), none)), make([]byte, 1<<10), guard{}, nil)
			require.NoError(t, q.requester.roundTrip(within(t), []*request{r}, nil))
			if _, err := r.ack(); err != nil {
				require.ErrorIs(t, queueFull(err), driver.ErrQueueFull)
				break
			}
		}
		first := take(t, q, 1, time.Minute)
		first[0].Delay = time.Millisecond
		require.NoError(t, q.Release(within(t), first), "there is no room for a copy")
		for range n {
			require.NoError(t, q.Complete(within(t), take(t, q, 1, time.Minute)))
		}
		counts(t, q, driver.Stats{})
	}
}

func TestALimitThatDropsTheOldestIsRefusedAndOneThatRefusesTheNewestIsNot(t *testing.T) {
	t.Parallel()
	p := openShared(t)
	for name, discard := range map[string]jetstream.DiscardPolicy{"old": jetstream.DiscardOld, "new": jetstream.DiscardNew} {
		s := newQueueState(p, name, driver.Standard)
		cfg := s.streamConfig(map[string]string{metaType: string(driver.Standard)}, 1<<20)
		cfg.Discard = discard
		_, err := p.js.CreateStream(within(t), cfg)
		require.NoError(t, err)
		_, err = p.Open(within(t), driver.QueueConfig{Name: name})
		if discard == jetstream.DiscardNew {
			require.NoError(t, err)
			continue
		}
		require.ErrorIs(t, err, driver.ErrQueueMismatch)
		assert.ErrorContains(t, err, "discard=new")
	}
}

func TestAFIFOQueueOnAServerWithoutRoomIsDrained(t *testing.T) {
	t.Parallel()
	q := openQueue(t, open(t, own(t, "max_file_store: 256KB").URL), driver.QueueConfig{Type: driver.FIFO})
	n, _ := untilFull(t, q)
	first := take(t, q, 1, time.Minute)
	first[0].Delay = time.Millisecond
	require.NoError(t, q.Release(within(t), first), "there is no room for a copy")
	for range n {
		require.NoError(t, q.Complete(within(t), take(t, q, 1, time.Minute)))
	}
	counts(t, q, driver.Stats{})
	put(t, q, newTask(q, "again"))
}
