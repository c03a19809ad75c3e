package history_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/internal/output"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/history"
	"github.com/taskgen/taskgen/runtime/history/historystore"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/observe"
)

// ends lets n tasks run and be settled.
func (d *direct) ends(n int) {
	for i := range n {
		d.settle(d.run(fmt.Sprint("t", i), driver.Completed, nil), driver.Completed, nil)
	}
}

func (d *direct) listed() int {
	d.Helper()
	page, next, err := d.history.List(d.Context(), history.Filter{}, "", 100_000)
	require.NoError(d, err)
	require.Empty(d, next)
	return len(page)
}

func TestRecordsAreWrittenEveryIntervalOrWhenThereAreManyOfThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &failing{Store: memory.NewHistory()}
		d := newDirect(t, store, history.Config{})
		d.ends(511)
		synctest.Wait()
		assert.Empty(t, store.taken())
		d.ends(1)
		synctest.Wait()
		assert.Equal(t, []int{512}, store.taken())
		d.ends(2)
		pass(history.Interval)
		assert.Equal(t, []int{512, 2}, store.taken())
		pass(time.Minute)
		assert.Equal(t, 2, store.calls, "nothing is written when there is nothing")
		d.l.PoolStopped(d.pool)
		assert.Equal(t, historystore.Limits{Age: history.DefaultRetention, Bytes: history.DefaultMaxBytes}, store.keep)
	})
}

func TestLimitsAreThoseOfTheConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &failing{Store: memory.NewHistory()}
		d := newDirect(t, store, history.Config{Retention: time.Hour, MaxBytes: 5000, Buffer: -1})
		d.ends(1)
		d.l.PoolStopped(d.pool)
		assert.Equal(t, historystore.Limits{Age: time.Hour, Bytes: 5000}, store.keep)
	})
}

func TestAStoreThatIsAwayDisturbsNobodyAndLosesNothingThatFits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log output.Buffer
		store := &failing{Store: memory.NewHistory(), err: errAway}
		p := newProgram(t, store, history.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}, runtime.QueueConfig{})
		p.start()
		for i := range 600 {
			p.enqueue(fmt.Sprint(i))
		}
		pass(time.Minute)
		q, err := p.m.Queue("q")
		require.NoError(t, err)
		stats, err := q.Stats(t.Context())
		require.NoError(t, err)
		assert.Zero(t, stats, "all are worked off")
		assert.LessOrEqual(t, store.calls, 62, "one try each second")
		assert.Equal(t, 1, strings.Count(log.String(), "\n"), "one line for all of it: %s", &log)
		assert.Contains(t, log.String(), errAway.Error())
		store.set(nil)
		pass(history.Interval)
		assert.Len(t, p.task("0"), 1)
		assert.Len(t, p.task("599"), 1)
		assert.Zero(t, p.history.Dropped())
		assert.Equal(t, 2, strings.Count(log.String(), "\n"), "%s", &log)
		p.enqueue("last")
		pass(history.Interval)
		assert.Len(t, p.task("last"), 1)
	})
}

func TestAFullBufferDropsCountsAndBlocksNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log output.Buffer
		store := &failing{Store: memory.NewHistory(), hang: true}
		d := newDirect(t, store, history.Config{Buffer: 100, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		d.ends(40)
		pass(history.Interval) // it writes, and hangs
		began := time.Now()
		d.ends(100)
		assert.Zero(t, time.Since(began), "nobody waits")
		assert.EqualValues(t, 40, d.history.Dropped(), "what is being written has its room too")
		pass(30 * time.Second)
		d.ends(5)
		pass(30 * time.Second)
		assert.EqualValues(t, 45, d.history.Dropped())
		assert.Equal(t, 1, strings.Count(log.String(), "dropped"), "%s", &log)
		pass(time.Minute)
		assert.Equal(t, 2, strings.Count(log.String(), "dropped"), "once a minute: %s", &log)
		assert.Contains(t, log.String(), "in_all=45")
		pass(10 * time.Minute)
		assert.Equal(t, 2, strings.Count(log.String(), "dropped"), "and only if there are more: %s", &log)
		store.mu.Lock()
		store.hang = false
		store.mu.Unlock()
		pass(time.Minute)
		assert.Equal(t, 100, d.listed())
		d.ends(100)
		pass(history.Interval)
		assert.Equal(t, 200, d.listed(), "there is room again")
		assert.EqualValues(t, 45, d.history.Dropped())
		d.l.PoolStopped(d.pool)
	})
}

func TestRunsThatWaitForTheirQueueTakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirect(t, memory.NewHistory(), history.Config{Buffer: 10, Logger: slog.New(slog.DiscardHandler)})
		for i := range 15 {
			d.run(fmt.Sprint(i), driver.Completed, nil)
		}
		assert.EqualValues(t, 5, d.history.Dropped())
		d.l.PoolStopped(d.pool)
		assert.Equal(t, 10, d.listed())
	})
}

func TestAPoolThatStopsHasItsRecordsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProgram(t, memory.NewHistory(), history.Config{}, runtime.QueueConfig{})
		for range 2 { // it may start again
			p.enqueue("a")
			_, err := p.pool.Drain(t.Context())
			require.NoError(t, err)
			pass(time.Second)
		}
		assert.Len(t, p.task("a"), 2)
	})
}

func TestAPoolStopsThoughTheStoreHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &failing{Store: memory.NewHistory(), hang: true}
		p := newProgram(t, store, history.Config{Logger: slog.New(slog.DiscardHandler)}, runtime.QueueConfig{})
		p.enqueue("a")
		began := time.Now()
		_, err := p.pool.Drain(t.Context())
		require.NoError(t, err)
		assert.Equal(t, time.Second, time.Since(began))
		synctest.Wait()
		// What the pool could not have written Close writes.
		store.hang = false
		require.NoError(t, p.history.Close(t.Context()))
		assert.Len(t, p.task("a"), 1)
	})
}

func TestCloseSaysWhatIsLostAndEndsRecording(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &failing{Store: memory.NewHistory(), err: errAway}
		d := newDirect(t, store, history.Config{Logger: slog.New(slog.DiscardHandler)})
		d.ends(3)
		d.l.PoolStopped(d.pool)
		err := d.history.Close(t.Context())
		require.ErrorIs(t, err, errAway)
		require.ErrorContains(t, err, "3 records are lost")
		assert.EqualValues(t, 3, d.history.Dropped())
		store.set(nil)
		require.NoError(t, d.history.Close(t.Context()))
		assert.Zero(t, d.listed())

		d.l.PoolStarted(d.pool)
		d.ends(2)
		pass(history.Interval)
		assert.Zero(t, d.listed(), "what comes later is dropped")
		assert.EqualValues(t, 5, d.history.Dropped())
		d.l.PoolStopped(d.pool)
	})
}

func TestCloseEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &failing{Store: memory.NewHistory(), hang: true}
		d := newDirect(t, store, history.Config{Logger: slog.New(slog.DiscardHandler)})
		d.ends(3)
		d.l.PoolStopped(d.pool)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began := time.Now()
		err := d.history.Close(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "3 records are lost")
		assert.Equal(t, 3*time.Second, time.Since(began))
	})
}

// The writer of a pool that works is in the middle of a write that hangs.
func TestCloseDoesNotWaitForAWriteThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &failing{Store: memory.NewHistory(), hang: true}
		d := newDirect(t, store, history.Config{Logger: slog.New(slog.DiscardHandler)})
		d.ends(3)
		pass(history.Interval)
		d.ends(2)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began := time.Now()
		err := d.history.Close(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "5 records are lost")
		assert.Equal(t, 3*time.Second, time.Since(began))
		pass(time.Minute)
		assert.EqualValues(t, 5, d.history.Dropped())
		d.l.PoolStopped(d.pool)
	})
}

// A run whose outcome the queue takes only after Close is counted, too.
func TestWhatIsSettledAfterCloseIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirect(t, memory.NewHistory(), history.Config{Logger: slog.New(slog.DiscardHandler)})
		task := d.run("a", driver.Completed, nil)
		require.NoError(t, d.history.Close(t.Context()))
		d.settle(task, driver.Completed, nil)
		assert.EqualValues(t, 1, d.history.Dropped())
		d.l.PoolStopped(d.pool)
		assert.Zero(t, d.listed())
	})
}

func TestNoPayloadReachesTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &recording{Store: memory.NewHistory()}
		p := newProgram(t, store, history.Config{}, runtime.QueueConfig{})
		p.handle = func(context.Context) error { return errAway }
		p.enqueue("a", runtime.WithMetadata("m", canary))
		p.start()
		pass(time.Hour)
		require.Contains(t, store.text.String(), errAway.Error())
		assert.NotContains(t, store.text.String(), canary)
	})
}

// A recording store keeps all that it is given.
type recording struct {
	history.Store
	text bytes.Buffer
}

func (s *recording) Add(ctx context.Context, records []history.Record, keep historystore.Limits) error {
	fmt.Fprintf(&s.text, "%+v", records)
	return s.Store.Add(ctx, records, keep)
}

func TestRunsWithoutAPoolAreWrittenEveryIntervalToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &failing{Store: memory.NewHistory()}
		d := withoutPool(t, store, history.Config{})
		d.ends(2)
		synctest.Wait()
		assert.Empty(t, store.taken())
		pass(history.Interval)
		assert.Equal(t, []int{2}, store.taken())
		pass(time.Minute) // and no goroutine is left: the test would not end
		d.ends(512)
		synctest.Wait()
		pass(history.Interval)
		assert.Equal(t, []int{2, 512}, store.taken())
	})
}

func TestCloseWritesTheRunsWithoutAPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &failing{Store: memory.NewHistory()}
		d := withoutPool(t, store, history.Config{})
		d.ends(2)
		require.NoError(t, d.history.Close(t.Context()))
		assert.Equal(t, []int{2}, store.taken())
		d.ends(1)
		assert.Equal(t, int64(1), d.history.Dropped())
	})
}

func TestRunsWithoutAPoolWaitWhileTheStoreIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &failing{Store: memory.NewHistory(), err: errAway}
		d := withoutPool(t, store, history.Config{Logger: slog.New(slog.DiscardHandler)})
		d.ends(2)
		pass(time.Minute)
		assert.Empty(t, store.taken())
		store.set(nil)
		pass(history.Interval)
		assert.Equal(t, []int{2}, store.taken())
		d.ends(1)
		store.set(errAway)
		pass(time.Minute)
		require.ErrorIs(t, d.history.Close(t.Context()), errAway)
		assert.Equal(t, int64(1), d.history.Dropped(), "and the writer has ended: the test would not end")
	})
}

func TestAPoolAndOtherWorkersShareAWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &failing{Store: memory.NewHistory()}
		d := withoutPool(t, store, history.Config{})
		d.ends(1)
		p := &observe.Pool{Name: "w"}
		d.l.PoolStarted(p)
		d.ends(1)
		d.l.PoolStopped(p)
		assert.Equal(t, []int{2}, store.taken())
		d.ends(1)
		pass(history.Interval)
		assert.Equal(t, []int{2, 1}, store.taken())
	})
}
