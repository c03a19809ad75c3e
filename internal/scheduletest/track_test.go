package scheduletest

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/schedule"
)

var silent = slog.New(slog.DiscardHandler)

// fired has a job fire once, with a handler, and returns its ID.
func (d *desk) fired(f runtime.HandlerFunc) schedule.JobID {
	d.Helper()
	d.handle(f)
	id := d.schedule(schedule.Job{When: schedule.In(time.Minute)})
	d.clock.Advance(time.Minute)
	require.Equal(d, 1, d.fire())
	return id
}

// A hangingStore answers no Note before its context ends, until it is back.
type hangingStore struct {
	schedule.Store
	asked atomic.Int64
	back  chan struct{}
}

func (s *hangingStore) Note(ctx context.Context, _ schedule.JobID, _ schedule.Run) error {
	s.asked.Add(1)
	select {
	case <-ctx.Done():
	case <-s.back:
	}
	return ctx.Err()
}

func TestAStoreThatIsAwayHoldsNoHandler(t *testing.T) {
	d := newDesk(t, schedule.Config{})
	store := &hangingStore{Store: d.store, back: make(chan struct{})}
	defer close(store.back)
	d.env.Router.Use(schedule.Track(store, "worker-1", silent))
	const jobs = 20
	var held, took time.Duration
	d.handle(func(ctx context.Context, _ *runtime.Task) error {
		began := time.Now()
		for i := range int64(1000) {
			runtime.Progress(ctx, i, 1000, "")
		}
		held = max(held, time.Since(began))
		return nil
	})
	for range jobs {
		d.schedule(schedule.Job{When: schedule.In(time.Minute)})
	}
	d.clock.Advance(time.Minute)
	require.Equal(t, jobs, d.fire())
	began := time.Now()
	require.Len(t, d.env.RequireDrain(), jobs)
	took = time.Since(began)
	assert.NotZero(t, store.asked.Load())
	// A write is given 2 s: one after the other they would be 40 s for the ends alone.
	assert.Less(t, took, 15*time.Second, "of all tasks the first alone waits for the store, for a second")
	assert.Less(t, held, took, "a handler did not wait")
	t.Logf("a handler with 1000 reports took %s at most, %d tasks %s", held, jobs, took)
}

func TestTheNewestReportIsNotedAndTheEndIsLast(t *testing.T) {
	d := newDesk(t, schedule.Config{})
	d.env.Router.Use(schedule.Track(d.store, "worker-1", silent))
	var late context.Context
	id := d.fired(func(ctx context.Context, _ *runtime.Task) error {
		for i := range int64(100) {
			runtime.Progress(ctx, i+1, 100, "")
		}
		late = ctx
		return nil
	})
	d.env.RequireDrain()
	st := d.status(id)
	require.Equal(t, schedule.Succeeded, st.State)
	require.EqualValues(t, 100, st.Last.Progress.Done)
	runtime.Progress(late, 1, 100, "of a goroutine that was left behind")
	require.EqualValues(t, 100, d.status(id).Last.Progress.Done)
}

func TestATaskThatIsBegunAnewShowsNoEarlierProgress(t *testing.T) {
	d := newDesk(t, schedule.Config{})
	d.env.Router.Use(schedule.Track(d.store, "worker-1", silent))
	runs := 0
	var id schedule.JobID
	id = d.fired(func(ctx context.Context, _ *runtime.Task) error {
		runs++
		require.Eventually(t, func() bool { return d.status(id).State == schedule.Running }, time.Minute, time.Millisecond)
		assert.Zero(t, d.status(id).Last.Progress, "run %d has not told of any", runs)
		if runs == 3 {
			return nil
		}
		runtime.Progress(ctx, int64(50+runs), 100, "")
		if runs == 1 {
			return runtime.Snooze(time.Second)
		}
		return runtime.RetryAfter(time.Second, errKilled)
	})
	d.env.Drain()
	assert.Equal(t, schedule.Enqueued, d.status(id).State)
	assert.Zero(t, d.status(id).Last.Progress, "it is on its queue")
	d.clock.Advance(time.Second)
	d.env.Drain()
	assert.Equal(t, schedule.Failed, d.status(id).State)
	assert.EqualValues(t, 52, d.status(id).Last.Progress.Done, "how far the run came that failed")
	d.clock.Advance(time.Second)
	d.env.RequireDrain()
	assert.Equal(t, schedule.Succeeded, d.status(id).State)
	assert.Zero(t, d.status(id).Last.Progress)

	again, err := d.s.Schedule(ctx, schedule.Job{ID: id, When: schedule.In(time.Minute), Task: task()})
	require.NoError(t, err)
	require.Equal(t, id, again)
	st := d.status(id)
	assert.Equal(t, schedule.Scheduled, st.State, "the ID is another job's now")
	assert.Zero(t, st.Last)
}

// A panickyStore panics when it is told of a run.
type panickyStore struct{ schedule.Store }

func (panickyStore) Note(context.Context, schedule.JobID, schedule.Run) error {
	panic("no disk")
}

func TestAStoreThatPanicsEndsNoWorker(t *testing.T) {
	d := newDesk(t, schedule.Config{})
	var said syncBuffer
	d.env.Router.Use(schedule.Track(panickyStore{d.store}, "worker-1", slog.New(slog.NewTextHandler(&said, nil))))
	d.fired(func(context.Context, *runtime.Task) error { return nil })
	d.env.RequireDrain()
	assert.Contains(t, fmt.Sprint(&said), "no disk")
}

type syncBuffer struct {
	mu   sync.Mutex
	text []byte
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text = append(b.text, p...)
	return len(p), nil
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.text)
}
