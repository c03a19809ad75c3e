package pool

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// crashed puts tasks on the queue whose workers have died that many times.
func (b *poolBench) crashed(times int, ids ...string) {
	b.t.Helper()
	b.put(ids...)
	for range times {
		ds, err := b.q().Dequeue(context.Background(), len(ids), time.Second)
		require.NoError(b.t, err)
		require.Len(b.t, ds, len(ids))
		time.Sleep(time.Second)
	}
}

func TestPoolHoldsOneSuspectAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t, driver.QueueConfig{Name: "q", MaxDeliveries: 4, Visibility: 10 * time.Second})
		var at, most atomic.Int32
		b.handle(func(context.Context, *driver.Task) error {
			most.Store(max(most.Load(), at.Add(1)))
			time.Sleep(3 * time.Second)
			at.Add(-1)
			return nil
		})
		b.crashed(2, "a", "b", "c", "d", "e")
		p := b.pool(Config{Workers: 4})
		b.start(p)
		pass(2 * time.Second)
		assert.Equal(t, driver.Stats{Leased: 1, Scheduled: 4}, b.stats("q"), "the others are not leased: they would count a crash")
		pass(time.Minute)
		b.stop(p)
		assert.Equal(t, int32(1), most.Load(), "suspects that ran at a time")
		assert.ElementsMatch(t, []string{"a", "b", "c", "d", "e"}, b.q().completed())
		assert.Empty(t, b.q().dead)
	})
}

func TestTasksBelowHalfOfMaxDeliveriesAreNoSuspects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t, driver.QueueConfig{Name: "q", MaxDeliveries: 4, Visibility: 10 * time.Second})
		b.handle(func(context.Context, *driver.Task) error {
			time.Sleep(3 * time.Second)
			return nil
		})
		b.crashed(1, "a", "b", "c", "d")
		p := b.pool(Config{Workers: 4})
		b.start(p)
		pass(time.Second)
		assert.Equal(t, driver.Stats{Leased: 4}, b.stats("q"))
		pass(3 * time.Second)
		assert.Len(t, b.q().completed(), 4)
		b.stop(p)
		assert.Zero(t, b.q().calls("release"))
	})
}

func TestSuspectsAreGivenBackUncharged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t, driver.QueueConfig{Name: "q", MaxDeliveries: 3, Visibility: 10 * time.Second})
		b.handle(func(_ context.Context, task *driver.Task) error {
			assert.Zero(t, task.RetryCount)
			return nil
		})
		b.crashed(2, "a", "b", "c")
		p := b.pool(Config{Workers: 4})
		b.start(p)
		pass(time.Second) // quick suspects take turns at minSuspectDelay
		assert.Len(t, b.q().completed(), 3)
		b.stop(p)
	})
}

func TestReleaseOfSuspectsThatHangsCostsNobodyItsLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t, driver.QueueConfig{Name: "q", MaxDeliveries: 4, Visibility: 9 * time.Second})
		var runs sheet[string]
		b.handle(func(ctx context.Context, task *driver.Task) error {
			info, _ := TaskFromContext(ctx)
			runs.add(fmt.Sprint(task.ID, info.Crashes))
			time.Sleep(time.Minute)
			return ctx.Err()
		})
		b.crashed(2, "a", "b")
		b.put("new")
		var released atomic.Bool
		b.q().before = func(call string, _ []*driver.Delivery) error {
			if call == "release" && released.CompareAndSwap(false, true) {
				return errHangs
			}
			return nil
		}
		p := b.pool(Config{Workers: 4})
		b.start(p)
		pass(5 * time.Minute)
		b.stop(p)
		assert.ElementsMatch(t, []string{"a2", "b2", "new0"}, runs.all(), "each ran once, and no crash was counted")
		assert.ElementsMatch(t, []string{"a", "b", "new"}, b.q().completed())
	})
}

func TestNothingIsFetchedInTheFirstSecondOfASuspect(t *testing.T) {
	for name, c := range map[string]struct{ takes, at time.Duration }{
		"it is done before": {400 * time.Millisecond, 400 * time.Millisecond},
		"it takes longer":   {10 * time.Second, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newPoolBench(t, driver.QueueConfig{Name: "q", MaxDeliveries: 4, Visibility: 30 * time.Second})
				b.handle(func(_ context.Context, task *driver.Task) error {
					if task.ID == "suspect" {
						time.Sleep(c.takes)
					}
					return nil
				})
				b.crashed(2, "suspect")
				p := b.pool(Config{Workers: 4})
				b.start(p)
				pass(100 * time.Millisecond)
				b.put("new")
				pass(c.at - 110*time.Millisecond)
				assert.Equal(t, driver.Stats{Leased: 1, Ready: 1}, b.stats("q"))
				pass(100 * time.Millisecond)
				assert.Contains(t, b.q().completed(), "new")
				b.stop(p)
			})
		})
	}
}
