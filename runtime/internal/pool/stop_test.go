package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

func TestStopReleasesWhatHasNotBegunUncharged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t, driver.QueueConfig{Name: "q"}, driver.QueueConfig{Name: "other"})
		b.handle(func(context.Context, *driver.Task) error { time.Sleep(time.Second); return nil })
		b.put("a", "b", "c")
		p := b.pool(Config{Workers: 1})
		b.start(p)
		synctest.Wait()
		require.Equal(t, driver.Stats{Leased: 2, Ready: 1}, b.stats("q"))
		begun := time.Now()
		b.stop(p)
		assert.Equal(t, time.Second, time.Since(begun), "Stop waits for the handler and for nothing else")
		assert.Equal(t, driver.Stats{Ready: 2}, b.stats("q"))
		for _, f := range b.q().ready {
			assert.Zero(t, f.task.RetryCount)
			assert.Zero(t, f.crashes)
		}
		assert.Equal(t, []string{"a"}, b.q().completed())
	})
}

func TestWhatAFetchBringsAfterStopIsReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		b.q().trip = time.Second // the fetch is on its way, and brings tasks, when the pool stops
		b.handle(func(context.Context, *driver.Task) error { t.Error("it runs"); return nil })
		b.put("a", "b")
		p := b.pool(Config{})
		b.start(p)
		synctest.Wait()
		b.stop(p)
		assert.Equal(t, driver.Stats{Ready: 2}, b.stats("q"))
	})
}

func TestHandlersAreCancelledWhenTheGraceIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		b.handle(func(ctx context.Context, task *driver.Task) error {
			<-ctx.Done()
			assert.ErrorIs(t, context.Cause(ctx), driver.ErrStopping)
			if task.ID == "snoozes" {
				return Snooze(time.Hour)
			}
			return ctx.Err()
		})
		b.put("a", "snoozes")
		p := b.pool(Config{Grace: 7 * time.Second})
		b.start(p)
		synctest.Wait()
		begun := time.Now()
		b.stop(p)
		assert.Equal(t, 7*time.Second, time.Since(begun))
		assert.Equal(t, driver.Stats{Ready: 1, Scheduled: 1}, b.stats("q"))
		assert.Zero(t, b.q().ready[0].task.RetryCount, "being stopped is no failure")
	})
}

func TestStopNamesTheHandlersThatAreStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		release := make(chan struct{})
		b.handle(func(context.Context, *driver.Task) error { <-release; return nil })
		for i := range 12 {
			b.put(fmt.Sprintf("t%02d", i))
		}
		p := b.pool(Config{Workers: 12, Grace: time.Second})
		b.start(p)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := p.Stop(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.ErrorContains(t, err, "handlers still running (12): t00 (job on q), ")
		assert.ErrorContains(t, err, "and 2 more")
		assert.Equal(t, driver.Stats{Leased: 12}, b.stats("q"), "their leases are kept: nobody else runs them")
		require.ErrorContains(t, p.Start(ctx), "start the pool")
		close(release)
		b.stop(p)
		assert.Len(t, b.q().completed(), 12)
		b.stop(p) // once more does nothing
	})
}

func TestRunNamesTheHandlersThatAreStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		release := make(chan struct{})
		b.handle(func(context.Context, *driver.Task) error { <-release; return nil })
		b.put("a")
		p := b.pool(Config{Grace: time.Second})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorContains(t, p.Run(ctx), "a (job on q)")
		close(release)
		b.stop(p)
	})
}

func TestStopSettlesThroughAShortOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		var away atomic.Bool
		away.Store(true)
		b.q().before = failing(&away, "complete")
		b.handle(func(context.Context, *driver.Task) error { return nil })
		b.put("a")
		p := b.pool(Config{})
		b.start(p)
		synctest.Wait()
		time.AfterFunc(5*time.Second, func() { away.Store(false) })
		err := p.Stop(ended(t))
		require.ErrorContains(t, err, "tasks not settled with their queue yet: 1")
		b.stop(p)
		assert.Equal(t, []string{"a"}, b.q().completed())
	})
}

func TestStopOfAPoolThatNeverRanDoesNothing(t *testing.T) {
	b := newPoolBench(t)
	b.handle(noop)
	b.stop(b.pool(Config{}))
}

func TestPoolMayBeStartedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		b.handle(func(context.Context, *driver.Task) error { time.Sleep(time.Second); return nil })
		p := b.pool(Config{})
		b.start(p)
		require.ErrorContains(t, p.Start(t.Context()), "running already")
		_, err := p.Drain(t.Context())
		require.ErrorContains(t, err, "running already")
		b.put("a")
		synctest.Wait()
		var stopped sync.WaitGroup
		for range 3 {
			stopped.Go(func() { b.stop(p) })
		}
		synctest.Wait()
		b.start(p) // waits for the stop
		stopped.Wait()
		b.put("b")
		pass(time.Second)
		b.stop(p)
		assert.Equal(t, []string{"a", "b"}, b.q().completed())
		assert.ErrorIs(t, p.Start(ended(t)), context.Canceled)
	})
}

func TestStartAndStopByManyAtOnce(t *testing.T) {
	b := newPoolBench(t)
	var runs, put atomic.Int64
	b.handle(func(context.Context, *driver.Task) error { runs.Add(1); return nil })
	p := b.pool(Config{Workers: 3})
	var all sync.WaitGroup
	for g := range 10 {
		all.Go(func() {
			for i := range 50 {
				b.put(fmt.Sprint(g, "-", i))
				put.Add(1)
				if err := p.Start(t.Context()); err != nil {
					assert.ErrorContains(t, err, "running already")
				}
				assert.NoError(t, p.Stop(t.Context()))
			}
		})
	}
	all.Wait()
	b.stop(p)
	assert.Zero(t, b.stats("q").Leased)
	_, err := p.Drain(t.Context())
	require.NoError(t, err)
	assert.Equal(t, put.Load(), runs.Load(), "each ran once")
	assert.Equal(t, driver.Stats{}, b.stats("q"))
}

func TestValuesOfStartReachTheHandlersAndItsEndDoesNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), valueKey{}, "v"))
		b.handle(func(ctx context.Context, _ *driver.Task) error {
			assert.Equal(t, "v", ctx.Value(valueKey{}))
			return ctx.Err()
		})
		p := b.pool(Config{})
		require.NoError(t, p.Start(ctx))
		cancel()
		b.put("a")
		synctest.Wait()
		b.stop(p)
		assert.Equal(t, []string{"a"}, b.q().completed())
	})
}

func TestDrainLeavesWhatOthersHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		b.handle(func(context.Context, *driver.Task) error { return nil })
		b.q().before = func(call string, _ []*driver.Delivery) error {
			if call == "dequeue 16" {
				return driver.ErrNoTasks // ready, but of a group that another worker has
			}
			return nil
		}
		b.put("a")
		assert.Zero(t, b.drain(Config{}))
	})
}

func TestDrainWaitsForWhatIsCountedWhereItComesLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		b.handle(func(context.Context, *driver.Task) error { return nil })
		late := 2
		b.q().before = func(call string, _ []*driver.Delivery) error {
			if strings.HasPrefix(call, "dequeue") && late > 0 {
				late--
				return driver.ErrNoTasks // the machine was too busy to answer in time
			}
			return nil
		}
		b.put("a", "b")
		assert.Equal(t, 2, b.drain(Config{}))
	})
}

func TestDrainStopsAtItsContextsEndAndGivesBackTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		b.handle(func(ctx context.Context, _ *driver.Task) error { <-ctx.Done(); return ctx.Err() })
		b.put("a", "b", "c")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		n, err := b.pool(Config{Workers: 1}).Drain(ctx)
		assert.Equal(t, 1, n)
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, driver.Stats{Ready: 3}, b.stats("q"))
	})
}

func TestDrainReportsAQueueThatCannotBeReached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		b.handle(func(context.Context, *driver.Task) error { return nil })
		p := b.pool(Config{})
		b.q().before = func(string, []*driver.Delivery) error { return errAway }
		b.put("a")
		_, err := p.Drain(t.Context())
		assert.ErrorIs(t, err, errAway)
		require.NoError(t, b.m.Close())
		_, err = p.Drain(t.Context())
		assert.ErrorIs(t, err, driver.ErrClosed)
	})
}

func TestNewPoolSaysAllThatIsWrong(t *testing.T) {
	b := newPoolBench(t)
	b.r.Handle(Policy{Type: "", Queue: "q"}, HandlerFunc(func(context.Context, *driver.Task) error { return nil }))
	b.r.Handle(Policy{Type: "r", Result: true}, HandlerFunc(func(context.Context, *driver.Task) error { return nil }))
	b.r.Handle(Policy{Type: "c", Concurrency: -1}, HandlerFunc(func(context.Context, *driver.Task) error { return nil }))
	b.r.Handle(Policy{Type: "s", Rate: Rate{Limit: 5}}, HandlerFunc(func(context.Context, *driver.Task) error { return nil }))
	_, err := newPool(b.m, b.r, Config{Workers: -1, Strict: true, Queues: []Share{
		{Name: "q"}, {Name: "q", Weight: 2}, {Name: "nope"}, {Name: "q", Concurrency: -1}, {Name: "q", Rate: Rate{-1, time.Second}},
	}})
	require.ErrorIs(t, err, driver.ErrUnknownQueue)
	for _, text := range []string{
		"empty task type", "-1 workers", `unknown queue "nope"`, `queue "q" twice`, "the pool is strict", "negative weight or concurrency",
		`queue "q" has a rate of -1 per 1s`, `type "s" has a rate of 5 per 0s`, `type "c" has the concurrency -1`, `tasks of type "r" have a result`,
	} {
		assert.ErrorContains(t, err, text)
	}
	_, err = newPool(&host{clock: driver.SystemClock}, NewRouter(), Config{})
	assert.ErrorContains(t, err, "no open queue")
}

func TestNewPoolFillsInDefaults(t *testing.T) {
	b := newPoolBench(t, driver.QueueConfig{Name: "q"}, driver.QueueConfig{Name: "r"})
	b.handle(noop)
	p, err := newPool(b.m, b.r, Config{})
	require.NoError(t, err)
	assert.Equal(t, DefaultWorkers, p.cfg.Workers)
	assert.Equal(t, DefaultGrace, p.cfg.Grace)
	assert.Equal(t, []Share{{Name: "q"}, {Name: "r"}}, p.cfg.Queues)
	assert.Same(t, slog.Default(), p.logger())
}

var errLeftOver = errors.New("left over")

func TestNoGoroutineIsLeftWhenEverythingFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // a bubble fails when goroutines are left
		b := newPoolBench(t, driver.QueueConfig{Name: "q", Visibility: time.Second})
		b.handle(func(context.Context, *driver.Task) error { return errLeftOver })
		var away atomic.Bool
		b.q().before = failing(&away, "complete", "release", "dead", "extend", "dequeue")
		b.put("a", "b")
		p := b.pool(Config{})
		b.start(p)
		away.Store(true)
		pass(10 * time.Second)
		b.stop(p)
	})
}

func TestRunWithAGraceWithoutEndWaitsForHandlers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		b.handle(func(ctx context.Context, _ *driver.Task) error {
			time.Sleep(time.Hour)
			return ctx.Err()
		})
		b.put("a")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.NoError(t, b.pool(Config{Grace: math.MaxInt64}).Run(ctx))
		assert.Equal(t, []string{"a"}, b.q().completed())
	})
}

// lingering is a queue whose receives go on behind a Dequeue that is cancelled.
type lingering struct {
	driver.Queue
	linger time.Duration
	over   atomic.Int32
}

func (q *lingering) Dequeue(ctx context.Context, limit int, lease time.Duration) ([]*driver.Delivery, error) {
	ds, err := q.Queue.Dequeue(ctx, limit, lease)
	if ctx.Err() != nil {
		over := driver.Behind(ctx)
		time.AfterFunc(q.linger, func() {
			q.over.Add(1)
			over()
			over() // once is enough, and more is no harm
		})
	}
	return ds, err
}

func TestStopWaitsForReceivesBehindItWithinTheGrace(t *testing.T) {
	for linger, want := range map[time.Duration]time.Duration{5 * time.Second: 5 * time.Second, time.Minute: 20 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			b := newPoolBench(t)
			b.handle(func(context.Context, *driver.Task) error { return nil })
			p := b.pool(Config{Grace: 20 * time.Second})
			q := &lingering{Queue: p.queues[0], linger: linger}
			p.queues[0] = q
			b.start(p)
			pass(time.Second)
			begun := time.Now()
			b.stop(p)
			assert.Equal(t, want, time.Since(begun))
			assert.Equal(t, linger <= want, q.over.Load() == 1)
			assert.Equal(t, linger > want, b.log.count("while a receive is under way") == 1)
			time.Sleep(linger)
		})
	}
}
