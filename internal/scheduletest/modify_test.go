package scheduletest

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/internal/testserver"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/schedule"
)

// A bench is a service over a store and queues of one provider.
type bench struct {
	*testing.T
	*schedule.Service
	provider runtime.Provider
	store    schedule.Store
	m        *runtime.Manager
	pool     *runtime.Pool
	fail     bool // what the handler does
}

// onStores runs a test on each store of jobs.
func onStores(t *testing.T, test func(b *bench)) {
	t.Run("memory", func(t *testing.T) { test(newBench(t, memory.New(), memory.NewJobs())) })
	onPlace := func(t *testing.T, addr string) {
		p, err := openPlace(addr)
		require.NoError(t, err)
		test(newBench(t, p, p.Jobs()))
	}
	t.Run("sqlite", func(t *testing.T) { onPlace(t, t.TempDir()+"/tasks.db") })
	t.Run("redis", func(t *testing.T) {
		s, err := testserver.Redis()
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Stop()) })
		onPlace(t, s.URL)
	})
}

func newBench(t *testing.T, p runtime.Provider, store schedule.Store) *bench {
	m := runtime.NewManager(runtime.ManagerConfig{})
	require.NoError(t, m.Open(ctx, p, runtime.QueueConfig{Name: "fast"}, runtime.QueueConfig{Name: "slow"}))
	t.Cleanup(func() { require.NoError(t, errors.Join(m.Close(), p.Close())) })
	b := &bench{T: t, provider: p, Service: schedule.New(store, m, schedule.Config{}), store: store, m: m}
	r := runtime.NewRouter()
	r.Use(schedule.Track(store, "worker", nil))
	r.Handle(runtime.Policy{Type: "report", Queue: "fast"}, runtime.HandlerFunc(func(context.Context, *runtime.Task) error {
		if b.fail {
			return runtime.Skip(errKilled)
		}
		return nil
	}))
	var err error
	b.pool, err = runtime.NewPool(m, r, runtime.PoolConfig{})
	require.NoError(t, err)
	return b
}

func (b *bench) at(id schedule.JobID) schedule.Status {
	b.Helper()
	st, err := b.Status(ctx, id)
	require.NoError(b, err)
	return st
}

// fire fires the one job that is due, or will be soon.
func (b *bench) fire() {
	b.Helper()
	require.Eventually(b, func() bool {
		n, err := b.FireDue(ctx)
		require.NoError(b, err)
		return n > 0
	}, time.Minute, time.Millisecond)
}

// work runs all that is on the queues.
func (b *bench) work() {
	b.Helper()
	_, err := b.pool.Drain(ctx)
	require.NoError(b, err)
}

func reports() *runtime.Spec[string] {
	return &runtime.Spec[string]{
		Type: "report", Aliases: []string{"old report"}, Queue: "fast", Retry: runtime.RetryPolicy{Max: 1}, SchemaVersion: 2, Shape: "0123456789ab", Timeout: time.Minute,
		UniqueKey: func(s *string) string { return "key of " + *s }, UniqueFor: time.Minute,
	}
}

func ptr[T any](v T) *T { return &v }

func TestModifyKeepsWhatTheCallerDoesNotChange(t *testing.T) {
	onStores(t, func(b *bench) {
		spec := reports()
		id, err := schedule.Add(ctx, b, schedule.Every(time.Hour), spec, ptr("sales"), schedule.WithMissed(schedule.FireAll, 7),
			schedule.WithEnqueue(runtime.WithQueue("slow"), runtime.WithMaxRetries(9), runtime.WithTimeout(time.Hour),
				runtime.WithMetadata("tenant", "7"), runtime.WithMetadata("trace", "a"), runtime.WithUnique("mine", time.Hour)))
		require.NoError(b, err)
		require.NoError(b, b.Modify(ctx, id, schedule.Change{Jitter: ptr(time.Minute)}))
		before := b.at(id)

		require.NoError(b, schedule.ModifyPayload(ctx, b, id, spec, ptr("costs")))
		after := b.at(id)
		assert.Equal(b, `"costs"`, string(after.Task.Payload))
		changed := map[string]bool{"Payload": true}
		was, is := reflect.ValueOf(*before.Task), reflect.ValueOf(*after.Task)
		for i := range was.NumField() {
			if f := was.Type().Field(i); f.IsExported() && !changed[f.Name] {
				assert.Equal(b, was.Field(i).Interface(), is.Field(i).Interface(), f.Name)
			}
		}
		before.Task, after.Task, before.UpdatedAt, after.UpdatedAt = nil, nil, time.Time{}, time.Time{}
		assert.Equal(b, before, after)

		require.NoError(b, schedule.ModifyPayload(ctx, b, id, spec, ptr("taxes"), schedule.WithEnqueue(
			runtime.WithQueue("fast"), runtime.WithMaxRetries(0), runtime.WithMetadata("trace", "b"))))
		task := b.at(id).Task
		assert.Equal(b, "fast", task.Queue)
		assert.Zero(b, task.MaxRetries, "it can be set back")
		assert.Equal(b, map[string]string{"tenant": "7", "trace": "b"}, task.Metadata)
		assert.Equal(b, time.Hour, task.Timeout)
	})
}

func TestModifyHasKeysFollowThePayloadThatTheyAreMadeFrom(t *testing.T) {
	onStores(t, func(b *bench) {
		spec := reports()
		id, err := schedule.Add(ctx, b, schedule.In(time.Hour), spec, ptr("sales"))
		require.NoError(b, err)
		require.NoError(b, schedule.ModifyPayload(ctx, b, id, spec, ptr("costs"), schedule.WithEnqueue(runtime.WithMaxRetries(3))))
		assert.Equal(b, "key of costs", b.at(id).Task.UniqueKey)
		require.NoError(b, schedule.ModifyPayload(ctx, b, id, spec, ptr("taxes"), schedule.WithEnqueue(runtime.WithUnique("mine", time.Hour))))
		require.NoError(b, schedule.ModifyPayload(ctx, b, id, spec, ptr("sales")))
		task := b.at(id).Task
		assert.Equal(b, "mine", task.UniqueKey)
		assert.Equal(b, time.Hour, task.UniqueFor)
		assert.Equal(b, 3, task.MaxRetries)
	})
}

func TestModifyKeepsTheOptionsOfAJobOfAnAliasAndNotOfAnotherType(t *testing.T) {
	b := newBench(t, memory.New(), memory.NewJobs())
	spec := reports()
	for name, kept := range map[string]bool{"old report": true, "invoice": false} {
		old := runtime.Spec[string]{Type: name, Queue: "fast"}
		id, err := schedule.Add(ctx, b, schedule.In(time.Hour), &old, ptr("sales"), schedule.WithEnqueue(runtime.WithQueue("slow")))
		require.NoError(t, err)
		require.NoError(t, schedule.ModifyPayload(ctx, b, id, spec, ptr("costs")))
		task := b.at(id).Task
		assert.Equal(t, "report", task.Type)
		assert.Equal(t, 2, task.SchemaVersion)
		assert.Equal(t, "0123456789ab", task.Shape, "it is that of the payload")
		assert.Equal(t, kept, task.Queue == "slow", name)
	}
}

func TestSealedJobKeepsItsOptionsToo(t *testing.T) {
	store, ring := memory.NewJobs(), newRing(t)
	v := newVault(t, store, ring)
	id, err := schedule.Add(t.Context(), v, schedule.In(time.Hour), charges(), &charge{"hunter1"}, schedule.WithEnqueue(runtime.WithMaxRetries(9), runtime.WithMetadata("tenant", "7")))
	require.NoError(t, err)
	for name, by := range map[string]*vault{"with the ring": v, "without": newVault(t, store, nil)} {
		require.NoError(t, schedule.ModifyPayload(t.Context(), by, id, charges(), &charge{name}))
		st, err := by.Status(t.Context(), id)
		require.NoError(t, err)
		assert.Equal(t, `{"card":"`+name+`"}`, string(st.Task.Payload))
		assert.Equal(t, 9, st.Task.MaxRetries)
		assert.Equal(t, map[string]string{"tenant": "7"}, st.Task.Metadata)
	}
}

func TestDeclaredJobKeepsTheMetadataThatItWasGiven(t *testing.T) {
	onStores(t, func(b *bench) {
		declare := func(spec *runtime.Spec[string], every time.Duration) {
			b.Helper()
			_, err := schedule.Declare(ctx, b, "owner", []schedule.Declaration{schedule.Recurring(schedule.Every(every), "", spec)})
			require.NoError(b, err)
		}
		old := &runtime.Spec[string]{Type: "old report", Queue: "fast"}
		declare(old, time.Hour)
		require.NoError(b, schedule.ModifyPayload(ctx, b, schedule.DeclaredID("old report"), old, ptr("sales"), schedule.WithEnqueue(runtime.WithMetadata("tenant", "7"))))
		declare(old, time.Minute)
		assert.Equal(b, "7", b.at(schedule.DeclaredID("old report")).Task.Metadata["tenant"], "another timetable")
		declare(reports(), time.Minute)
		assert.Equal(b, "7", b.at(schedule.DeclaredID("report")).Task.Metadata["tenant"], "another name")
	})
}

func TestSealedJobThatIsTakenOverUnderAnotherNameLiesSealedAndFires(t *testing.T) {
	ring := newRing(t)
	v := newVault(t, memory.NewJobs(), ring)
	old := charges()
	old.Type = "old charge"
	spec := charges()
	spec.Aliases = []string{"old charge"}
	for _, s := range []*runtime.Spec[charge]{old, spec} {
		_, err := schedule.Declare(t.Context(), v, "owner", []schedule.Declaration{schedule.Recurring(schedule.Every(time.Hour), "", s)})
		require.NoError(t, err)
	}
	id := schedule.DeclaredID("charge")
	assert.Contains(t, v.lies(id), "aes-gcm ")
	_, err := v.RunNow(t.Context(), id)
	require.NoError(t, err)
	assert.Equal(t, []string{""}, v.charged(ring))
}

func TestTheIDOfAnEndedJobIsFree(t *testing.T) {
	onStores(t, func(b *bench) {
		spec := &runtime.Spec[string]{Type: "report", Queue: "fast"}
		at := time.Now().Add(-time.Second)
		add := func(when schedule.When, payload string) error {
			_, err := schedule.Add(ctx, b, when, spec, &payload, schedule.WithID("mine"))
			return err
		}
		require.NoError(b, add(schedule.At(at), "1"))
		require.ErrorIs(b, add(schedule.At(at), "2"), schedule.ErrJobExists)
		b.fire()
		b.work()
		first := b.at("mine")
		require.Equal(b, schedule.Succeeded, first.State)

		// Due at the very same time: it is another job all the same.
		require.NoError(b, add(schedule.At(at), "2"), "it has fired for the last time")
		st := b.at("mine")
		assert.Equal(b, schedule.Scheduled, st.State)
		assert.Zero(b, st.Last)
		assert.Zero(b, st.Fired)
		b.fail = true
		b.fire()
		assert.Equal(b, schedule.Enqueued, b.at("mine").State)
		b.work()
		st = b.at("mine")
		assert.Equal(b, schedule.Dead, st.State)
		assert.NotEqual(b, first.Last.TaskID, st.Last.TaskID)
		assert.EqualValues(b, 1, st.Fired)

		require.NoError(b, add(schedule.In(time.Hour), "3"))
		require.NoError(b, b.Cancel(ctx, "mine"))
		require.NoError(b, add(schedule.Every(time.Hour), "4"), "it was cancelled")
		require.ErrorIs(b, add(schedule.Every(time.Hour), "5"), schedule.ErrJobExists)
		assert.Equal(b, `"4"`, string(b.at("mine").Task.Payload))
		assert.Equal(b, schedule.Scheduled, b.at("mine").State)
	})
}

func TestOfManyWhoTakeTheIDOfAnEndedJobOneGetsIt(t *testing.T) {
	onStores(t, func(b *bench) {
		job := schedule.Job{ID: "mine", When: schedule.In(time.Hour), Task: &runtime.Task{Type: "report", Queue: "fast", Payload: []byte(`1`), CreatedAt: time.Now()}}
		_, err := b.Schedule(ctx, job)
		require.NoError(b, err)
		require.NoError(b, b.Cancel(ctx, "mine"))
		answers := make(chan error)
		const many = 8
		for range many {
			go func() {
				_, err := b.Schedule(ctx, job)
				answers <- err
			}()
		}
		taken := 0
		for range many {
			if err := <-answers; err != nil {
				assert.ErrorIs(b, err, schedule.ErrJobExists)
				taken++
			}
		}
		assert.Equal(b, many-1, taken)
	})
}

func TestJobThatEndsWhileItFiresLeavesItsIDAlone(t *testing.T) {
	d := newDesk(t, schedule.Config{})
	job := schedule.Job{ID: "mine", Task: task(), When: schedule.At(noon)}
	replaced := false
	m := runtime.NewManager(runtime.ManagerConfig{Clock: d.clock, Middleware: []runtime.EnqueueMiddleware{func(next runtime.Enqueuer) runtime.Enqueuer {
		return runtime.EnqueuerFunc(func(ctx context.Context, tasks []*runtime.Task) ([]runtime.Enqueued, error) {
			answers, err := next.Enqueue(ctx, tasks)
			if !replaced {
				replaced = true
				require.NoError(t, d.s.Cancel(ctx, "mine"))
				d.schedule(job)
			}
			return answers, err
		})
	}}})
	p := memory.New(memory.WithClock(d.clock))
	require.NoError(t, m.Open(ctx, p, runtime.QueueConfig{Name: "reports"}))
	t.Cleanup(func() { require.NoError(t, errors.Join(m.Close(), p.Close())) })
	d.schedule(job)
	s := schedule.New(d.store, m, schedule.Config{})
	n, err := s.FireDue(ctx)
	require.NoError(t, err)
	require.Equal(t, 2, n, "that of the job that was, and that of the new one")
	require.EqualValues(t, 1, d.status("mine").Fired)
	q, err := m.Queue("reports")
	require.NoError(t, err)
	stats, err := q.Stats(ctx)
	require.NoError(t, err)
	require.EqualValues(t, 1, stats.Ready, "the first is taken back")
}

func TestJitterIsWithinThePeriod(t *testing.T) {
	for _, c := range []struct {
		when   schedule.When
		jitter time.Duration
	}{
		{schedule.Every(time.Minute), time.Hour},
		{schedule.Cron("0,5 * * * *", ""), 1 << 62},
		{schedule.Cron("@every 90s", ""), time.Hour},
	} {
		t.Run(c.when.String(), func(t *testing.T) {
			d := newDesk(t, schedule.Config{})
			id := d.schedule(schedule.Job{When: c.when, Jitter: c.jitter, Missed: schedule.FireAll})
			for next := d.status(id).Next; next.Before(noon.Add(5 * time.Hour)); next = d.status(id).Next {
				d.clock.Advance(next.Sub(d.clock.Now()))
				require.Equal(t, 1, d.fire())
			}
			fired := d.env.Tasks()
			require.Greater(t, len(fired), 5)
			late := 0
			for i, f := range fired {
				due, err := time.Parse(time.RFC3339Nano, f.Metadata[schedule.MetaFiring])
				require.NoError(t, err)
				assert.False(t, f.ScheduledFor.Before(due))
				if f.ScheduledFor.After(due) {
					late++
				}
				if i+1 < len(fired) {
					next, err := time.Parse(time.RFC3339Nano, fired[i+1].Metadata[schedule.MetaFiring])
					require.NoError(t, err)
					assert.True(t, f.ScheduledFor.Before(next), "%s comes before the next one, at %s", f.ScheduledFor, next)
				}
			}
			assert.Positive(t, late, "they are spread")
		})
	}
}
