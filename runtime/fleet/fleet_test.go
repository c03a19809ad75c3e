package fleet_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/fleet"
	"github.com/taskgen/taskgen/runtime/fleet/fleetstore"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/observe"
)

// pass lets time go by, and all happen that is due by then.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// beat passes time until the worker has been heard of again.
func beat() { pass(fleet.Interval) }

func TestAPoolIsListedWhileItWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		p := start(t, memory.NewFleet(), fleet.Config{}, runtime.PoolConfig{Name: "mailer", Workers: 7})
		synctest.Wait()
		w := p.one()
		host, _ := os.Hostname()
		assert.NotEmpty(t, w.ID)
		assert.NotEmpty(t, w.Build.Go)
		assert.Equal(t, &fleet.Worker{
			ID: w.ID, Name: "mailer", Host: host, PID: os.Getpid(), Build: w.Build, StartedAt: began.UTC().Round(0), HeartbeatAt: w.HeartbeatAt,
			Queues: []fleet.Queue{{Name: "q", Provider: "memory"}}, Types: []string{"mail"}, Slots: 7,
		}, w)
		beat()
		assert.Equal(t, fleet.Interval, p.one().HeartbeatAt.Sub(w.HeartbeatAt))
		assert.Equal(t, w.ID, p.one().ID)

		require.NoError(t, p.pool.Stop(t.Context()))
		all, err := p.fleet.List(t.Context())
		require.NoError(t, err)
		assert.Empty(t, all, "a pool that has stopped has left")
		require.NoError(t, p.pool.Start(t.Context()))
		synctest.Wait()
		assert.NotEqual(t, w.ID, p.one().ID, "it is another worker when it starts again")
	})
}

func TestAWorkerSaysWhatItRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := start(t, memory.NewFleet(), fleet.Config{}, runtime.PoolConfig{Workers: 3})
		p.enqueue("a")
		pass(time.Second)
		p.enqueue("b")
		began := time.Now()
		beat()
		w := p.one()
		assert.Equal(t, 2, w.Busy)
		require.Equal(t, []string{"a", "b"}, p.runs(), "the longest running first")
		assert.Equal(t, fleet.Run{TaskID: "b", Type: "mail", Queue: "q", Attempt: 1, Since: began.UTC().Round(0)}, w.Running[1])
		p.release <- struct{}{}
		p.release <- struct{}{}
		beat()
		assert.Zero(t, p.one().Busy)
		assert.Empty(t, p.one().Running)
	})
}

func TestAWorkerNamesTheLongestRunningOfMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := start(t, memory.NewFleet(), fleet.Config{}, runtime.PoolConfig{Workers: 150})
		for i := range 120 {
			p.enqueue(fmt.Sprintf("t%03d", i))
			pass(time.Millisecond)
		}
		beat()
		assert.Equal(t, 120, p.one().Busy)
		require.Len(t, p.runs(), 100)
		assert.Equal(t, "t000", p.runs()[0])
		ids, err := p.fleet.Cancel(t.Context(), "t119")
		require.NoError(t, err, "a worker that does not name all it runs may run it")
		assert.Equal(t, []string{p.one().ID}, ids)
		beat() // it is told
		beat()
		assert.Equal(t, 119, p.one().Busy)
	})
}

func TestAWorkerIsQuietUntilItIsResumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := start(t, memory.NewFleet(), fleet.Config{Logger: slog.New(slog.DiscardHandler)}, runtime.PoolConfig{})
		synctest.Wait()
		id := p.one().ID
		require.NoError(t, p.fleet.Quiet(t.Context(), id))
		beat()
		assert.True(t, p.one().Quiet, "as soon as it is so")
		p.enqueue("a")
		pass(10 * fleet.Interval)
		assert.Empty(t, p.runs())
		require.NoError(t, p.pool.Stop(t.Context()))
		require.NoError(t, p.pool.Start(t.Context()))
		beat()
		assert.True(t, p.one().Quiet, "it is quiet when it is started again")
		assert.Empty(t, p.runs())
		require.NoError(t, p.fleet.Resume(t.Context(), p.one().ID))
		beat()
		assert.False(t, p.one().Quiet)
		beat()
		assert.Equal(t, []string{"a"}, p.runs())
		require.ErrorIs(t, p.fleet.Quiet(t.Context(), "nobody"), fleet.ErrWorkerNotFound)
	})
}

func TestACancelledTaskStaysCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := start(t, memory.NewFleet(), fleet.Config{Logger: slog.New(slog.DiscardHandler)}, runtime.PoolConfig{})
		p.enqueue("a", "b")
		_, err := p.fleet.Cancel(t.Context(), "a")
		require.ErrorIs(t, err, fleet.ErrNotRunning, "the worker has not said yet that it runs it")
		beat()
		ids, err := p.fleet.Cancel(t.Context(), "a")
		require.NoError(t, err)
		assert.Equal(t, []string{p.one().ID}, ids)
		beat()
		beat()
		assert.Equal(t, []string{"b"}, p.runs())
		pass(10 * time.Minute)
		require.Len(t, p.causes, 1, "it is not run again")
		require.ErrorIs(t, p.causes[0], driver.ErrCancelled)
		q, err := p.m.Queue("q")
		require.NoError(t, err)
		stats, err := q.Stats(t.Context())
		require.NoError(t, err)
		assert.Equal(t, driver.Stats{Leased: 1}, stats, "it is off its queue, and not dead")
		_, err = p.fleet.Cancel(t.Context(), "a")
		require.ErrorIs(t, err, fleet.ErrNotRunning)
	})
}

func TestAStoreThatIsAwayDisturbsNoPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		store := &failing{Store: memory.NewFleet(), err: errAway}
		p := start(t, store, fleet.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}, runtime.PoolConfig{})
		p.enqueue("a")
		pass(time.Minute)
		p.release <- struct{}{} // it runs
		synctest.Wait()
		assert.Equal(t, 1, strings.Count(log.String(), "\n"), "one line for all of it: %s", &log)
		assert.Contains(t, log.String(), errAway.Error())
		_, err := p.fleet.List(t.Context())
		require.ErrorIs(t, err, errAway)
		_, err = p.fleet.Types(t.Context())
		require.ErrorIs(t, err, errAway)
		_, err = p.fleet.Cancel(t.Context(), "a")
		require.ErrorIs(t, err, errAway)
		store.set(nil)
		beat()
		p.one()
		types, err := p.fleet.Types(t.Context())
		require.NoError(t, err)
		assert.Len(t, types, 1, "what could not be told at the start is told")
		assert.Equal(t, 2, strings.Count(log.String(), "\n"), "%s", &log)
		store.set(errAway)
		pass(time.Minute)
		assert.Equal(t, 3, strings.Count(log.String(), "\n"), "each time that it goes away: %s", &log)
		store.set(nil)
		beat()
	})
}

func TestAPoolStopsThoughTheStoreHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &failing{Store: memory.NewFleet(), hang: true}
		p := start(t, store, fleet.Config{}, runtime.PoolConfig{Logger: slog.New(slog.DiscardHandler)})
		pass(time.Second)
		began := time.Now()
		require.NoError(t, p.pool.Stop(t.Context()))
		assert.Equal(t, time.Second, time.Since(began))
	})
}

// orders count what a pool is told.
type orders struct{ quiet, resume, cancel int }

func (o *orders) Quiet()             { o.quiet++ }
func (o *orders) Resume()            { o.resume++ }
func (o *orders) IsQuiet() bool      { return o.quiet > o.resume }
func (o *orders) Cancel(string) bool { o.cancel++; return true }

// The report that an order is carried out is lost, twice.
func TestAnOrderIsCarriedOutOnceThoughAHeartbeatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &failing{Store: memory.NewFleet(), refuseDone: 2}
		f := fleet.New(store, fleet.Config{Logger: slog.New(slog.DiscardHandler)})
		l, told := f.Listener(), new(orders)
		p := &observe.Pool{Name: "a", Orders: told}
		l.PoolStarted(p)
		synctest.Wait()
		all, err := f.List(t.Context())
		require.NoError(t, err)
		id := all[0].ID
		require.NoError(t, f.Quiet(t.Context(), id))
		beat()
		require.NoError(t, f.Resume(t.Context(), id))
		beat()
		beat()
		beat()
		assert.Equal(t, orders{quiet: 1, resume: 1}, *told)
		left, err := store.Store.Heartbeat(t.Context(), all[0], 0, time.Minute)
		require.NoError(t, err)
		assert.Empty(t, left)
		l.PoolStopped(p)
	})
}

func TestAnOrderExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &failing{Store: memory.NewFleet()}
		p := start(t, store, fleet.Config{Logger: slog.New(slog.DiscardHandler)}, runtime.PoolConfig{})
		synctest.Wait()
		require.NoError(t, p.fleet.Quiet(t.Context(), p.one().ID))
		store.set(errAway)
		pass(fleet.OrderTTL)
		store.set(nil)
		beat()
		assert.False(t, p.one().Quiet)
	})
}

func TestAnUnknownOrderIsPassedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		p := start(t, memory.NewFleet(), fleet.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}, runtime.PoolConfig{})
		synctest.Wait()
		id := p.one().ID
		require.NoError(t, p.store.Send(t.Context(), &fleetstore.Order{Worker: id, Kind: "dance"}, time.Minute))
		require.NoError(t, p.fleet.Quiet(t.Context(), id))
		beat()
		assert.True(t, p.one().Quiet)
		assert.Contains(t, log.String(), "order=dance")
	})
}

func TestTypesAreDescribedAtTheStartAndNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &failing{Store: memory.NewFleet()}
		p := start(t, store, fleet.Config{}, runtime.PoolConfig{})
		synctest.Wait()
		types, err := p.fleet.Types(t.Context())
		require.NoError(t, err)
		assert.Equal(t, fleet.Types{{
			Name: "mail", Queue: "q", Schema: mail.Schema, Shape: "0123456789ab", Secrets: mail.Secrets, Timeout: mail.Timeout, MaxRetries: 3,
			Template: &fleet.Template{Version: 1, Payload: mail.Policy().Template.Payload},
		}}, types)
		pass(11 * time.Hour)
		assert.Equal(t, 1, store.puts)
		pass(8 * 24 * time.Hour)
		assert.InDelta(t, 17, store.puts, 2)
		types, err = p.fleet.Types(t.Context())
		require.NoError(t, err)
		assert.Len(t, types, 1)
		require.NoError(t, p.pool.Stop(t.Context()))
		pass(6 * 24 * time.Hour)
		types, err = p.fleet.Types(t.Context())
		require.NoError(t, err)
		assert.Len(t, types, 1, "they are known while nobody works")
		pass(2 * 24 * time.Hour)
		types, err = p.fleet.Types(t.Context())
		require.NoError(t, err)
		assert.Empty(t, types)
	})
}

// A pool of package observe, whose listener a test calls itself.
func joins(l *observe.Listener, name string, queues []*observe.Queue, types ...observe.Type) *observe.Pool {
	p := &observe.Pool{Name: name, Queues: queues, Types: types, Orders: new(orders)}
	l.PoolStarted(p)
	return p
}

func TestASchemaThatIsTooLargeIsLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		f := fleet.New(memory.NewFleet(), fleet.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		l := f.Listener()
		p := joins(l, "a", nil, observe.Type{Name: "large", Schema: strings.Repeat("x", fleetstore.MaxTypeSize), Secrets: []string{"/pin"}}, observe.Type{Name: "small", Schema: "{}"})
		synctest.Wait()
		types, err := f.Types(t.Context())
		require.NoError(t, err)
		assert.Equal(t, fleet.Types{{Name: "large", Secrets: []string{"/pin"}}, {Name: "small", Schema: "{}"}}, types)
		assert.Contains(t, log.String(), "large")
		l.PoolStopped(p)
	})
}

func TestARunIsThatOfItsPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fleet.New(memory.NewFleet(), fleet.Config{})
		l := f.Listener()
		q, r := &observe.Queue{Name: "q"}, &observe.Queue{Name: "r"}
		pools := []*observe.Pool{joins(l, "a", []*observe.Queue{q}), joins(l, "a", []*observe.Queue{r, q}), joins(l, "b", []*observe.Queue{q, r})}
		other := &observe.Pool{Name: "a"} // of a manager without the listener
		for i, run := range []*observe.Run{{Queue: q, Pool: pools[0]}, {Queue: q, Pool: pools[1]}, {Queue: q, Pool: pools[2]}, {Queue: r, Pool: pools[2]}, {Queue: r, Pool: other}} {
			run.Task = &driver.Task{ID: fmt.Sprint(i)}
			assert.Equal(t, t.Context(), l.RunStart(t.Context(), run))
		}
		beat()
		all, err := f.List(t.Context())
		require.NoError(t, err)
		var runs []string
		for _, w := range all {
			for _, run := range w.Running {
				runs = append(runs, w.Name+" "+w.Queues[0].Name+": "+run.TaskID)
			}
		}
		assert.ElementsMatch(t, []string{"a q: 0", "a r: 1", "b q: 2", "b q: 3"}, runs)
		l.RunEnd(t.Context(), &observe.Run{Queue: r, Pool: other, Task: &driver.Task{ID: "4"}})
		for _, p := range pools {
			l.PoolStopped(p)
		}
		l.PoolStopped(pools[0]) // again: nothing happens
	})
}

func TestListIsInTheOrderOfNames(t *testing.T) {
	store := memory.NewFleet()
	for _, w := range []fleet.Worker{{ID: "1", Name: "b"}, {ID: "3", Name: "a"}, {ID: "2", Name: "a"}} {
		_, err := store.Heartbeat(t.Context(), &w, 0, time.Minute)
		require.NoError(t, err)
	}
	all, err := fleet.New(store, fleet.Config{}).List(t.Context())
	require.NoError(t, err)
	var ids []string
	for _, w := range all {
		ids = append(ids, w.ID)
	}
	assert.Equal(t, []string{"2", "3", "1"}, ids)
}

// A recording store keeps all that it is given.
type recording struct {
	fleet.Store
	text bytes.Buffer
}

func (s *recording) Heartbeat(ctx context.Context, w *fleet.Worker, done int64, ttl time.Duration) ([]fleetstore.Order, error) {
	data, err := w.Encode()
	if err != nil {
		return nil, err
	}
	s.text.Write(data)
	return s.Store.Heartbeat(ctx, w, done, ttl)
}

func TestNoPayloadReachesTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &recording{Store: memory.NewFleet()}
		p := start(t, store, fleet.Config{Logger: slog.New(slog.DiscardHandler)}, runtime.PoolConfig{})
		p.enqueue("a", "b")
		beat()
		p.release <- struct{}{}
		beat()
		assert.Contains(t, store.text.String(), `"task_id":"a"`)
		assert.NotContains(t, store.text.String(), canary)
	})
}
