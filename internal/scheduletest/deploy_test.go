package scheduletest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/schedule"
	"github.com/taskgen/taskgen/runtime/tasktest"
)

// TestFiringThatIsMadeUpForLivesAsLongAsAny has a queue that keeps tasks for less time than
// the firings are late.
func TestFiringThatIsMadeUpForLivesAsLongAsAny(t *testing.T) {
	env := tasktest.New(t, []runtime.QueueConfig{{Name: "reports", Retention: 20 * time.Second}})
	env.Clock.Advance(noon.Sub(env.Clock.Now()))
	store := memory.NewJobs(memory.WithClock(env.Clock))
	d := &desk{T: t, clock: env.Clock, env: env, store: store, s: schedule.New(store, env.Manager, schedule.Config{})}
	d.handle(func(context.Context, *runtime.Task) error { return nil })
	for _, job := range []schedule.Job{
		{When: schedule.Every(time.Hour)},
		{When: schedule.Every(time.Hour), Missed: schedule.FireAll},
		{When: schedule.Every(time.Hour), Jitter: time.Minute},
		{When: schedule.At(noon.Add(-24 * time.Hour))},
		{When: schedule.At(noon.Add(3*time.Hour - 40*time.Second))}, // late, and not missed
	} {
		d.schedule(job)
	}
	d.clock.Advance(3 * time.Hour)
	n := d.fire()
	require.GreaterOrEqual(t, n, 2+3+1+1+1)
	q, err := env.Manager.Queue("reports")
	require.NoError(t, err)
	stats, err := q.Stats(ctx)
	require.NoError(t, err)
	require.Zero(t, stats.OldestAge, "none has waited on the queue")
	d.clock.Advance(10 * time.Second)
	require.Len(t, d.env.RequireDrain(), n)
	for _, task := range d.env.Tasks() {
		due, err := time.Parse(time.RFC3339Nano, task.Metadata[schedule.MetaFiring])
		require.NoError(t, err)
		require.False(t, due.After(task.ScheduledFor), "it knows which firing it is")
	}
}

// TestVersionsThatDeclareInTurnStarveNoJob has two versions start in turn, more often than
// the job fires.
func TestVersionsThatDeclareInTurnStarveNoJob(t *testing.T) {
	hourly := schedule.Every(time.Hour)
	for name, versions := range map[string][2]func(*registry){
		"another interval": {
			func(r *registry) { r.declare("shop", declared(hourly, "tidy")) },
			func(r *registry) { r.declare("shop", declared(schedule.Every(2*time.Hour), "tidy")) },
		},
		"@every": {
			func(r *registry) { r.declare("shop", declared(schedule.Cron("@every 1h", ""), "tidy")) },
			func(r *registry) { r.declare("shop", declared(schedule.Cron("@every 90m", ""), "tidy")) },
		},
		"not declared by one": {
			func(r *registry) { r.declare("shop", declared(hourly, "tidy")) },
			func(r *registry) { r.declare("shop", nil) },
		},
		"renamed, with another interval": {
			func(r *registry) { r.declare("shop", declared(hourly, "sweep")) },
			func(r *registry) { r.declare("shop", declared(schedule.Every(2*time.Hour), "tidy", "sweep")) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			onRegistries(t, func(r *registry, hours int) {
				fired := 0
				for i := range hours * 60 / 7 {
					versions[i%2](r)
					r.clock.Advance(5 * time.Minute)
					versions[(i+1)%2](r)
					versions[i%2](r)
					r.clock.Advance(2 * time.Minute)
					n, err := r.s.FireDue(ctx)
					require.NoError(r, err)
					fired += n
				}
				require.GreaterOrEqual(r, fired, hours/3)
				require.LessOrEqual(r, fired, hours)
			})
		})
	}
}

// TestFiringThatIsDueSurvivesAnotherSchedule has a new version start before anybody has
// fired what is due by the old one.
func TestFiringThatIsDueSurvivesAnotherSchedule(t *testing.T) {
	for name, when := range map[string]schedule.When{
		"another hour": schedule.Cron("30 3 * * *", ""), "an interval": schedule.Every(time.Hour),
	} {
		t.Run(name, func(t *testing.T) {
			r := newRegistry(t, inMemory)
			r.declare("shop", declared(schedule.Cron("30 12 * * *", ""), "tidy"))
			r.clock.Advance(30*time.Minute + time.Second)
			r.declare("shop", declared(when, "tidy"))
			n, err := r.s.FireDue(ctx)
			require.NoError(t, err)
			require.Equal(t, 1, n)
			require.True(t, r.one().Next.After(r.clock.Now()))
			require.True(t, r.one().When.Equal(when))
		})
	}
}

// TestAFiringHasTheShapeOfThePayloadThatIsStored has a job that a program added once, before
// the payload's type changed.
func TestAFiringHasTheShapeOfThePayloadThatIsStored(t *testing.T) {
	r := newRegistry(t, inMemory)
	spec := runtime.Spec[nothing]{Type: "sweep", Queue: "reports", Shape: "0123456789ab"}
	id, err := schedule.Add(ctx, r.s, schedule.Every(time.Hour), &spec, &nothing{})
	require.NoError(t, err)
	fired := func() *runtime.Task {
		r.clock.Advance(time.Hour)
		n, err := r.s.FireDue(ctx)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		tasks := r.env.Tasks()
		return tasks[len(tasks)-1]
	}
	spec.Shape = "00fe5a9d0b1c"
	require.Equal(t, "0123456789ab", fired().Shape)
	require.NoError(t, schedule.ModifyPayload(ctx, r.s, id, &spec, &nothing{}))
	require.Equal(t, "00fe5a9d0b1c", fired().Shape)
}

func TestADryRunSaysWhatADeployWouldDo(t *testing.T) {
	r := newRegistry(t, inMemory)
	old := append(declared(schedule.Every(time.Hour), "tidy"), declared(schedule.Cron("30 2 * * *", "Europe/Berlin"), "sweep")...)
	r.declare("shop", append(old, declared(schedule.Every(time.Hour), "same")...))
	r.clock.Advance(time.Hour)
	_, err := r.s.FireDue(ctx)
	require.NoError(t, err)
	require.NoError(t, r.s.Cancel(ctx, "schedule#same"))
	onTidy := r.env.Tasks()[0]
	spec := runtime.Spec[int]{Type: "sweep", Queue: "reports", Timeout: time.Minute, Retry: runtime.RetryPolicy{Max: 3}, Shape: "0123456789ab"}
	next := append([]schedule.Declaration{schedule.Recurring(schedule.Every(time.Hour), schedule.SkipOverlap, &spec)},
		append(declared(schedule.Every(time.Hour), "same"), declared(schedule.Every(time.Hour), "new")...)...)
	changes, err := schedule.Declare(ctx, r.s, "shop", next, schedule.DryRun())
	require.NoError(t, err)
	require.Equal(t, `+ schedule#new
- schedule#tidy
    does not fire at 2037-03-02T14:00:00Z, and its task `+onTidy.ID+` is taken off the queue
~ schedule#same
    state: cancelled → scheduled
~ schedule#sweep
    when: cron "30 2 * * *" in Europe/Berlin → every 1h0m0s
    overlap: allow → skip
    timeout: 0s → 1m0s
    retries: 0 → 3
    shape: none → 0123456789ab
    payload differs
`, changes.Explain())
	require.Len(t, changes.Lost, 1)
	same, err := schedule.Declare(ctx, r.s, "shop", next)
	require.NoError(t, err)
	require.Equal(t, changes, same)
	require.Empty(t, r.declare("shop", next))
}
