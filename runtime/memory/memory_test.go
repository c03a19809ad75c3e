package memory

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/taskgen/taskgen/runtime/driver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open opens one queue of a new provider that the test closes.
func open(t *testing.T, cfg driver.QueueConfig) *queue {
	t.Helper()
	p := New()
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return openOn(t, p, cfg)
}

func openOn(t *testing.T, p *Provider, cfg driver.QueueConfig) *queue {
	t.Helper()
	q, err := p.Open(t.Context(), cfg)
	require.NoError(t, err)
	return q.(*queue)
}

func task(id string) *driver.Task {
	return &driver.Task{ID: id, Type: "test", Queue: "jobs", Payload: []byte(`{"id":"` + id + `"}`), CreatedAt: time.Now()}
}

func enqueue(t *testing.T, q driver.Queue, tasks ...*driver.Task) []driver.Enqueued {
	t.Helper()
	answers, err := q.Enqueue(t.Context(), tasks)
	require.NoError(t, err)
	return answers
}

func dequeue(t *testing.T, q driver.Queue, limit int) []*driver.Delivery {
	t.Helper()
	ds, err := q.Dequeue(t.Context(), limit, time.Minute)
	require.NoError(t, err)
	return ds
}

func idsOf(ds []*driver.Delivery) (ids []string) {
	for _, d := range ds {
		ids = append(ids, d.Task.ID)
	}
	return ids
}

// requireEmpty fails when anything at all is left in a queueState.
func requireEmpty(t *testing.T, s *queueState) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	assert.Zero(t, s.items.live, "items")
	assert.LessOrEqual(t, len(s.items.chunks), keep/chunkSize, "chunks")
	assert.Zero(t, s.ids.n, "ids")
	assert.LessOrEqual(t, len(s.ids.entries), 4*keep, "room for ids")
	for _, p := range []peak{s.keys.peak, s.groupPeak} {
		assert.LessOrEqual(t, p.ever, keep, "room in a map")
	}
	assert.Equal(t, never, s.trimAt, "nothing is left to trim")
	assert.Empty(t, s.keys.byKey, "unique keys")
	assert.Empty(t, s.keys.windows, "windows of unique keys")
	assert.LessOrEqual(t, cap(s.keys.windows), keep, "room for windows")
	assert.Zero(t, s.ready, "ready")
	assert.Zero(t, s.scheduled.n, "scheduled")
	assert.LessOrEqual(t, cap(s.scheduled.outOfOrder), keep, "room for scheduled")
	assert.Zero(t, s.leased.n, "leased")
	assert.LessOrEqual(t, cap(s.leased.outOfOrder), keep, "room for leased")
	assert.Empty(t, s.groups, "groups")
	assert.Zero(t, s.groupTurns.n, "groups in the ring")
	assert.Nil(t, s.groupTurns.head)
	assert.Zero(t, s.waiters.Len(), "waiters")
	assert.Zero(t, s.promised, "promised")
	for _, l := range s.lines {
		assert.Nil(t, l.head)
		assert.Nil(t, l.tail)
		assert.Empty(t, l.outOfOrder)
		assert.LessOrEqual(t, cap(l.outOfOrder), keep)
	}
}

func TestNothingIsLeftAfterADrain(t *testing.T) {
	for kind, n := range map[driver.QueueType]int{driver.Standard: 100_000, driver.FIFO: 20_000, driver.Priority: 20_000} {
		t.Run(string(kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := open(t, driver.QueueConfig{Name: "jobs", Type: kind})
				for i := range n / 1000 {
					batch := make([]*driver.Task, 1000)
					for j := range batch {
						tk := task(fmt.Sprint(i, ".", j))
						tk.UniqueKey = tk.ID
						switch kind {
						case driver.FIFO:
							tk.GroupKey = fmt.Sprint(j)
						case driver.Priority:
							tk.Priority = j % 4
						}
						if j%2 == 0 {
							tk.UniqueFor = time.Hour
						}
						if j%3 == 0 {
							tk.ScheduledFor = tk.CreatedAt.Add(time.Duration(i) * time.Second)
						}
						batch[j] = tk
					}
					enqueue(t, q, batch...)
				}
				time.Sleep(100 * time.Second) // all are due
				for done := 0; done < n; {
					ds := dequeue(t, q, 20_000)
					done += len(ds)
					half := len(ds) / 2
					require.NoError(t, q.Complete(t.Context(), ds[:half]))
					require.NoError(t, q.DeadLetter(t.Context(), ds[half:]))
				}
				stats, err := q.Stats(t.Context())
				require.NoError(t, err)
				require.Positive(t, stats.Dead)
				_, err = q.Redrive(t.Context(), nil)
				require.NoError(t, err)
				time.Sleep(2 * trimAfter)
				synctest.Wait()
				requireEmpty(t, q.dead)
				for left := stats.Dead; left > 0; {
					ds := dequeue(t, q, 20_000)
					left -= int64(len(ds))
					require.NoError(t, q.Complete(t.Context(), ds))
				}
				time.Sleep(time.Hour) // the windows of the unique keys end
				stats, err = q.Stats(t.Context())
				require.NoError(t, err)
				require.Zero(t, stats)
				time.Sleep(2 * trimAfter)
				synctest.Wait()
				requireEmpty(t, q.queueState)
			})
		})
	}
}

func TestWaitingDequeueWakes(t *testing.T) {
	cases := map[string]struct {
		prepare func(t *testing.T, q *queue)
		cause   func(t *testing.T, q *queue)
		after   time.Duration
	}{
		"on enqueue": {
			cause: func(t *testing.T, q *queue) { enqueue(t, q, task("a")) },
		},
		"when a delayed task becomes due": {
			prepare: func(t *testing.T, q *queue) {
				tk := task("a")
				tk.ScheduledFor = time.Now().Add(time.Hour)
				enqueue(t, q, tk)
			},
			after: time.Hour,
		},
		"when a lease ends": {
			prepare: func(t *testing.T, q *queue) {
				enqueue(t, q, task("a"))
				dequeue(t, q, 1)
			},
			after: time.Minute,
		},
		"on resume": {
			prepare: func(t *testing.T, q *queue) {
				enqueue(t, q, task("a"))
				require.NoError(t, q.Pause(t.Context(), time.Time{}))
			},
			cause: func(t *testing.T, q *queue) { require.NoError(t, q.Resume(t.Context())) },
		},
		"when a pause ends": {
			prepare: func(t *testing.T, q *queue) {
				enqueue(t, q, task("a"))
				require.NoError(t, q.Pause(t.Context(), time.Now().Add(time.Hour)))
			},
			after: time.Hour,
		},
		"on reschedule": {
			prepare: func(t *testing.T, q *queue) {
				tk := task("a")
				tk.ScheduledFor = time.Now().Add(time.Hour)
				enqueue(t, q, tk)
			},
			cause: func(t *testing.T, q *queue) { require.NoError(t, q.Reschedule(t.Context(), "a", time.Now())) },
		},
		"on redrive": {
			prepare: func(t *testing.T, q *queue) {
				enqueue(t, q, task("a"))
				require.NoError(t, q.DeadLetter(t.Context(), dequeue(t, q, 1)))
			},
			cause: func(t *testing.T, q *queue) {
				redriven, err := q.Redrive(t.Context(), []string{"a"})
				require.NoError(t, err)
				require.Equal(t, []string{"a"}, redriven)
			},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := open(t, driver.QueueConfig{Name: "jobs"})
				if c.prepare != nil {
					c.prepare(t, q)
				}
				began := time.Now()
				got := make(chan []*driver.Delivery)
				go func() {
					ds, err := q.Dequeue(context.Background(), 10, time.Minute)
					assert.NoError(t, err)
					got <- ds
				}()
				synctest.Wait()
				if c.cause != nil {
					c.cause(t, q)
				}
				require.Equal(t, []string{"a"}, idsOf(<-got))
				require.Equal(t, c.after, time.Since(began))
			})
		})
	}
}
