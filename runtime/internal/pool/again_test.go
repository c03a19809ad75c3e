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

// deaf is a clock whose timers never ring, as those of a machine that sleeps.
type deaf struct{ driver.Clock }

func (deaf) AfterFunc(time.Duration, func()) driver.Timer { return time.AfterFunc(1<<62, func() {}) }

// A handler that takes no notice of the loss of its lease must not meet itself,
// whether the lease extender noticed or not.
func TestTaskIsNotRunAgainBeforeItsRunHasEnded(t *testing.T) {
	for name, clock := range map[string]driver.Clock{"lease lost": driver.SystemClock, "loss unnoticed": deaf{driver.SystemClock}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newPoolBench(t, driver.QueueConfig{Name: "q", Visibility: 9 * time.Second})
				b.m.clock = clock
				var away atomic.Bool
				away.Store(true)
				b.q().before = failing(&away, "extend")
				var at, most atomic.Int32
				var runs sheet[int]
				b.handle(func(ctx context.Context, _ *driver.Task) error {
					info, _ := TaskFromContext(ctx)
					runs.add(info.Crashes)
					most.Store(max(most.Load(), at.Add(1)))
					if info.Crashes == 0 {
						time.Sleep(30 * time.Second) // whatever becomes of its context
					}
					at.Add(-1)
					return nil
				})
				p := b.pool(Config{Workers: 4})
				b.start(p)
				b.put("a")
				pass(10 * time.Second) // the lease has ended, and the task came again
				away.Store(false)
				pass(time.Minute)
				b.stop(p)
				assert.Equal(t, int32(1), most.Load(), "runs of one task at a time")
				assert.Equal(t, []int{0, 1}, runs.all(), "the second run follows the first")
				assert.Equal(t, []string{"a"}, b.q().completed())
			})
		})
	}
}

func TestTaskThatComesAgainBeforeItsRunIsRunOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t, driver.QueueConfig{Name: "q", Visibility: 9 * time.Second})
		b.m.clock = deaf{driver.SystemClock}
		var runs sheet[string]
		b.handle(func(ctx context.Context, task *driver.Task) error {
			info, _ := TaskFromContext(ctx)
			runs.add(fmt.Sprint(task.ID, info.Crashes))
			time.Sleep(5 * time.Second)
			return nil
		})
		r, err := b.pool(Config{Workers: 1}).begin(t.Context(), false)
		require.NoError(t, err)
		fetch := func(lease time.Duration) {
			ds, err := b.q().Dequeue(t.Context(), 1, lease)
			require.NoError(t, err)
			r.mon.Lock()
			defer r.mon.unlockAndLog()
			r.consumers[0].insertLocked(ds, nil)
		}
		b.put("long")
		fetch(9 * time.Second)
		b.put("a")
		fetch(time.Second)
		fetch(time.Minute) // waits until the lease has ended
		pass(time.Minute)
		require.NoError(t, r.stop(t.Context(), 0))
		assert.Equal(t, []string{"long0", "a1"}, runs.all())
		assert.Equal(t, []string{"long", "a"}, b.q().completed())
	})
}

// TestTaskThatIsDeliveredTwiceIsNotRunTwiceAtATime is about queues that may deliver a task
// again though its lease runs: in another batch, or in the same.
func TestTaskThatIsDeliveredTwiceIsNotRunTwiceAtATime(t *testing.T) {
	for _, name := range []string{"in two batches", "in one", "the later one first"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newPoolBench(t)
				var runs sheet[string]
				b.handle(func(ctx context.Context, task *driver.Task) error {
					info, _ := TaskFromContext(ctx)
					runs.add(fmt.Sprint(task.ID, info.Crashes))
					time.Sleep(time.Second)
					return nil
				})
				r, err := b.pool(Config{Workers: 2}).begin(t.Context(), false)
				require.NoError(t, err)
				take := func(n int) []*driver.Delivery {
					ds, err := b.q().Dequeue(t.Context(), n, time.Minute)
					require.NoError(t, err)
					return ds
				}
				b.put("x")
				b.put("y")
				b.put("a")
				ds := take(3)
				first := *ds[2]
				again := first
				again.Crashes = 1
				r.mon.Lock()
				switch name {
				case "in one":
					r.consumers[0].insertLocked([]*driver.Delivery{ds[0], ds[1], &first, &again}, nil)
				case "in two batches":
					r.consumers[0].insertLocked([]*driver.Delivery{ds[0], ds[1], &first}, nil)
					r.consumers[0].insertLocked([]*driver.Delivery{&again}, nil)
				default:
					r.consumers[0].insertLocked([]*driver.Delivery{ds[0], ds[1], &again}, nil)
					r.consumers[0].insertLocked([]*driver.Delivery{&first}, nil)
				}
				r.mon.unlockAndLog()
				pass(time.Minute)
				require.NoError(t, r.stop(t.Context(), 0))
				assert.ElementsMatch(t, []string{"x0", "y0", "a1"}, runs.all())
			})
		})
	}
}
