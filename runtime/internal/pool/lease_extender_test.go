package pool

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

var errAway = errors.New("the broker is away")

// failing makes a fake queue's calls fail while the switch is on.
func failing(on *atomic.Bool, calls ...string) func(string, []*driver.Delivery) error {
	return func(call string, _ []*driver.Delivery) error {
		for _, c := range calls {
			if on.Load() && len(call) >= len(c) && call[:len(c)] == c {
				return errAway
			}
		}
		return nil
	}
}

func TestLeasesAreKeptWhileTasksRunAndWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t, driver.QueueConfig{Name: "q", Visibility: 9 * time.Second})
		runs := map[string]int{}
		b.handle(func(ctx context.Context, task *driver.Task) error {
			runs[task.ID]++
			time.Sleep(20 * time.Second)
			return ctx.Err()
		})
		p := b.pool(Config{Workers: 1})
		b.start(p)
		b.put("a", "b")
		pass(50 * time.Second)
		b.stop(p)
		assert.Equal(t, map[string]int{"a": 1, "b": 1}, runs)
		assert.Equal(t, []string{"a", "b"}, b.q().completed())
		// A third of the lease after the last: about 13 times in 40 s.
		assert.InDelta(t, 13, b.q().calls("extend"), 3)
		for _, line := range b.q().lines() {
			assert.NotContains(t, line, "crash")
		}
	})
}

func TestManyLeasesAreExtendedInOneCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		b.handle(func(context.Context, *driver.Task) error { time.Sleep(time.Minute); return nil })
		p := b.pool(Config{Workers: 50})
		b.start(p)
		for i := range 50 {
			b.put(fmt.Sprint(i))
		}
		pass(25 * time.Second)
		q := b.q()
		q.mu.Lock()
		sizes := q.sizes["extend"]
		q.mu.Unlock()
		assert.Equal(t, []int{50, 50}, sizes)
		pass(time.Minute)
		b.stop(p)
		assert.Len(t, q.completed(), 50)
	})
}

func TestLostLeaseCancelsTheHandlerAndSettlesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		var w witness
		b.r.Use(w.middleware)
		b.handle(func(ctx context.Context, task *driver.Task) error {
			<-ctx.Done()
			assert.ErrorIs(t, context.Cause(ctx), driver.ErrLeaseLost)
			if task.ID == "deaf" {
				return nil // success does not help it
			}
			return ctx.Err()
		})
		b.q().before = func(call string, ds []*driver.Delivery) error {
			if call != "extend" {
				return nil
			}
			var failed driver.BatchError
			for i, d := range ds {
				failed.Add(i, d.Task.ID, driver.ErrLeaseLost)
			}
			return &failed
		}
		p := b.pool(Config{})
		b.start(p)
		b.putTask(&driver.Task{ID: "a", MaxRetries: 3})
		b.put("deaf")
		pass(11 * time.Second)
		b.stop(p)
		assert.ElementsMatch(t, []string{"a abandoned", "deaf abandoned"}, w.seen)
		for _, call := range []string{"complete", "release", "dead"} {
			assert.Zero(t, b.q().calls(call), call)
		}
		assert.Equal(t, driver.Stats{Leased: 2}, b.stats("q"))
		assert.Equal(t, 2, b.log.count("lease lost"))
	})
}

func TestLeasesAreTriedUntilTheirEndWhileTheBrokerIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		var away atomic.Bool
		away.Store(true)
		b.q().before = failing(&away, "extend")
		var ended atomic.Int64
		b.handle(func(ctx context.Context, task *driver.Task) error {
			if info, _ := TaskFromContext(ctx); info.Crashes > 0 {
				return nil // the next delivery
			}
			begun := time.Now()
			<-ctx.Done()
			ended.Store(int64(time.Since(begun)))
			return context.Cause(ctx)
		})
		p := b.pool(Config{})
		b.start(p)
		b.put("a")
		pass(29 * time.Second)
		assert.Zero(t, ended.Load(), "the lease has not ended yet")
		assert.Greater(t, b.q().calls("extend"), 3)
		assert.Equal(t, 1, b.log.count("cannot extend leases"), "a streak is logged once")
		pass(time.Second)
		assert.EqualValues(t, 30*time.Second, ended.Load())
		away.Store(false)
		pass(time.Second) // the next delivery may have come before the handler returned
		b.stop(p)
		assert.Equal(t, 1, b.q().calls("complete"))
		assert.Equal(t, []string{"a"}, b.q().completed())
	})
}

func TestExtendThatHangsEndsNoLaterThanTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		var ended atomic.Int64
		b.handle(func(ctx context.Context, task *driver.Task) error {
			begun := time.Now()
			<-ctx.Done()
			ended.CompareAndSwap(0, int64(time.Since(begun)))
			return context.Cause(ctx)
		})
		p := b.pool(Config{Grace: time.Second})
		b.start(p)
		b.put("a")
		pass(time.Second)
		b.q().hang.Store(true)
		pass(time.Minute)
		assert.InDelta(t, 30, time.Duration(ended.Load()).Seconds(), 0.1)
		assert.Greater(t, b.q().calls("extend"), 2)
		b.q().hang.Store(false)
		b.stop(p)
	})
}

func TestLeasesAreKeptThroughAShortOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		var away atomic.Bool
		b.q().before = failing(&away, "extend")
		b.handle(func(ctx context.Context, task *driver.Task) error {
			time.Sleep(2 * time.Minute)
			return ctx.Err()
		})
		p := b.pool(Config{})
		b.start(p)
		b.put("a")
		pass(9 * time.Second)
		away.Store(true)
		pass(15 * time.Second)
		away.Store(false)
		pass(2 * time.Minute)
		b.stop(p)
		assert.Zero(t, b.log.count("lease lost"))
		assert.Equal(t, []string{"a"}, b.q().completed())
	})
}

func TestTaskThatWaitsLongForAWorkerGoesBackForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t, driver.QueueConfig{Name: "q"}, driver.QueueConfig{Name: "other"})
		b.handle(func(context.Context, *driver.Task) error { time.Sleep(5 * time.Minute); return nil })
		p := b.pool(Config{Workers: 1})
		b.start(p)
		b.put("a", "b")
		pass(time.Second)
		require.Equal(t, driver.Stats{Leased: 2}, b.stats("q"), "with several queues one of each is at hand")
		pass(time.Minute)
		assert.Positive(t, b.q().calls("release b"))
		b.stop(p)
	})
}

func TestBufferedTaskWhoseLeaseIsLostIsNotRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t, driver.QueueConfig{Name: "q", Visibility: 9 * time.Second}, driver.QueueConfig{Name: "other"})
		var runs sheet[string]
		b.handle(func(_ context.Context, task *driver.Task) error {
			if task.ID == "first" {
				return nil
			}
			runs.add(task.ID)
			time.Sleep(8 * time.Second)
			return nil
		})
		b.q().before = func(call string, ds []*driver.Delivery) error {
			var failed driver.BatchError
			for i, d := range ds {
				if d.Task.ID == "b" && call == "extend" {
					failed.Add(i, "b", driver.ErrLeaseLost)
				}
			}
			return failed.OrNil()
		}
		p := b.pool(Config{Workers: 1})
		b.start(p)
		b.put("first") // comes alone; after it tasks are fetched in batches
		// A Dequeue of one that was asked while it ran has ended by then, and one for two
		// waits.
		pass(2 * aheadWait)
		b.put("a", "b")
		pass(7 * time.Second)
		assert.Equal(t, []string{"a"}, runs.all())
		assert.Equal(t, 1, b.log.count("lease lost"))
		pass(time.Second)
		b.stop(p)
		assert.Equal(t, []string{"a"}, runs.all())
		assert.Equal(t, []string{"first", "a"}, b.q().completed())
	})
}
