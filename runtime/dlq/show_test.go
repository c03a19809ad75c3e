package dlq_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/dlq"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
)

// listings counts the pages that are read of its queues.
type listings struct {
	*memory.Provider
	pages atomic.Int64
}

func (p *listings) Open(ctx context.Context, cfg runtime.QueueConfig) (driver.Queue, error) {
	q, err := p.Provider.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return &listed{q, q.(driver.Browser), q.(driver.Finder), p}, nil
}

type listed struct {
	driver.Queue
	browser driver.Browser
	driver.Finder
	p *listings
}

func (q *listed) Browse(ctx context.Context, state driver.State, cursor string, limit int) ([]*runtime.Task, string, error) {
	q.p.pages.Add(1)
	return q.browser.Browse(ctx, state, cursor, limit)
}

func TestALetterIsShownWithoutReadingOthers(t *testing.T) {
	p := &listings{Provider: memory.New()}
	defer func() { require.NoError(t, p.Close()) }()
	m := runtime.NewManager(runtime.ManagerConfig{})
	require.NoError(t, m.Open(t.Context(), p, runtime.QueueConfig{Name: "q"}))
	q, err := m.Queue("q")
	require.NoError(t, err)
	for i := range 250 {
		id := fmt.Sprint("m", i)
		_, err := q.Enqueue(t.Context(), []*runtime.Task{{ID: id, Type: "mail", Queue: "q", Payload: []byte("1"), CreatedAt: time.Now()}})
		require.NoError(t, err)
		ds, err := q.Dequeue(t.Context(), 1, time.Minute)
		require.NoError(t, err)
		driver.RecordDeath(ds[0].Task, "q", time.Now(), fmt.Errorf("no %d", i))
		require.NoError(t, q.DeadLetter(t.Context(), ds))
	}
	box, err := dlq.Open(m, "q", dlq.Config{})
	require.NoError(t, err)
	l, err := box.Show(t.Context(), "m249")
	require.NoError(t, err)
	assert.Equal(t, "no 249", l.Reason)
	_, err = box.Show(t.Context(), "m250")
	require.ErrorIs(t, err, runtime.ErrTaskNotFound)
	assert.Zero(t, p.pages.Load(), "pages that were read")
	_, _, err = box.List(t.Context(), dlq.Filter{}, "", 10)
	require.NoError(t, err)
	assert.EqualValues(t, 1, p.pages.Load())
}
