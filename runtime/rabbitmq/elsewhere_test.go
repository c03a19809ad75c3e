package rabbitmq

import (
	"context"
	"fmt"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// byHand publishes a task to one of the broker's queues, as a program in another
// language does.
func byHand(t testing.TB, addr string, cfg driver.QueueConfig, line int, task *driver.Task, h amqp.Table) {
	t.Helper()
	task.Queue = cfg.Name
	raw(t, roomOf(addr).server.URL, prefixOf(addr).line(cfg.Name, line), amqp.Publishing{
		DeliveryMode: amqp.Persistent, ContentType: "application/json", Headers: h, Body: driver.AppendEnvelope(nil, task),
	})
}

func TestATaskThatIsPublishedByHandIsNotEarly(t *testing.T) {
	for _, kind := range []driver.QueueType{driver.Standard, driver.Priority, driver.FIFO} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			addr, cfg := data(t), driver.QueueConfig{Name: "h", Type: kind}
			q := open(t, addr, cfg)
			due := make(map[string]time.Time)
			for i, rest := range []time.Duration{-time.Hour, 50 * time.Millisecond, time.Second, 3 * time.Second} {
				for k, h := range []amqp.Table{nil, {headerDue: time.Now().UnixNano(), "x-mine": "1"}} {
					one := task(fmt.Sprintf("%d-%d", i, k))
					one.ScheduledFor = time.Now().Add(rest)
					if kind == driver.FIFO {
						one.GroupKey = fmt.Sprintf("g%d", k)
					}
					due[one.ID] = one.ScheduledFor
					byHand(t, addr, cfg, 0, one, h)
				}
			}
			for range due {
				d := takeN(t, q, 1)[0]
				now := time.Now()
				assert.False(t, due[d.Task.ID].After(now), "%s is early by %s", d.Task.ID, due[d.Task.ID].Sub(now))
				assert.Zero(t, d.Crashes)
				require.NoError(t, q.Complete(within(t), []*driver.Delivery{d}))
			}
			assert.Empty(t, drainIDs(t, q))
		})
	}
}

func TestATaskThatIsPublishedByHandGoesToItsLevel(t *testing.T) {
	addr, cfg := data(t), driver.QueueConfig{Name: "h", Type: driver.Priority, Levels: 3}
	q := open(t, addr, cfg)
	for i := range 3 {
		one := task(fmt.Sprint("low", i))
		byHand(t, addr, cfg, 0, one, nil)
	}
	high := task("high")
	high.Priority = 2
	byHand(t, addr, cfg, 0, high, nil)
	low := task("wrong")
	byHand(t, addr, cfg, 2, low, nil)
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	// Whoever takes all finds each on its level, and the high one goes ahead when it is there.
	seen := make(map[string]bool)
	for len(seen) < 5 {
		ds, err := q.Dequeue(ctx, 5, time.Minute)
		require.NoError(t, err)
		for _, d := range ds {
			seen[d.Task.ID] = true
			l := q.st.leases[d.Receipt]
			assert.Equal(t, d.Task.Priority, l.line, d.Task.ID)
		}
	}
}

func TestATaskThatIsPublishedByHandGoesToItsPartitionInOrder(t *testing.T) {
	addr, cfg := data(t), driver.QueueConfig{Name: "h", Type: driver.FIFO}
	q := open(t, addr, cfg)
	want := make(map[string][]string)
	for i := range 40 {
		one := task(fmt.Sprintf("t%02d", i))
		one.GroupKey = fmt.Sprint("g", i%4)
		want[one.GroupKey] = append(want[one.GroupKey], one.ID)
		byHand(t, addr, cfg, 0, one, nil)
	}
	got := make(map[string][]string)
	for range 40 {
		d := takeN(t, q, 1)[0]
		g := d.Task.GroupKey
		got[g] = append(got[g], d.Task.ID)
		q.st.mu.Lock()
		line := q.st.leases[d.Receipt].line
		q.st.mu.Unlock()
		assert.Equal(t, q.st.lineOf(d.Task), line)
		require.NoError(t, q.Complete(within(t), []*driver.Delivery{d}))
	}
	assert.Equal(t, want, got)
}
