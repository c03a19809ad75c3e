package dlq_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/dlq"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
)

// A busy provider cannot list, and answers one Dequeue on the dead letter queue too
// late for who asked. Where it was heard, what it leased comes with the next one, or
// with none.
type busy struct {
	runtime.Provider
	late, heard, lost atomic.Bool
	onTheWay          []*driver.Delivery
}

func (p *busy) Open(ctx context.Context, cfg runtime.QueueConfig) (driver.Queue, error) {
	q, err := p.Provider.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return busyQueue{q, p}, nil
}

type busyQueue struct {
	driver.Queue
	p *busy
}

func (q busyQueue) Capabilities() driver.Capabilities {
	c := q.Queue.Capabilities()
	c.Browse = false
	return c
}

func (q busyQueue) Dequeue(ctx context.Context, limit int, lease time.Duration) ([]*driver.Delivery, error) {
	if q.Config().Name != "q-dlq" {
		return q.Queue.Dequeue(ctx, limit, lease)
	}
	if q.p.late.Swap(false) {
		var err error
		if q.p.heard.Load() {
			q.p.onTheWay, err = q.Queue.Dequeue(ctx, limit, lease)
		}
		<-ctx.Done()
		return nil, errors.Join(err, driver.ErrNoTasks)
	}
	if ds := q.p.onTheWay; len(ds) > 0 && !q.p.lost.Load() {
		q.p.onTheWay = nil
		return ds, nil
	}
	return q.Queue.Dequeue(ctx, limit, lease)
}

func TestAQueueThatAnswersLateIsNotTakenForEmpty(t *testing.T) {
	for name, c := range map[string]struct{ heard, lost bool }{
		"nothing is leased":            {},
		"the letters are on their way": {heard: true},
		"the answer is lost":           {heard: true, lost: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(start.Add(time.Hour))) // by the bubble's clock, which begins before the letters die
				p := &busy{Provider: memory.New()}
				d := newEnv(t, p, runtime.QueueConfig{})
				d.buryMails(3)
				p.heard.Store(c.heard)
				p.lost.Store(c.lost)
				p.late.Store(true)
				done, err := d.box.Redrive(d.ctx, dlq.Redrive{})
				require.NoError(t, err)
				assert.False(t, p.late.Load(), "it was late once")
				assert.Equal(t, 3, done.Moved)
			})
		})
	}
}

// TestLettersInUseElsewhereDoNotDelayAScan has another worker keep its lease on a
// letter for as long as it likes.
func TestLettersInUseElsewhereDoNotDelayAScan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &busy{Provider: memory.New()}
		d := newEnv(t, p, runtime.QueueConfig{})
		d.buryMails(3)
		dead, err := p.Open(d.ctx, runtime.QueueConfig{Name: "q-dlq"})
		require.NoError(t, err)
		_, err = dead.Dequeue(d.ctx, 1, time.Hour)
		require.NoError(t, err)
		began := time.Now()
		letters, _, err := d.box.List(d.ctx, dlq.Filter{}, "", 10)
		require.NoError(t, err)
		assert.Len(t, letters, 2)
		assert.Less(t, time.Since(began), time.Minute)
	})
}
