package pool

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/taskgen/taskgen/runtime/driver"
)

func TestNoMoreIsFetchedThanThereAreFreeWorkersWhenHandlersAreSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		b.q().trip = time.Millisecond
		b.handle(func(context.Context, *driver.Task) error { time.Sleep(10 * time.Second); return nil })
		for i := range 100 {
			b.put(fmt.Sprint(i))
		}
		p := b.pool(Config{Workers: 4})
		b.start(p)
		for range 20 {
			pass(5 * time.Second)
			assert.LessOrEqual(t, b.stats("q").Leased, int64(4))
		}
		b.stop(p)
		assert.Zero(t, b.stats("q").Leased)
	})
}

func TestFetchesGrowWithTheDistanceOfTheBroker(t *testing.T) {
	drain := func(trip time.Duration) (took time.Duration, fetches int) {
		synctest.Test(t, func(t *testing.T) {
			b := newPoolBench(t)
			b.q().trip = trip
			var left atomic.Int32
			left.Store(5000)
			done := make(chan struct{})
			b.handle(func(context.Context, *driver.Task) error {
				time.Sleep(time.Millisecond)
				if left.Add(-1) == 0 {
					close(done)
				}
				return nil
			})
			for i := range 5000 {
				b.put(fmt.Sprint(i))
			}
			begun := time.Now()
			p := b.pool(Config{Workers: 10})
			b.start(p)
			<-done
			took = time.Since(begun)
			b.stop(p)
			assert.Len(t, b.q().completed(), 5000)
			fetches = b.q().calls("dequeue")
		})
		return took, fetches
	}
	near, _ := drain(0)
	far, fetches := drain(10 * time.Millisecond)
	assert.Less(t, far, near*3/2, "near %s, far %s", near, far)
	assert.Less(t, fetches, 200)
}

func TestFastHandlersOfANearQueueShareFetches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		const tasks = 2000
		var left atomic.Int32
		left.Store(tasks)
		done := make(chan struct{})
		b.handle(func(context.Context, *driver.Task) error {
			time.Sleep(2 * time.Microsecond)
			if left.Add(-1) == 0 {
				close(done)
			}
			return nil
		})
		for i := range tasks {
			b.put(fmt.Sprint(i))
		}
		p := b.pool(Config{Workers: 2}) // to whom each fetch could bring two
		b.start(p)
		<-done
		b.stop(p)
		assert.Len(t, b.q().completed(), tasks)
		assert.Less(t, b.q().calls("dequeue"), tasks/50)
	})
}

func TestFailingFetchesBackOffAndAreLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		var away atomic.Bool
		away.Store(true)
		b.q().before = failing(&away, "dequeue")
		b.handle(func(context.Context, *driver.Task) error { return nil })
		p := b.pool(Config{})
		b.start(p)
		b.put("a")
		pass(time.Minute)
		n := b.q().calls("dequeue")
		assert.Greater(t, n, 60/5, "pauses are capped")
		assert.Less(t, n, 40, "and they grow")
		assert.Equal(t, 1, b.log.count("cannot fetch tasks"))
		away.Store(false)
		pass(maxFetchPause)
		assert.Equal(t, []string{"a"}, b.q().completed())
		assert.Equal(t, 1, b.log.count("fetching tasks again"))
		b.stop(p)
	})
}

func TestQueueThatDoesNotWaitIsNotAskedInAHotLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		b.q().before = func(string, []*driver.Delivery) error { return driver.ErrNoTasks }
		b.handle(func(context.Context, *driver.Task) error { return nil })
		p := b.pool(Config{})
		b.start(p)
		pass(time.Second)
		b.stop(p)
		assert.LessOrEqual(t, b.q().calls("dequeue"), 101)
		assert.Zero(t, b.log.count("cannot fetch"))
	})
}

func TestPausesGrowAndStayInBounds(t *testing.T) {
	var f backoff
	for i := range 100 {
		d := f.next(time.Second)
		most := min(firstPause<<min(i, 20), time.Second)
		assert.GreaterOrEqual(t, d, most/2)
		assert.LessOrEqual(t, d, most)
	}
	assert.Zero(t, f.next(0))
}

// runQuickAndSlow has tasks whose ID begins with s take 100 s of the bubble's time, and others none.
func runQuickAndSlow(b *poolBench) {
	b.q().trip = time.Millisecond
	b.handle(func(_ context.Context, task *driver.Task) error {
		if task.ID[0] == 's' {
			time.Sleep(100 * time.Second)
		}
		return nil
	})
}

// quickThenSlow is a pool that has run many quick tasks and whose workers are then all
// taken by slow ones.
func quickThenSlow(t *testing.T, workers int) (*poolBench, *Pool) {
	b := newPoolBench(t)
	runQuickAndSlow(b)
	for i := range 3000 {
		b.put(fmt.Sprint("quick", i))
	}
	p := b.pool(Config{Workers: workers})
	b.start(p)
	pass(5 * time.Second)
	assert.Len(t, b.q().completed(), 3000)
	for i := range workers {
		b.put(fmt.Sprint("slow", i))
	}
	pass(3 * time.Second)
	return b, p
}

func TestAPoolWhoseWorkersAreBusyHoardsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const workers = 10
		b, p := quickThenSlow(t, workers)
		for i := range 60 {
			b.put(fmt.Sprint("late", i))
		}
		fetches := b.q().calls("dequeue")
		pass(2 * time.Second)
		assert.Equal(t, driver.Stats{Ready: 60, Leased: workers}, b.stats("q"))
		pass(60 * time.Second)
		assert.Equal(t, driver.Stats{Ready: 60, Leased: workers}, b.stats("q"))
		assert.LessOrEqual(t, b.q().calls("dequeue")-fetches, 1)
		pass(40 * time.Second)
		assert.Equal(t, driver.Stats{}, b.stats("q"), "and goes on when they are free")
		b.stop(p)
	})
}

func TestWhatWasFetchedAheadGoesBackWhenTheWorkersStayBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		runQuickAndSlow(b)
		for i := range 1000 {
			b.put(fmt.Sprint("quick", i))
		}
		b.put("s1", "s2") // which are fetched together with what comes behind them
		for i := range 100 {
			b.put(fmt.Sprint("late", i))
		}
		p := b.pool(Config{Workers: 2})
		b.start(p)
		pass(5 * time.Second)
		assert.Equal(t, driver.Stats{Ready: 100, Leased: 2}, b.stats("q"))
		assert.Equal(t, 1000, len(b.q().completed()))
		for _, f := range b.q().ready {
			assert.Zero(t, f.crashes)
		}
		b.stop(p)
	})
}

func TestOneSlowHandlerAmongManyKeepsNoOtherFromFetchingAhead(t *testing.T) {
	drain := func(slow int) (took time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			b := newPoolBench(t)
			b.q().trip = 5 * time.Millisecond
			var left atomic.Int32
			left.Store(5000)
			done := make(chan struct{})
			b.handle(func(_ context.Context, task *driver.Task) error {
				if task.ID[0] == 's' {
					time.Sleep(100 * time.Second)
					return nil
				}
				time.Sleep(time.Millisecond)
				if left.Add(-1) == 0 {
					close(done)
				}
				return nil
			})
			for i := range slow {
				b.put(fmt.Sprint("slow", i))
			}
			for i := range 5000 {
				b.put(fmt.Sprint(i))
			}
			begun := time.Now()
			p := b.pool(Config{Workers: 10 + slow})
			b.start(p)
			<-done
			took = time.Since(begun)
			b.stop(p)
		})
		return took
	}
	alone, beside := drain(0), drain(5)
	assert.Less(t, beside, alone*3/2, "alone %s, beside slow ones %s", alone, beside)
}

// TestPaidRoundTripsAreShared counts the round trips beside the enqueue, and the time that
// workers wait for tasks.
func TestPaidRoundTripsAreShared(t *testing.T) {
	for _, c := range []struct {
		workers int
		run     time.Duration
		trips   float64 // a task, at most
		longer  float64 // than the handlers take
	}{
		{workers: 10, run: 50 * time.Millisecond, trips: 0.25, longer: 1.2},
		{workers: 10, run: 500 * time.Millisecond, trips: 0.25, longer: 1.1},
		{workers: 10, run: 2 * time.Second, trips: 0.4, longer: 1.1},
		{workers: 4, run: 500 * time.Millisecond, trips: 0.3, longer: 1.1},
		{workers: 2, run: 500 * time.Millisecond, trips: 0.4, longer: 1.1},
		{workers: 1, run: 100 * time.Millisecond, trips: 0.25, longer: 1.1},
		{workers: 30, run: 10 * time.Second, trips: 0.5, longer: 1.2},
	} {
		t.Run(fmt.Sprintf("%d workers, %s", c.workers, c.run), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const tasks = 400
				b := newPoolBench(t)
				b.q().paid, b.q().trip = true, 15*time.Millisecond
				var left atomic.Int32
				left.Store(tasks)
				done := make(chan struct{})
				b.handle(func(_ context.Context, task *driver.Task) error {
					time.Sleep(c.run/2 + time.Duration(len(task.ID)*37%11)*c.run/10)
					if left.Add(-1) == 0 {
						close(done)
					}
					return nil
				})
				for i := range tasks {
					b.put(fmt.Sprintf("%0*d", i%11+1, i))
				}
				begun := time.Now()
				p := b.pool(Config{Workers: c.workers})
				b.start(p)
				<-done
				took := time.Since(begun)
				b.stop(p)
				fetches, acks := b.q().calls("dequeue"), b.q().calls("complete")
				assert.LessOrEqual(t, float64(fetches+acks), tasks*c.trips, "%d fetches, %d acks", fetches, acks)
				assert.Less(t, took.Seconds(), (tasks/float64(c.workers)*c.run.Seconds()+c.run.Seconds())*c.longer)
				assert.Equal(t, driver.Stats{}, b.stats("q"))
			})
		})
	}
}

func TestAPaidAckIsNotKeptForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t, driver.QueueConfig{Name: "q", Visibility: 4 * time.Second})
		b.q().paid = true
		release := make(chan struct{})
		b.handle(func(_ context.Context, task *driver.Task) error {
			if task.ID == "long" {
				<-release
			}
			return nil
		})
		b.put("long")
		p := b.pool(Config{Workers: 2})
		b.start(p)
		pass(time.Second)
		b.put("a")
		pass(399 * time.Millisecond)
		assert.Empty(t, b.q().completed(), "it waits for others")
		pass(2 * time.Millisecond)
		assert.Equal(t, []string{"a"}, b.q().completed(), "for a tenth of the lease")
		b.put("b")
		synctest.Wait()
		close(release)
		pass(2 * time.Millisecond)
		assert.Len(t, b.q().completed(), 3, "and not when no worker is busy and none comes")
		b.stop(p)
	})
}

func TestFetchesAreBoundByBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const tasks, size = 200, 1 << 20
		b := newPoolBench(t)
		b.q().trip = 10 * time.Millisecond
		payload := append(append([]byte{'"'}, bytes.Repeat([]byte("x"), size-2)...), '"')
		for i := range tasks {
			b.putTask(&driver.Task{ID: fmt.Sprint(i), Payload: payload})
		}
		b.handle(func(context.Context, *driver.Task) error { return nil })
		p := b.pool(Config{Workers: 100})
		b.start(p)
		pass(time.Minute)
		b.stop(p)
		assert.Len(t, b.q().completed(), tasks)
		var asked []int
		for _, line := range b.q().lines() {
			var n int
			if _, err := fmt.Sscanf(line, "dequeue %d", &n); err == nil {
				asked = append(asked, n)
			}
		}
		assert.LessOrEqual(t, asked[0], firstFetch)
		assert.LessOrEqual(t, slices.Max(asked[1:]), fetchBytes/size, "%v", asked)
	})
}

func TestSmallTasksAreFetchedInLargeBatchesAgain(t *testing.T) {
	f := pace{most: maxPrefetch, workers: 10, trusts: true}
	large, small := &driver.Delivery{Task: &driver.Task{Payload: make([]byte, 1<<20)}}, &driver.Delivery{Task: &driver.Task{Payload: make([]byte, 100)}}
	f.weighLocked([]*driver.Delivery{small})
	assert.Equal(t, maxPrefetch, f.fitLocked(maxPrefetch, 0))
	f.weighLocked([]*driver.Delivery{large})
	assert.Equal(t, 8, f.fitLocked(maxPrefetch, 0))
	assert.Equal(t, 1, f.fitLocked(maxPrefetch, 64), "what is at hand counts")
	for range 100 {
		f.weighLocked([]*driver.Delivery{small})
	}
	assert.Equal(t, maxPrefetch, f.fitLocked(maxPrefetch, 0))
}

func TestAFetchIsSmallerAfterOneThatFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		var away atomic.Bool
		away.Store(true)
		b.q().before = failing(&away, "dequeue")
		b.handle(func(context.Context, *driver.Task) error { return nil })
		for i := range 500 {
			b.put(fmt.Sprint(i))
		}
		p := b.pool(Config{Workers: 32})
		b.start(p)
		pass(10 * time.Second)
		most := 64
		for _, line := range b.q().lines() {
			var n int
			_, err := fmt.Sscanf(line, "dequeue %d", &n)
			assert.NoError(t, err)
			assert.LessOrEqual(t, n, most)
			most = max(n/2, 1)
		}
		assert.Equal(t, 1, most)
		away.Store(false)
		pass(10 * time.Second)
		assert.Len(t, b.q().completed(), 500)
		b.stop(p)
	})
}

// Between an answer and the next question a queue is not empty: a strict pool waits.
func TestAQueueWhoseLastAnswerWasFullIsExpectedToHaveMore(t *testing.T) {
	now := time.Now()
	busy := newBusyWorkers(4, now)
	f := newPace(2, &busy, 0)
	f.startsFetchLocked(now)
	f.broughtLocked(make([]*driver.Delivery, 0), 1, time.Millisecond, now)
	assert.Zero(t, f.expectsLocked(now), "an answer that was not full")
	f.startsFetchLocked(now)
	f.broughtLocked([]*driver.Delivery{{Task: new(driver.Task)}}, 1, time.Millisecond, now)
	assert.Positive(t, f.expectsLocked(now))
	f.waiting = true
	assert.Zero(t, f.expectsLocked(now), "it has no room")
}
