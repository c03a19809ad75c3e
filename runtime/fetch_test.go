package runtime

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestNoMoreIsFetchedThanThereAreFreeWorkersWhenHandlersAreSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		b.q().trip = time.Millisecond
		b.handle(func(context.Context, *Task) error { time.Sleep(10 * time.Second); return nil })
		for i := range 100 {
			b.put(fmt.Sprint(i))
		}
		p := b.pool(PoolConfig{Workers: 4})
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
			b.handle(func(context.Context, *Task) error {
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
			p := b.pool(PoolConfig{Workers: 10})
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
		b.handle(func(context.Context, *Task) error {
			time.Sleep(2 * time.Microsecond)
			if left.Add(-1) == 0 {
				close(done)
			}
			return nil
		})
		for i := range tasks {
			b.put(fmt.Sprint(i))
		}
		p := b.pool(PoolConfig{Workers: 2}) // to whom each fetch could bring two
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
		b.handle(func(context.Context, *Task) error { return nil })
		p := b.pool(PoolConfig{})
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
		b.q().before = func(string, []*Delivery) error { return ErrNoTasks }
		b.handle(func(context.Context, *Task) error { return nil })
		p := b.pool(PoolConfig{})
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
