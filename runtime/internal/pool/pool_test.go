package pool

import (
	"context"
	"errors"
	"fmt"
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

func TestPoolRunsEveryTaskOnceAndCompletesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		var runs sync.Map
		b.handle(func(_ context.Context, task *driver.Task) error {
			n, _ := runs.LoadOrStore(task.ID, new(atomic.Int32))
			n.(*atomic.Int32).Add(1)
			return nil
		})
		p := b.pool(Config{})
		var want []string
		for i := range 500 {
			want = append(want, fmt.Sprintf("t%03d", i))
		}
		b.put(want...)
		b.start(p)
		synctest.Wait()
		assert.ElementsMatch(t, want, b.q().completed())
		runs.Range(func(id, n any) bool { return assert.EqualValues(t, 1, n.(*atomic.Int32).Load(), id) })
		b.put("later")
		synctest.Wait()
		assert.Len(t, b.q().completed(), 501)
		b.stop(p)
		assert.Equal(t, driver.Stats{}, b.stats("q"))
	})
}

func TestRunReturnsNilOnACleanStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		began := make(chan struct{})
		b.handle(func(ctx context.Context, _ *driver.Task) error {
			close(began)
			time.Sleep(5 * time.Second)
			return ctx.Err()
		})
		b.put("a")
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-began
			cancel()
		}()
		require.NoError(t, b.pool(Config{}).Run(ctx))
		assert.Equal(t, []string{"a"}, b.q().completed(), "the handler may finish within the grace")
	})
}

func TestRunThatIsToldToStopBeforeItBeginsReturnsNil(t *testing.T) {
	b := newPoolBench(t)
	b.handle(noop)
	p := b.pool(Config{})
	require.NoError(t, p.Run(ended(t)))
	assert.Zero(t, b.q().calls("dequeue"))
}

func TestRunFailsWhileThePoolRuns(t *testing.T) {
	b := newPoolBench(t)
	b.handle(noop)
	p := b.pool(Config{})
	b.start(p)
	require.ErrorContains(t, p.Run(t.Context()), "running already")
	b.stop(p)
}

func TestDrainRunsWhatIsReadyAndWhatThatEnqueues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		fails := errors.New("no")
		b.handle(func(_ context.Context, task *driver.Task) error {
			switch task.ID {
			case "a":
				b.put("b")
			case "c":
				return RetryAfter(time.Hour, fails)
			}
			return nil
		})
		b.put("a")
		b.putTask(&driver.Task{ID: "c", MaxRetries: 1})
		n, err := b.pool(Config{}).Drain(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 3, n)
		assert.ElementsMatch(t, []string{"a", "b"}, b.q().completed())
		assert.Equal(t, driver.Stats{Scheduled: 1}, b.stats("q"))
	})
}

func TestADrainThatIsCancelledReleasesWhatItStillReceives(t *testing.T) {
	for name, vague := range map[string]bool{"the first fetch": false, "a closer look": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newPoolBench(t)
				b.q().vague = vague
				b.handle(func(context.Context, *driver.Task) error { return nil })
				if !vague {
					b.put("a")
				}
				ctx, cancel := context.WithCancel(t.Context())
				b.q().before = func(call string, _ []*driver.Delivery) error {
					if strings.HasPrefix(call, "dequeue") && vague {
						b.put("a")
					}
					return nil
				}
				b.q().handing = func() {
					cancel()
					pass(time.Second) // whatever does not wait for this fetch has ended by now
				}
				n, err := b.pool(Config{}).Drain(ctx)
				require.ErrorIs(t, err, context.Canceled)
				assert.Zero(t, n)
				assert.Equal(t, driver.Stats{Ready: 1}, b.stats("q"))
			})
		})
	}
}

func TestDrainOfAQueueWithVagueCountsEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t, driver.QueueConfig{Name: "q"}, driver.QueueConfig{Name: "other"})
		b.handle(func(context.Context, *driver.Task) error { return nil })
		b.q().vague, b.queues["other"].vague = true, true
		b.r.Handle(Policy{Type: "else", Queue: "other"}, HandlerFunc(func(context.Context, *driver.Task) error { return nil }))
		begun := time.Now()
		n, err := b.pool(Config{}).Drain(t.Context())
		require.NoError(t, err)
		assert.Zero(t, n)
		assert.LessOrEqual(t, time.Since(begun), 2*time.Second, "the queues are looked at side by side")
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		begun = time.Now()
		_, err = b.pool(Config{}).Drain(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded, "that nothing is there it does not know")
		assert.Less(t, time.Since(begun), drainWait)
	})
}

func TestDrainOfAQueueWithVagueCountsLeavesWhatItHasPutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		b.q().vague = true
		b.handle(func(context.Context, *driver.Task) error { return Snooze(time.Second / 2) })
		b.put("a")
		n, err := b.pool(Config{}).Drain(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 1, n)
		assert.Equal(t, driver.Stats{Scheduled: 1}, b.stats("q"))
	})
}
