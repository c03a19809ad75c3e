package pool

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// counts is a middleware that counts what it sees.
func counts(n *atomic.Int64) Middleware {
	return func(next Handler) Handler {
		return HandlerFunc(func(ctx context.Context, t *driver.Task) error {
			n.Add(1)
			return next.Handle(ctx, t)
		})
	}
}

func TestWhatIsRegisteredWhileAPoolRunsIsAnError(t *testing.T) {
	other := HandlerFunc(noop)
	for name, c := range map[string]struct {
		change func(*Router)
		says   string
	}{
		"middleware": {func(r *Router) { r.Use(counts(new(atomic.Int64))) }, "middleware came after a pool was started"},
		"a handler":  {func(r *Router) { r.Handle(Policy{Type: "other", Queue: "q"}, other) }, `the handler of "other" came after a pool was started`},
		"a hook":     {func(r *Router) { r.OnDead("job", func(context.Context, *driver.Task, error) error { return nil }) }, `the hook for dead tasks of type "job" came after a pool was started`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newPoolBench(t)
				b.handle(noop)
				p := b.pool(Config{})
				require.NoError(t, b.r.Err())
				b.start(p)
				c.change(b.r)

				require.ErrorContains(t, b.r.Err(), c.says)
				assert.Equal(t, 1, b.log.count("ERROR the router was changed after a pool was started with it error=taskgen: "+c.says), "a pool that runs cannot return it")
				b.put("a")
				synctest.Wait()
				assert.Equal(t, []string{"a"}, b.q().completed(), "what runs goes on as it was")
				b.stop(p)
				b.start(p)
				b.stop(p)
			})
		})
	}
}

func TestAPoolHasWhatWasRegisteredBeforeItsStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		b.handle(noop)
		p := b.pool(Config{})
		drains := func(want int) {
			t.Helper()
			runs, err := p.Drain(t.Context())
			require.NoError(t, err)
			assert.Equal(t, want, runs)
		}
		var seen atomic.Int64
		b.r.Use(counts(&seen))
		b.r.Handle(Policy{Type: "other", Queue: "q"}, HandlerFunc(noop))
		require.NoError(t, b.r.Err())
		b.put("a")
		b.putTask(&driver.Task{ID: "b", Type: "other"})
		drains(2)
		assert.EqualValues(t, 2, seen.Load())

		var dead []string
		b.r.OnDead("bounded", func(_ context.Context, t *driver.Task, _ error) error {
			dead = append(dead, t.ID)
			return nil
		})
		b.r.Use(counts(&seen))
		b.r.Handle(Policy{Type: "bounded", Queue: "q", Concurrency: 1}, HandlerFunc(func(context.Context, *driver.Task) error { return Skip(nil) }))
		b.put("c")
		b.putTask(&driver.Task{ID: "d", Type: "bounded"})
		drains(2)
		assert.EqualValues(t, 2+2*2, seen.Load(), "both middlewares, once each")
		assert.Equal(t, []string{"d"}, dead)
		assert.Len(t, b.q().completed(), 3)
	})
}

func TestWhatIsWrongWithARouterKeepsItsPoolFromStarting(t *testing.T) {
	b := newPoolBench(t)
	b.handle(noop)
	p := b.pool(Config{})
	b.r.Use(nil)
	require.ErrorContains(t, p.Start(t.Context()), "a middleware is nil")
	_, err := p.Drain(t.Context())
	require.ErrorContains(t, err, "a middleware is nil")
	b = newPoolBench(t)
	b.handle(noop)
	p = b.pool(Config{})
	b.r.Handle(Policy{Type: "asked", Queue: "q", Result: true}, HandlerFunc(noop))
	require.ErrorContains(t, p.Run(t.Context()), "give the pool a PoolConfig.Results")
}

func TestPoolHasWhatWasRegisteredBeforeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		b.handle(noop)
		b.pool(Config{})
		var seen atomic.Int64
		b.r.Use(counts(&seen))
		b.r.Handle(Policy{Type: "other", Queue: "q"}, HandlerFunc(noop))
		later := b.pool(Config{})
		b.put("a")
		b.putTask(&driver.Task{ID: "b", Type: "other"})
		runs, err := later.Drain(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 2, runs)
		assert.EqualValues(t, 2, seen.Load())
		assert.Len(t, b.q().completed(), 2)
	})
}

func TestRouterThatANewPoolRefusedMayBeMended(t *testing.T) {
	b := newPoolBench(t)
	_, err := newPool(b.m, b.r, Config{})
	require.ErrorContains(t, err, "the router has no handlers")
	b.handle(noop)
	_, err = newPool(b.m, b.r, Config{Workers: -1})
	require.Error(t, err)
	b.r.Use(counts(new(atomic.Int64)))
	b.r.Use()
	require.NoError(t, b.r.Err(), "there is no pool")
	b.pool(Config{})
	b.r.Use()
	require.NoError(t, b.r.Err(), "no middleware is no change")
}

func TestNilMiddlewareIsAMistake(t *testing.T) {
	b := newPoolBench(t)
	b.handle(noop)
	b.r.Use(nil)
	_, err := newPool(b.m, b.r, Config{})
	require.ErrorContains(t, err, "a middleware is nil")
}

func TestRouterIsSafeBesidePools(t *testing.T) {
	b := newPoolBench(t)
	b.handle(noop)
	p := b.pool(Config{})
	b.start(p)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			b.r.Use(counts(new(atomic.Int64)))
			b.r.Handle(Policy{Type: "other"}, HandlerFunc(noop))
			b.r.OnDead("job", func(context.Context, *driver.Task, error) error { return nil })
			_, _, _ = b.r.Types(), b.r.Err(), p.Start(t.Context())
			_, _ = b.r.Policy("job")
			_, _ = newPool(b.m, b.r, Config{Logger: slog.New(b.log)})
			b.put("a")
		})
	}
	wg.Wait()
	b.stop(p)
}

func TestNewPoolNamesEveryDeclaredTypeWithoutAHandler(t *testing.T) {
	b := newPoolBench(t,
		driver.QueueConfig{Name: "q", Types: []string{"job", "welcome", "bye"}},
		driver.QueueConfig{Name: "r", Types: []string{"report"}},
		driver.QueueConfig{Name: "by hand"})
	_, err := newPool(b.m, b.r, Config{})
	require.ErrorIs(t, err, driver.ErrUnknownType)
	require.ErrorContains(t, err, `no handler for "job" of queue "q", "welcome" of queue "q", "bye" of queue "q", "report" of queue "r": register them (RegisterHandlers`)
	require.ErrorContains(t, err, "or list in PoolConfig.Types")

	b.handle(noop)
	b.r.Handle(Policy{Type: "greeting", Aliases: []string{"welcome"}}, HandlerFunc(noop))
	_, err = newPool(b.m, b.r, Config{})
	require.ErrorContains(t, err, `no handler for "bye" of queue "q", "report" of queue "r": register`)
	_, err = newPool(b.m, b.r, Config{Queues: []Share{{Name: "q"}}})
	require.ErrorContains(t, err, `no handler for "bye" of queue "q": register`, "other queues are other pools' to care for")
	_, err = newPool(b.m, b.r, Config{Queues: []Share{{Name: "by hand"}}})
	require.NoError(t, err, "nobody knows its types")

	some := b.pool(Config{Types: []string{"job", "welcome"}}) // a pool may be for some types only
	b.start(some)
	b.stop(some)
	assert.Equal(t, 1, b.log.count(`WARN the pool has no handler for types that its queues declare: it hands tasks of these on to other workers`))
	assert.Equal(t, 1, b.log.count(`types=["bye" of queue "q" "report" of queue "r"]`), "%q", b.log.lines)
	_, err = newPool(b.m, b.r, Config{Types: []string{"job", "nope"}})
	require.ErrorIs(t, err, driver.ErrUnknownType)
	require.ErrorContains(t, err, `no handler for "nope" (of PoolConfig.Types)`)
	_, err = newPool(b.m, NewRouter(), Config{Queues: []Share{{Name: "by hand"}}})
	require.ErrorContains(t, err, "the router has no handlers")
}

func TestTypesThatAreDeclaredAfterNewPoolKeepItFromStarting(t *testing.T) {
	b := newPoolBench(t)
	b.handle(noop)
	p := b.pool(Config{})
	b.m.types["q"] = []string{"welcome"} // as another package's Queues does
	require.ErrorIs(t, p.Start(t.Context()), driver.ErrUnknownType)
	require.ErrorContains(t, p.Start(t.Context()), `no handler for "welcome" of queue "q"`)
}
