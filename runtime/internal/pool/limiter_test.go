package pool

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// gauge counts what runs, by type, and the most that ran at a time.
type gauge struct {
	mu     sync.Mutex
	now    map[string]int
	most   map[string]int
	starts []time.Time
}

func (g *gauge) handler(took time.Duration) HandlerFunc {
	return func(ctx context.Context, t *driver.Task) error {
		g.add(t.Type, 1)
		time.Sleep(took)
		g.add(t.Type, -1)
		return ctx.Err()
	}
}

func (g *gauge) add(name string, n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.now == nil {
		g.now, g.most = map[string]int{}, map[string]int{}
	}
	g.now[name] += n
	g.most[name] = max(g.most[name], g.now[name])
	if n > 0 {
		g.starts = append(g.starts, time.Now())
	}
}

func (g *gauge) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.starts)
}

func (b *poolBench) putMany(n int, taskType, queue string) {
	b.t.Helper()
	for i := range n {
		b.putTask(&driver.Task{ID: fmt.Sprintf("%s-%s-%d", queue, taskType, i), Type: taskType, Queue: queue})
	}
}

func TestQueueAtItsConcurrencyIsNotFetchedFrom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		var g gauge
		b.handle(g.handler(time.Second))
		b.putMany(30, "job", "q")
		p := b.pool(Config{Workers: 10, Queues: []Share{{Name: "q", Concurrency: 3}}})
		b.start(p)
		begun := time.Now()
		pass(50 * time.Millisecond) // between the ends of runs
		for len(b.q().completed()) < 30 {
			pass(100 * time.Millisecond)
			assert.LessOrEqual(t, b.stats("q").Leased, int64(3), "no more are leased than may run")
		}
		b.stop(p)
		assert.Equal(t, 3, g.most["job"])
		assert.InDelta(t, 10, time.Since(begun).Seconds(), 0.5)
	})
}

func TestRateOfAQueueHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		var g gauge
		b.handle(g.handler(0))
		b.putMany(300, "job", "q")
		p := b.pool(Config{Queues: []Share{{Name: "q", Rate: Rate{50, time.Second}}}})
		b.start(p)
		pass(5 * time.Second)
		assert.LessOrEqual(t, b.stats("q").Leased, int64(5), "what may not start yet is not fetched")
		b.stop(p)
		n := len(g.starts)
		assert.LessOrEqual(t, n, 5*50+5)
		assert.GreaterOrEqual(t, n, 5*50-5)
		for i := range g.starts {
			if i >= 60 {
				assert.GreaterOrEqual(t, g.starts[i].Sub(g.starts[i-56]), time.Second-time.Millisecond)
			}
		}
	})
}

func TestConcurrencyOfATypeHoldsAndOthersGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		var g gauge
		b.r.Handle(Policy{Type: "slow", Queue: "q", Aliases: []string{"old"}, Concurrency: 2}, g.handler(10*time.Second))
		b.r.Handle(Policy{Type: "job", Queue: "q"}, g.handler(time.Second))
		b.putMany(5, "slow", "q")
		b.putMany(20, "job", "q")
		p := b.pool(Config{Workers: 6})
		b.start(p)
		pass(9 * time.Second)
		assert.Len(t, b.q().completed(), 20, "the free workers do what may be done")
		pass(30 * time.Second)
		assert.Len(t, b.q().completed(), 25)
		assert.Equal(t, 2, g.most["slow"])
		assert.LessOrEqual(t, g.most["job"], 4+1)
		b.stop(p)
		assert.Zero(t, b.stats("q").Leased)
	})
}

func TestTypeAndItsAliasesShareOneLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		var g gauge
		h := g.handler(time.Second)
		b.r.Handle(Policy{Type: "new", Aliases: []string{"old"}, Queue: "q", Concurrency: 1}, HandlerFunc(func(ctx context.Context, task *driver.Task) error {
			same := *task
			same.Type = "any"
			return h(ctx, &same)
		}))
		b.putMany(2, "new", "q")
		b.putMany(2, "old", "q")
		p := b.pool(Config{})
		b.start(p)
		pass(3500 * time.Millisecond)
		assert.Len(t, b.q().completed(), 3)
		pass(time.Second)
		b.stop(p)
		assert.Equal(t, 1, g.most["any"])
		assert.Len(t, b.q().completed(), 4)
	})
}

func TestQueueAllOfWhoseTypesAreAtTheirLimitIsNotFetchedFrom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		var g gauge
		b.r.Handle(Policy{Type: "a", Queue: "q", Concurrency: 1}, g.handler(time.Minute))
		b.r.Handle(Policy{Type: "b", Queue: "q", Rate: Rate{1, time.Hour}}, g.handler(0))
		b.putTask(&driver.Task{ID: "b", Type: "b"})
		b.putMany(10, "a", "q")
		p := b.pool(Config{})
		b.start(p)
		pass(30 * time.Second)
		assert.Equal(t, []string{"b"}, b.q().completed())
		assert.LessOrEqual(t, b.stats("q").Leased, int64(2))
		pass(31 * time.Second)
		assert.Len(t, b.q().completed(), 2)
		b.stop(p)
		assert.Zero(t, b.stats("q").Leased)
	})
}

func TestRateOfATypeHoldsWhileOthersGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		var limited, free gauge
		b.r.Handle(Policy{Type: "api", Queue: "q", Rate: Rate{60, time.Minute}}, limited.handler(0))
		b.r.Handle(Policy{Type: "job", Queue: "q"}, free.handler(0))
		b.putMany(10, "api", "q")
		b.putMany(10, "job", "q")
		p := b.pool(Config{})
		b.start(p)
		pass(2500 * time.Millisecond)
		assert.Equal(t, 10, free.count())
		assert.Equal(t, 6+2, limited.count(), "a tenth at once, then one a second")
		pass(2 * time.Second)
		assert.Equal(t, 10, limited.count())
		b.stop(p)
	})
}

func TestTasksOfASaturatedTypeBeyondWhatIsKeptGoBackUncharged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		var g gauge
		b.r.Handle(Policy{Type: "slow", Queue: "q", Concurrency: 1}, g.handler(time.Hour))
		b.r.Handle(Policy{Type: "job", Queue: "q"}, g.handler(0))
		b.putMany(100, "slow", "q")
		b.putMany(1, "job", "q")
		p := b.pool(Config{Workers: 4})
		b.start(p)
		pass(5 * time.Second)
		assert.Equal(t, []string{"q-job-0"}, b.q().completed(), "the type behind them gets its turn")
		assert.LessOrEqual(t, b.stats("q").Leased, int64(1+16+4))
		assert.Less(t, b.q().calls("dequeue"), 5*25, "without a hot loop")
		for _, f := range b.q().waiting {
			assert.Zero(t, f.task.RetryCount)
		}
		require.ErrorContains(t, p.Stop(ended(t)), "handlers still running (1): q-slow-0 (slow on q)")
		b.stop(p)
		assert.Zero(t, b.stats("q").Leased)
	})
}

func TestTaskThatIsKeptLongForItsTypesLimitGoesBackForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		var g gauge
		b.r.Handle(Policy{Type: "slow", Queue: "q", Concurrency: 1}, g.handler(5*time.Minute))
		b.r.Handle(Policy{Type: "job", Queue: "q"}, g.handler(0))
		b.putMany(2, "slow", "q")
		p := b.pool(Config{})
		b.start(p)
		pass(time.Second)
		assert.Equal(t, driver.Stats{Leased: 2}, b.stats("q"))
		pass(time.Minute)
		assert.Equal(t, 1, b.q().calls("release q-slow-1"), "once in a while, not in a loop")
		pass(10 * time.Minute)
		b.stop(p)
		assert.Len(t, b.q().completed(), 2)
		assert.Equal(t, 1, g.most["slow"])
	})
}

// ended is a context that has ended.
func ended(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

func TestStrictPoolServesTheFirstQueueFirst(t *testing.T) {
	for _, trip := range []time.Duration{0, 5 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			b := newPoolBench(t, driver.QueueConfig{Name: "low"}, driver.QueueConfig{Name: "high"})
			b.queues["high"].trip, b.queues["low"].trip = trip, trip/5
			var order sheet[string]
			b.handle(func(_ context.Context, task *driver.Task) error {
				order.add(task.Queue)
				time.Sleep(50 * time.Millisecond)
				return nil
			})
			b.putMany(20, "job", "low")
			b.putMany(20, "job", "high")
			p := b.pool(Config{Workers: 2, Strict: true, Queues: []Share{{Name: "high"}, {Name: "low"}}})
			b.start(p)
			pass(10 * time.Second)
			b.stop(p)
			var want []string
			for i := range 40 {
				want = append(want, []string{"high", "low"}[i/20])
			}
			assert.Equal(t, want, order.all())
		})
	}
}

func TestStrictPoolDoesNotWaitForAnEmptyQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t, driver.QueueConfig{Name: "low"}, driver.QueueConfig{Name: "high"})
		var g gauge
		b.handle(g.handler(time.Millisecond))
		b.putMany(100, "job", "low")
		p := b.pool(Config{Workers: 1, Strict: true, Queues: []Share{{Name: "high"}, {Name: "low"}}})
		b.start(p)
		pass(120 * time.Millisecond) // a millisecond each
		assert.Len(t, b.queues["low"].completed(), 100)
		b.stop(p)
	})
}

func TestQueuesShareTheWorkersByWeight(t *testing.T) {
	for _, took := range []time.Duration{time.Millisecond, time.Second} {
		synctest.Test(t, func(t *testing.T) {
			b := newPoolBench(t, driver.QueueConfig{Name: "a"}, driver.QueueConfig{Name: "b"}, driver.QueueConfig{Name: "c"})
			for _, q := range b.queues {
				q.trip = time.Millisecond
			}
			started := map[string]int{}
			var mu sync.Mutex
			b.handle(func(_ context.Context, task *driver.Task) error {
				mu.Lock()
				started[task.Queue]++
				mu.Unlock()
				time.Sleep(took)
				return nil
			})
			for name := range b.queues {
				b.putMany(600, "job", name)
			}
			p := b.pool(Config{Workers: 2, Queues: []Share{{Name: "a", Weight: 6}, {Name: "b", Weight: 3}, {Name: "c"}}})
			b.start(p)
			pass(200 * took)
			mu.Lock()
			total := float64(started["a"] + started["b"] + started["c"])
			assert.InDelta(t, 0.6, float64(started["a"])/total, 0.06, "%s: %v", took, started)
			assert.InDelta(t, 0.3, float64(started["b"])/total, 0.06, "%s: %v", took, started)
			mu.Unlock()
			b.stop(p)
		})
	}
}

func TestABacklogOverItsTypesLimitIsLookedAtSeldom(t *testing.T) {
	for name, policy := range map[string]Policy{
		"rate":        {Type: "sms", Queue: "q", Rate: Rate{Limit: 1, Per: time.Second}},
		"concurrency": {Type: "sms", Queue: "q", Concurrency: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newPoolBench(t)
				var sms atomic.Int32
				b.r.Handle(policy, HandlerFunc(func(context.Context, *driver.Task) error {
					sms.Add(1)
					time.Sleep(time.Second)
					return nil
				}))
				b.r.Handle(Policy{Type: "mail", Queue: "q"}, HandlerFunc(func(context.Context, *driver.Task) error { return nil }))
				b.putMany(300, "sms", "q")
				p := b.pool(Config{})
				b.start(p)
				pass(60 * time.Second)
				assert.InDelta(t, 60, sms.Load(), 3, "the limit is used all the same")
				assert.Less(t, b.q().calls("dequeue"), 200)
				assert.Less(t, b.q().calls("release"), 200)
				b.putMany(1, "mail", "q")
				pass(maxOverflowRest + time.Second)
				assert.Contains(t, b.q().completed(), "q-mail-0", "what comes behind them does not wait for long")
				pass(5 * time.Minute)
				assert.Len(t, b.q().completed(), 301)
				b.stop(p)
			})
		})
	}
}

func TestTasksOverTheLimitWaitForAsLongAsItNeeds(t *testing.T) {
	now := time.Now()
	g := newLimiter(0, Rate{Limit: 1, Per: 2 * time.Second})
	assert.Equal(t, 10*time.Second, g.putOffLocked(now, 4, 0), "behind the four at hand")
	assert.Equal(t, 12*time.Second, g.putOffLocked(now, 4, 0), "and behind the one before")
	for range 100 {
		assert.LessOrEqual(t, g.putOffLocked(now, 4, 0), maxOverflowDelay)
	}
	assert.Equal(t, maxOverflowDelay, newLimiter(0, Rate{Limit: 1, Per: 1 << 62}).putOffLocked(now, 16, 0))
	assert.Equal(t, overflowDelay, newLimiter(4, Rate{}).putOffLocked(now, 16, time.Millisecond), "never sooner than that")
	assert.Equal(t, 5*time.Second, newLimiter(4, Rate{}).putOffLocked(now, 16, time.Second+176*time.Millisecond+471*time.Microsecond).Round(time.Millisecond))
}
