package dlq_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/dlq"
	"github.com/taskgen/taskgen/runtime/memory"
)

// A busy provider cannot list, and answers one Dequeue on the dead letter queue too
// late for who asked. Where it was heard, what it leased comes with the next one.
type busy struct {
	runtime.Provider
	late, heard atomic.Bool
	onTheWay    []*runtime.Delivery
}

func (p *busy) Open(ctx context.Context, cfg runtime.QueueConfig) (runtime.Queue, error) {
	q, err := p.Provider.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return busyQueue{q, p}, nil
}

type busyQueue struct {
	runtime.Queue
	p *busy
}

func (q busyQueue) Capabilities() runtime.Capabilities {
	c := q.Queue.Capabilities()
	c.Browse = false
	return c
}

func (q busyQueue) Dequeue(ctx context.Context, limit int, lease time.Duration) ([]*runtime.Delivery, error) {
	if q.Config().Name != "q-dlq" {
		return q.Queue.Dequeue(ctx, limit, lease)
	}
	if q.p.late.Swap(false) {
		var err error
		if q.p.heard.Load() {
			q.p.onTheWay, err = q.Queue.Dequeue(ctx, limit, lease)
		}
		<-ctx.Done()
		return nil, errors.Join(err, runtime.ErrNoTasks)
	}
	if ds := q.p.onTheWay; len(ds) > 0 {
		q.p.onTheWay = nil
		return ds, nil
	}
	return q.Queue.Dequeue(ctx, limit, lease)
}

func TestAQueueThatAnswersLateIsNotTakenForEmpty(t *testing.T) {
	for name, heard := range map[string]bool{"nothing is leased": false, "the letters are on their way": true} {
		t.Run(name, func(t *testing.T) {
			p := &busy{Provider: memory.New()}
			d := newDesk(t, p, runtime.QueueConfig{})
			d.buryMails(3)
			p.heard.Store(heard)
			p.late.Store(true)
			done, err := d.box.Redrive(d.ctx, dlq.Redrive{})
			require.NoError(t, err)
			assert.False(t, p.late.Load(), "it was late once")
			assert.Equal(t, 3, done.Moved)
		})
	}
}
