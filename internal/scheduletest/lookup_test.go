package scheduletest

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/schedule"
	"github.com/taskgen/taskgen/runtime/tasktest"
)

// blind is a provider of queues that cannot look for tasks.
type blind struct{ *memory.Provider }

func (p blind) Open(ctx context.Context, cfg runtime.QueueConfig) (driver.Queue, error) {
	q, err := p.Provider.Open(ctx, cfg)
	return struct{ driver.Queue }{q}, err
}

// An office is a manager with a job that fires, and its workers.
type office struct {
	*testing.T
	clock *tasktest.Clock
	m     *runtime.Manager
	s     *schedule.Service
	pool  *runtime.Pool
}

func newOffice(t *testing.T, open func(*memory.Provider) runtime.Provider, handle runtime.HandlerFunc) *office {
	o := &office{T: t, clock: tasktest.NewClock(noon)}
	o.m = runtime.NewManager(runtime.ManagerConfig{Clock: o.clock})
	p := memory.New(memory.WithClock(o.clock))
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	require.NoError(t, o.m.Open(ctx, open(p), runtime.QueueConfig{Name: "reports"}))
	store := memory.NewJobs(memory.WithClock(o.clock))
	o.s = schedule.New(store, o.m, schedule.Config{})
	r := runtime.NewRouter()
	r.Use(schedule.Track(store, "worker-1", silent))
	r.Handle(runtime.Policy{Type: "report", Queue: "reports"}, handle)
	var err error
	o.pool, err = runtime.NewPool(o.m, r, runtime.PoolConfig{Workers: 1, Logger: silent})
	require.NoError(t, err)
	return o
}

// fired has a job fire, and returns the ID of its task.
func (o *office) fired() string {
	o.Helper()
	id, err := o.s.Schedule(ctx, schedule.Job{When: schedule.In(time.Minute), Task: task()})
	require.NoError(o, err)
	o.clock.Advance(time.Minute)
	n, err := o.s.FireDue(ctx)
	require.NoError(o, err)
	require.Equal(o, 1, n)
	st, err := o.s.Status(ctx, id)
	require.NoError(o, err)
	return st.Last.TaskID
}

func (o *office) work() {
	o.Helper()
	_, err := o.pool.Drain(ctx)
	require.NoError(o, err)
}

func (o *office) is(id string, want driver.State) runtime.TaskStatus {
	o.Helper()
	s, err := o.m.Lookup(ctx, id)
	require.NoError(o, err)
	require.Equal(o, want, s.State, "%v", s)
	require.Equal(o, "report", s.Type)
	require.Equal(o, "reports", s.Queue)
	return s
}

func TestATaskOfAJobIsLookedUp(t *testing.T) {
	for name, open := range map[string]func(*memory.Provider) runtime.Provider{
		"on a queue that can look":    func(p *memory.Provider) runtime.Provider { return p },
		"on a queue that cannot look": func(p *memory.Provider) runtime.Provider { return blind{p} },
	} {
		t.Run(name, func(t *testing.T) {
			var o *office
			var id string
			runs := 0
			o = newOffice(t, open, func(ctx context.Context, _ *runtime.Task) error {
				want := int64(0) // in the second run: what the first has told is of that
				if runs++; runs != 2 {
					want = 3
					runtime.Progress(ctx, want, 10, "pages")
				}
				assert.Eventually(t, func() bool { // notes are written behind the handler
					s, err := o.m.Lookup(ctx, id)
					return err == nil && s.State == driver.Leased && s.Attempts == runs && s.Progress.Done == want
				}, time.Minute, time.Millisecond)
				if runs < 3 {
					return runtime.RetryAfter(time.Minute, errKilled)
				}
				return nil
			})
			id = o.fired()
			assert.Zero(t, o.is(id, driver.Ready).Progress)
			for range 2 {
				o.work()
				s := o.is(id, driver.Scheduled)
				assert.Equal(t, runs, s.Attempts)
				assert.Equal(t, "killed", s.Failure)
				assert.Zero(t, s.Progress)
				o.clock.Advance(time.Minute)
			}
			o.work()
			o.is(id, driver.Done)
			_, err := o.m.Lookup(ctx, "nobody")
			require.ErrorIs(t, err, runtime.ErrTaskNotFound)
			if name == "on a queue that cannot look" {
				assert.ErrorContains(t, err, `queues ["reports"] cannot look for it`)
			}
		})
	}
}

func TestWhatALookupTellsOfIsNotItsResult(t *testing.T) {
	s := runtime.TaskStatus{ID: "a", State: driver.Done, Result: []byte("hunter2")}
	var out syncBuffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x"} {
		_, _ = fmt.Fprintf(&out, verb+verb+"\n", s, &s)
	}
	slog.New(slog.NewJSONHandler(&out, nil)).Info("a", "v", s, "all", []any{s})
	assert.NotContains(t, out.String(), "hunter2")
	assert.NotContains(t, out.String(), "104 117")
	assert.Contains(t, out.String(), "result_bytes: 7")
}
