package pool

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

func TestAQuietPoolBeginsNothingUntilItResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		var runs sheet[string]
		b.handle(func(_ context.Context, task *driver.Task) error {
			runs.add(task.ID)
			time.Sleep(time.Minute)
			return nil
		})
		p := b.pool(Config{Workers: 1})
		b.put("a", "b", "c")
		b.start(p)
		pass(time.Second)
		p.Quiet()
		pass(time.Second)
		assert.Equal(t, driver.Stats{Ready: 2, Leased: 1}, b.stats("q"), "what had not begun is back")
		b.put("d")
		pass(10 * time.Minute)
		assert.Equal(t, []string{"a"}, runs.all())
		assert.Equal(t, []string{"a"}, b.q().completed(), "what ran went on")
		assert.Equal(t, driver.Stats{Ready: 3}, b.stats("q"))
		p.Quiet() // again: nothing changes
		p.Resume()
		pass(10 * time.Minute)
		assert.ElementsMatch(t, []string{"a", "b", "c", "d"}, runs.all())
		b.stop(p)
	})
}

func TestAPoolThatIsStartedQuietWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		b.handle(func(context.Context, *driver.Task) error { return nil })
		p := b.pool(Config{})
		p.Quiet()
		b.put("a")
		b.start(p)
		pass(time.Hour)
		assert.Empty(t, b.q().completed())
		b.stop(p)
		b.start(p)
		pass(time.Hour)
		assert.Empty(t, b.q().completed(), "it stays quiet when it is started again")
		p.Resume()
		pass(time.Second)
		assert.Equal(t, []string{"a"}, b.q().completed())
		b.stop(p)
	})
}

func TestADrainOfAQuietPoolDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		b.handle(func(context.Context, *driver.Task) error { return nil })
		p := b.pool(Config{})
		p.Quiet()
		b.put("a")
		runs, err := p.Drain(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 1, runs)
	})
}

func TestATaskThatIsCancelledWhileItRunsStaysCancelled(t *testing.T) {
	for name, c := range map[string]struct {
		fails     error // what the handler returns; nil: the end of its context
		completes bool
		timeout   time.Duration
		want      Outcome
	}{
		"by its context":                 {want: Cancelled},
		"with an error of its own":       {fails: errors.New("broken off"), want: Cancelled},
		"with a snooze":                  {fails: Snooze(time.Second), want: Cancelled},
		"after its timeout":              {timeout: time.Second, want: Cancelled},
		"though its handler had success": {completes: true, want: Completed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newPoolBench(t)
				var causes sheet[error]
				b.handle(func(ctx context.Context, _ *driver.Task) error {
					<-ctx.Done()
					time.Sleep(5 * time.Second)
					causes.add(context.Cause(ctx))
					switch {
					case c.completes:
						return nil
					case c.fails != nil:
						return c.fails
					}
					return ctx.Err()
				})
				heard := hears(b)
				p := b.pool(Config{})
				b.putTask(&driver.Task{ID: "a", MaxRetries: 5, Timeout: c.timeout})
				b.start(p)
				pass(3 * time.Second)
				assert.True(t, p.Cancel("a"))
				pass(time.Hour)
				b.stop(p)
				assert.Len(t, causes.all(), 1, "it runs once")
				if c.timeout == 0 {
					assert.ErrorIs(t, causes.all()[0], driver.ErrCancelled)
				}
				assert.Equal(t, []string{"start a 1", "end a " + string(c.want), "settled a " + string(c.want) + " true <nil>"}, heard.all())
				assert.Equal(t, driver.Stats{}, b.stats("q"), "it is off its queue, and not buried")
				assert.False(t, p.Cancel("a"), "it is over")
			})
		})
	}
}

func TestATaskThatIsCancelledBeforeItBeginsIsNotHandled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		var runs sheet[string]
		b.handle(func(_ context.Context, task *driver.Task) error {
			if strings.HasPrefix(task.ID, "first") {
				return nil // fast, so that the pool fetches ahead
			}
			runs.add(task.ID)
			time.Sleep(10 * time.Second)
			return nil
		})
		p := b.pool(Config{Workers: 1})
		b.start(p)
		for i := range 20 {
			b.put(fmt.Sprint("first ", i))
		}
		pass(time.Second)
		b.put("a", "b")
		pass(time.Second)
		require.Equal(t, driver.Stats{Leased: 2}, b.stats("q"))
		assert.True(t, p.Cancel("b"))
		assert.False(t, p.Cancel("c"), "there is no such task")
		pass(time.Minute)
		b.stop(p)
		assert.Equal(t, []string{"a"}, runs.all())
		assert.Equal(t, driver.Stats{}, b.stats("q"))
	})
}

func TestACancelledTaskThatIsAwaitedHasFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		var store fakeResults
		b.handleWithResult(func(ctx context.Context, task *driver.Task) error {
			if strings.HasPrefix(task.ID, "first") {
				return SetResult(ctx, []byte("1")) // fast, so that the pool fetches ahead
			}
			<-ctx.Done()
			return ctx.Err()
		})
		p := b.pool(Config{Workers: 1, Results: &store})
		b.start(p)
		for i := range 20 {
			b.put(fmt.Sprint("first ", i))
		}
		pass(time.Second)
		b.put("runs", "waits")
		pass(time.Second)
		require.Equal(t, driver.Stats{Leased: 2}, b.stats("q"))
		assert.True(t, p.Cancel("waits"))
		assert.True(t, p.Cancel("runs"))
		pass(time.Minute)
		b.stop(p)
		assert.Equal(t, "cancelled", store.kept["runs"])
		assert.Equal(t, "cancelled", store.kept["waits"])
		assert.Equal(t, driver.Stats{}, b.stats("q"))
	})
}

func TestATaskThatIsCancelledBeforeItBeginsStaysSoThoughThePoolStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		b.handle(func(ctx context.Context, task *driver.Task) error {
			if !strings.HasPrefix(task.ID, "first") {
				<-ctx.Done()
			}
			return ctx.Err()
		})
		p := b.pool(Config{Workers: 1, Grace: time.Second})
		b.start(p)
		for i := range 20 {
			b.put(fmt.Sprint("first ", i))
		}
		pass(time.Second)
		b.put("runs", "waits")
		pass(time.Second)
		require.Equal(t, driver.Stats{Leased: 2}, b.stats("q"))
		assert.True(t, p.Cancel("waits"))
		b.stop(p)
		assert.Equal(t, driver.Stats{Ready: 1}, b.stats("q"), "what ran is back, and nothing else")
		assert.Contains(t, b.q().completed(), "waits")
	})
}

func TestQuietAndResumeOfManyLeaveThePoolAsTheLastOneSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		b.handle(func(context.Context, *driver.Task) error { return nil })
		p := b.pool(Config{})
		b.start(p)
		for i := range 50 {
			var all sync.WaitGroup
			all.Go(p.Quiet)
			all.Go(p.Resume)
			all.Wait()
			b.put(fmt.Sprint(i))
			pass(time.Minute)
			assert.Equal(t, !p.IsQuiet(), b.stats("q") == driver.Stats{}, "quiet: %v", p.IsQuiet())
			p.Resume()
			pass(time.Minute)
			require.Equal(t, driver.Stats{}, b.stats("q"))
		}
		b.stop(p)
	})
}
