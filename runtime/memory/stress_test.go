package memory

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A crowd does everything to a queue at once and counts where its tasks end.
type crowd struct {
	t         *testing.T
	q, dlq    *queue
	enqueued  atomic.Int64
	completed atomic.Int64
	removed   atomic.Int64 // cancelled, purged or discarded
}

func (c *crowd) enqueue(name string, i int) {
	tk := task(fmt.Sprint(name, "-", i))
	tk.GroupKey = fmt.Sprint("g", i%7)
	if i%5 == 0 {
		tk.ScheduledFor = tk.CreatedAt.Add(time.Duration(rand.N(3)) * time.Millisecond)
	}
	if i%3 == 0 {
		tk.UniqueKey = fmt.Sprint("k", i%11)
	}
	answers, err := c.q.Enqueue(context.Background(), []*driver.Task{tk})
	if assert.NoError(c.t, err) && !answers[0].Duplicate {
		c.enqueued.Add(1)
	}
}

// work takes some tasks and settles each in a way of its own.
func (c *crowd) work(q *queue) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	ds, err := q.Dequeue(ctx, 1+rand.N(4), time.Minute)
	if err != nil {
		assert.ErrorIs(c.t, err, driver.ErrNoTasks)
		return
	}
	for _, d := range ds {
		one := []*driver.Delivery{d}
		switch n := rand.N(5); {
		case n == 0:
			assert.NoError(c.t, q.Extend(context.Background(), one, time.Hour))
			assert.NoError(c.t, q.Complete(context.Background(), one))
			c.completed.Add(1)
		case n == 1:
			d.Delay = time.Duration(rand.N(2)) * time.Millisecond
			assert.NoError(c.t, q.Release(context.Background(), one))
		case n == 2 && q == c.q:
			driver.RecordDeath(d.Task, q.name, time.Now(), errors.New("boom"))
			assert.NoError(c.t, q.DeadLetter(context.Background(), one))
		default:
			assert.NoError(c.t, q.Complete(context.Background(), one))
			c.completed.Add(1)
		}
	}
}

// meddle does what an operator might.
func (c *crowd) meddle(name string, i int) {
	ctx := context.Background()
	ids := []string{fmt.Sprint(name, "-", i), fmt.Sprint(name, "-", i-1)}
	switch rand.N(7) {
	case 0:
		cancelled, err := c.q.Cancel(ctx, ids)
		assert.NoError(c.t, err)
		c.removed.Add(int64(len(cancelled)))
	case 1:
		_, err := c.q.Redrive(ctx, nil)
		assert.NoError(c.t, err, "no ID is used twice")
	case 2:
		discarded, err := c.q.Discard(ctx, ids)
		assert.NoError(c.t, err)
		c.removed.Add(int64(len(discarded)))
	case 3:
		_, _, err := c.q.Browse(ctx, driver.Dead, "", 5)
		assert.NoError(c.t, err)
	case 4:
		if err := c.q.Reschedule(ctx, ids[0], time.Now()); err != nil {
			assert.ErrorIs(c.t, err, driver.ErrTaskNotFound)
		}
	case 5:
		assert.NoError(c.t, c.q.Pause(ctx, time.Time{}))
		_, err := c.q.Stats(ctx)
		assert.NoError(c.t, err)
		assert.NoError(c.t, c.q.Resume(ctx))
	case 6:
		if i%50 == 0 {
			purged, err := c.q.Purge(ctx)
			assert.NoError(c.t, err)
			c.removed.Add(int64(purged))
		}
	}
}

func TestNothingIsLostWhenEverythingHappensAtOnce(t *testing.T) {
	const each = 400
	p := New()
	defer p.Close()
	c := &crowd{
		t: t, q: openOn(t, p, driver.QueueConfig{Name: "jobs", Type: driver.FIFO}),
		dlq: openOn(t, p, driver.QueueConfig{Name: "jobs-dlq"}),
	}
	var all sync.WaitGroup
	for n := range 3 {
		name := fmt.Sprint("p", n)
		all.Go(func() {
			for i := range each {
				c.enqueue(name, i)
				c.meddle(name, i)
			}
		})
		all.Go(func() {
			for range each {
				c.work(c.q)
			}
		})
	}
	all.Go(func() {
		for range each / 4 {
			c.work(c.dlq)
		}
	})
	all.Wait()

	left := int64(0)
	for _, q := range []*queue{c.q, c.dlq} {
		stats, err := q.Stats(t.Context())
		require.NoError(t, err)
		require.Zero(t, stats.Leased)
		left += stats.Ready + stats.Scheduled
	}
	require.Equal(t, c.enqueued.Load(), c.completed.Load()+c.removed.Load()+left)
}
