package pool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

func TestCompletionsAreGatheredWhileOthersRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		b.handle(func(_ context.Context, task *driver.Task) error {
			if task.ID == "long" {
				time.Sleep(time.Second)
			}
			return nil
		})
		p := b.pool(Config{Workers: 2})
		b.put("long")
		for i := range 20 {
			b.put(fmt.Sprint(i))
		}
		b.start(p)
		pass(linger)
		assert.Len(t, b.q().completed(), 20, "they wait no longer than the linger")
		assert.LessOrEqual(t, b.q().calls("complete"), 2)
		pass(time.Second)
		b.stop(p)
	})
}

func TestCompletionIsSentAtOnceWhenThePoolIsIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		b.handle(func(context.Context, *driver.Task) error { return nil })
		p := b.pool(Config{})
		b.start(p)
		b.put("a")
		synctest.Wait() // no time passes
		assert.Equal(t, []string{"a"}, b.q().completed())
		b.stop(p)
	})
}

func TestCompletionOnAFIFOQueueIsNotKeptBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t, driver.QueueConfig{Name: "q", Type: driver.FIFO})
		b.handle(func(_ context.Context, task *driver.Task) error {
			if task.ID == "long" {
				time.Sleep(time.Second)
			}
			return nil
		})
		b.putTask(&driver.Task{ID: "long", GroupKey: "g"})
		b.putTask(&driver.Task{ID: "b", GroupKey: "h"})
		p := b.pool(Config{Workers: 2})
		b.start(p)
		synctest.Wait()
		assert.Equal(t, []string{"b"}, b.q().completed())
		pass(time.Second)
		b.stop(p)
	})
}

func TestAckSurvivesABrokerThatIsAway(t *testing.T) {
	for name, c := range map[string]struct {
		call   string
		result error
		want   driver.Stats
	}{
		"complete":    {"complete", nil, driver.Stats{}},
		"release":     {"release", Snooze(24 * time.Hour), driver.Stats{Scheduled: 1}},
		"dead letter": {"dead", errors.New("x"), driver.Stats{Dead: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newPoolBench(t)
				var away atomic.Bool
				away.Store(true)
				b.q().before = failing(&away, c.call)
				runs := 0
				b.handle(func(context.Context, *driver.Task) error { runs++; return c.result })
				p := b.pool(Config{})
				b.start(p)
				b.put("a")
				pass(25 * time.Second)
				assert.Equal(t, driver.Stats{Leased: 1}, b.stats("q"))
				assert.Less(t, b.q().calls(c.call), 60, "it is not tried in a hot loop")
				assert.Equal(t, 1, b.log.count("cannot settle tasks"), "a streak is logged once")
				away.Store(false)
				pass(maxAckPause)
				assert.Equal(t, c.want, b.stats("q"))
				assert.Equal(t, 1, runs)
				b.stop(p)
			})
		})
	}
}

func TestAckIsGivenUpWhenTheLeaseHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		var away atomic.Bool
		away.Store(true)
		b.q().before = failing(&away, "complete", "extend")
		var crashes sheet[int]
		b.handle(func(ctx context.Context, _ *driver.Task) error {
			info, _ := TaskFromContext(ctx)
			crashes.add(info.Crashes)
			return nil
		})
		p := b.pool(Config{})
		b.start(p)
		b.put("a")
		pass(29 * time.Second)
		assert.Equal(t, []int{0}, crashes.all())
		pass(2 * time.Second)
		away.Store(false)
		pass(time.Second)
		b.stop(p)
		assert.Equal(t, []int{0, 1}, crashes.all(), "the task is delivered again, uncharged")
		assert.Equal(t, []string{"a"}, b.q().completed())
	})
}

func TestAckThatIsRefusedForALeaseIsGivenUpThoughLeasesAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		var away atomic.Bool
		away.Store(true)
		b.q().before = failing(&away, "complete")
		b.handle(func(context.Context, *driver.Task) error { return nil })
		p := b.pool(Config{})
		b.put("a")
		b.start(p)
		pass(time.Second)
		b.stop(p)
		assert.Equal(t, driver.Stats{Leased: 1}, b.stats("q"))
		assert.Equal(t, 1, b.log.count("could not be settled"))
	})
}

func TestOnlyTheFailedItemsOfABatchAreSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		var together sync.WaitGroup
		together.Add(3)
		b.handle(func(context.Context, *driver.Task) error {
			together.Done()
			together.Wait()
			return nil
		})
		q := b.q()
		first := true
		q.before = func(call string, ds []*driver.Delivery) error {
			if call != "complete" || !first {
				return nil
			}
			first = false
			var failed driver.BatchError
			for i, d := range ds {
				switch d.Task.ID {
				case "b":
					failed.Add(i, "b", errAway)
				case "c":
					failed.Add(i, "c", fmt.Errorf("fake: %w", driver.ErrLeaseLost))
				}
			}
			return &failed
		}
		b.put("a", "b", "c")
		p := b.pool(Config{Workers: 3})
		b.start(p)
		pass(time.Second)
		b.stop(p)
		assert.Equal(t, []int{3, 1}, q.sizes["complete"])
		assert.Equal(t, "complete b", q.ledger[len(q.ledger)-1], "it alone")
		assert.Equal(t, 1, b.log.count("lease lost before the task was settled"))
	})
}

func TestTaskThatDiesOnADeadLetterQueueStaysThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		b.q().before = func(call string, _ []*driver.Delivery) error {
			if call == "dead letter" {
				return fmt.Errorf("fake: %w", driver.ErrUnsupported)
			}
			return nil
		}
		b.handle(func(context.Context, *driver.Task) error { return errors.New("x") })
		dead := &driver.Task{ID: "a", Type: "job", Queue: "home"}
		driver.RecordDeath(dead, "home", time.Now(), errors.New("first"))
		b.q().ready = append(b.q().ready, &fakeTask{task: dead})
		p := b.pool(Config{})
		b.start(p)
		pass(time.Second)
		b.stop(p)
		require.Equal(t, driver.Stats{Scheduled: 1}, b.stats("q"))
		f := b.q().waiting[0]
		assert.Equal(t, "x", f.task.Metadata[driver.MetaFailureReason])
		assert.Equal(t, "home", f.task.Metadata[driver.MetaOriginalQueue], "it finds back")
		assert.Equal(t, DefaultRetryCap-time.Second, time.Until(f.due).Round(time.Second))
	})
}

func TestClosedQueueEndsTheTryingAndTheFetching(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		began := make(chan struct{})
		b.handle(func(context.Context, *driver.Task) error {
			close(began)
			time.Sleep(time.Second)
			return nil
		})
		b.q().before = func(call string, _ []*driver.Delivery) error {
			if call == "complete" {
				return driver.ErrClosed
			}
			return nil
		}
		p := b.pool(Config{})
		b.start(p)
		b.put("a")
		<-began
		require.NoError(t, b.m.Close())
		pass(time.Minute)
		b.stop(p)
		assert.Equal(t, 1, b.q().calls("complete"))
		assert.LessOrEqual(t, b.q().calls("dequeue"), 3)
		assert.Equal(t, 1, b.log.count("queue is closed"))
		assert.Equal(t, 1, b.log.count("could not be settled"))
	})
}

func TestCallsThatCarryPayloadsAreBoundByBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const tasks = 12
		b := newPoolBench(t)
		b.handle(func(_ context.Context, task *driver.Task) error {
			time.Sleep(time.Second)
			return Skip(errors.New("no"))
		})
		payload := append(append([]byte{'"'}, bytes.Repeat([]byte("x"), 1<<20)...), '"')
		for i := range tasks {
			b.putTask(&driver.Task{ID: fmt.Sprint(i), Payload: payload})
		}
		p := b.pool(Config{Workers: tasks})
		b.start(p)
		pass(time.Minute)
		b.stop(p)
		assert.Len(t, b.q().dead, tasks)
		assert.LessOrEqual(t, slices.Max(b.q().sizes["dead letter"]), 4)
	})
}

// A backend that has no room for the next copy of a task has room again when others
// have been worked off, which may take longer than a lease.
func TestARetryThatAFullQueueRefusesWaitsWithoutANewRunAndWithoutStoppingOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		var full atomic.Bool
		full.Store(true)
		b.q().before = func(call string, ds []*driver.Delivery) error {
			if call != "release" || !full.Load() {
				return nil
			}
			var be driver.BatchError
			for i, d := range ds {
				be.Add(i, d.Task.ID, fmt.Errorf("%w: the broker takes nothing for now", driver.ErrQueueFull))
			}
			return be.OrNil()
		}
		var runs sheet[string]
		b.handle(func(_ context.Context, task *driver.Task) error {
			runs.add(task.ID)
			if task.ID == "a" && task.RetryCount == 0 {
				return errors.New("fails once")
			}
			return nil
		})
		p := b.pool(Config{})
		b.putTask(&driver.Task{ID: "a", MaxRetries: 3})
		b.start(p)
		pass(10 * time.Minute)
		b.put("b")
		pass(time.Second)
		assert.Equal(t, []string{"a", "b"}, runs.all())
		assert.Equal(t, []string{"b"}, b.q().completed())
		full.Store(false)
		pass(10 * time.Minute)
		assert.Equal(t, []string{"a", "b", "a"}, runs.all())
		assert.Equal(t, []string{"b", "a"}, b.q().completed())
		b.stop(p)
	})
}
