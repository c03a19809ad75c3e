package scheduletest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/internal/testserver"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/redis"
	"github.com/taskgen/taskgen/runtime/schedule"
	"github.com/taskgen/taskgen/runtime/sqlite"
	"github.com/taskgen/taskgen/runtime/tasktest"
)

func TestDeclareReconciles(t *testing.T) {
	d := newDesk(t, schedule.Config{})
	type payload struct{}
	job := func(name, cron string) schedule.Declaration {
		return schedule.Recurring(schedule.Cron(cron, ""), schedule.AllowOverlap, &runtime.Spec[payload]{Type: name, Queue: "reports"})
	}
	other := d.schedule(schedule.Job{When: schedule.In(time.Hour)})
	jobs := []schedule.Declaration{job("a", "@daily"), job("b", "@hourly")}
	dry, err := schedule.Declare(ctx, d.s, "pkg", jobs, schedule.DryRun())
	require.NoError(t, err)
	require.Equal(t, "+ schedule#a\n+ schedule#b\n", dry.String())
	page, _, err := d.s.List(ctx, schedule.Filter{Owner: "pkg"}, "", 10)
	require.NoError(t, err)
	require.Empty(t, page)

	for _, c := range []struct {
		jobs []schedule.Declaration
		want string
	}{
		{jobs, "+ schedule#a\n+ schedule#b\n"},
		{jobs, ""},
		{[]schedule.Declaration{job("a", "@weekly")}, "- schedule#b\n~ schedule#a\n"},
		{jobs, "~ schedule#a\n~ schedule#b\n"},
	} {
		changes, err := schedule.Declare(ctx, d.s, "pkg", c.jobs)
		require.NoError(t, err)
		require.Equal(t, c.want, changes.String())
		page, _, err := d.s.List(ctx, schedule.Filter{Owner: "pkg"}, "", 10)
		require.NoError(t, err)
		due := 0
		for _, st := range page {
			if st.State != schedule.Cancelled {
				require.NotZero(t, st.Next)
				due++
			}
		}
		require.Len(t, c.jobs, due)
	}
	require.Equal(t, schedule.Scheduled, d.status(other).State)
}

// A registry is a service over a store that watches what is declared: no two jobs
// of the same kind are ever there, and it dies when it is told to.
type registry struct {
	*testing.T
	clock *tasktest.Clock
	env   *tasktest.Env
	store schedule.Store
	s     *schedule.Service

	// puts is how many more writes of the store go through; negative: all.
	puts int
	most int // declared jobs that were due at one time
}

func newRegistry(t *testing.T, open func(*tasktest.Clock) schedule.Store) *registry {
	env := tasktest.New(t, []runtime.QueueConfig{{Name: "reports"}})
	env.Clock.Advance(noon.Sub(env.Clock.Now()))
	r := &registry{T: t, clock: env.Clock, env: env, store: open(env.Clock), puts: -1}
	r.s = schedule.New(watched{r.store, r}, env.Manager, schedule.Config{})
	return r
}

// onRegistries runs a test on the stores whose clock it can pass, for so many hours.
func onRegistries(t *testing.T, test func(r *registry, hours int)) {
	t.Run("memory", func(t *testing.T) { test(newRegistry(t, inMemory), 48) })
	t.Run("sqlite", func(t *testing.T) {
		test(newRegistry(t, func(clock *tasktest.Clock) schedule.Store {
			p, err := sqlite.Open(t.Context(), t.TempDir()+"/tasks.db", sqlite.WithClock(clock))
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, p.Close()) })
			return p.Jobs()
		}), 5)
	})
}

func inMemory(clock *tasktest.Clock) schedule.Store {
	return memory.NewJobs(memory.WithClock(clock))
}

// watched looks at the store after each write.
type watched struct {
	schedule.Store
	r *registry
}

func (w watched) Put(ctx context.Context, e *schedule.Entry) error {
	if w.r.puts == 0 {
		return errKilled
	}
	w.r.puts--
	err := w.Store.Put(ctx, e)
	w.r.most = max(w.r.most, len(w.r.due()))
	return err
}

// due are the declared jobs that are due some day.
func (r *registry) due() []*schedule.Entry {
	r.Helper()
	es, err := r.store.List(ctx, "", "", 1000)
	require.NoError(r, err)
	var due []*schedule.Entry
	for _, e := range es {
		if e.Owner != "" && e.State != schedule.Cancelled && !e.Next.IsZero() {
			due = append(due, e)
		}
	}
	return due
}

func (r *registry) declare(owner string, jobs []schedule.Declaration, opts ...schedule.RegisterOption) string {
	r.Helper()
	c, err := schedule.Declare(ctx, r.s, owner, jobs, opts...)
	require.NoError(r, err)
	return c.String()
}

// one is the one declared job.
func (r *registry) one() *schedule.Entry {
	r.Helper()
	due := r.due()
	require.Len(r, due, 1)
	return due[0]
}

type nothing struct{}

func declared(when schedule.When, name string, aliases ...string) []schedule.Declaration {
	return []schedule.Declaration{schedule.Recurring(when, schedule.AllowOverlap, &runtime.Spec[nothing]{Type: name, Aliases: aliases, Queue: "reports"})}
}

// legacy is a job as earlier versions declared it: under an ID with the path of its
// package.
func (r *registry) legacy(owner, name string, when schedule.When) {
	r.Helper()
	_, err := r.s.Schedule(ctx, schedule.Job{
		ID: schedule.JobID(owner + "#" + name), Owner: owner, When: when,
		Task: &runtime.Task{ID: "x", Type: name, Queue: "reports", Payload: []byte("{}"), CreatedAt: noon},
	})
	require.NoError(r, err)
}

func TestAMovedPackageTakesItsJobsAlong(t *testing.T) {
	server, err := testserver.Redis()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()) })
	stores := map[string]func(t *testing.T) func(*tasktest.Clock) schedule.Store{
		"memory": func(*testing.T) func(*tasktest.Clock) schedule.Store { return inMemory },
		"sqlite": func(t *testing.T) func(*tasktest.Clock) schedule.Store {
			return func(clock *tasktest.Clock) schedule.Store {
				p, err := sqlite.Open(t.Context(), t.TempDir()+"/tasks.db", sqlite.WithClock(clock))
				require.NoError(t, err)
				t.Cleanup(func() { require.NoError(t, p.Close()) })
				return p.Jobs()
			}
		},
		"redis": func(t *testing.T) func(*tasktest.Clock) schedule.Store {
			return func(*tasktest.Clock) schedule.Store {
				p, err := redis.Open(ctx, server.URL, redis.WithPrefix(t.Name()))
				require.NoError(t, err)
				t.Cleanup(func() { require.NoError(t, p.Close()) })
				return p.Jobs()
			}
		},
	}
	every := schedule.Every(90 * time.Minute)
	for name, store := range stores {
		t.Run(name+"/declared as today", func(t *testing.T) {
			r := newRegistry(t, store(t))
			require.Equal(t, "+ schedule#tidy\n", r.declare("example.com/shop/tasks", declared(every, "tidy")))
			next := r.one().Next
			require.NoError(t, r.s.Pause(ctx, "schedule#tidy"))
			r.clock.Advance(time.Hour)
			for _, move := range [][2]string{{"example.com/shop/tasks", "example.com/shop/internal/tasks"}, {"example.com/shop/internal/tasks", "shop"}, {"shop", "example.com/shop/tasks"}} {
				dry := r.declare(move[1], declared(every, "tidy"), schedule.DryRun())
				require.Equal(t, "> schedule#tidy (was schedule#tidy, owner "+move[0]+")\n", dry)
				require.Equal(t, move[0], r.one().Owner)
				require.Equal(t, dry, r.declare(move[1], declared(every, "tidy")))
				require.Empty(t, r.declare(move[1], declared(every, "tidy")), "once is enough")
				job := r.one()
				require.Equal(t, move[1], job.Owner)
				require.True(t, job.Paused)
				require.True(t, next.Equal(job.Next), "it keeps its time")
			}
			require.Equal(t, "- schedule#tidy\n", r.declare("example.com/shop/tasks", nil))
			require.Equal(t, 1, r.most)
		})
		t.Run(name+"/declared by an earlier version", func(t *testing.T) {
			r := newRegistry(t, store(t))
			r.legacy("example.com/old/tasks", "tidy", every)
			next := r.one().Next
			require.NoError(t, r.s.Pause(ctx, "example.com/old/tasks#tidy"))
			r.clock.Advance(time.Hour)
			dry := r.declare("shop", declared(every, "tidy"), schedule.DryRun())
			require.Equal(t, "> schedule#tidy (was example.com/old/tasks#tidy, owner example.com/old/tasks)\n", dry)
			require.Equal(t, dry, r.declare("shop", declared(every, "tidy")))
			require.Empty(t, r.declare("shop", declared(every, "tidy")))
			job := r.one()
			require.Equal(t, schedule.DeclaredID("tidy"), job.ID)
			require.True(t, job.Paused)
			require.True(t, next.Equal(job.Next), "it keeps its time")
			require.Equal(t, 1, r.most)
		})
	}
}

func TestATakenOverJobThatHasAnotherScheduleGetsItsTimes(t *testing.T) {
	for _, id := range []schedule.JobID{"schedule#tidy", "old#tidy"} {
		r := newRegistry(t, inMemory)
		if id == "old#tidy" {
			r.legacy("old", "tidy", schedule.Every(time.Hour))
		} else {
			r.declare("old", declared(schedule.Every(time.Hour), "tidy"))
		}
		require.NoError(t, r.s.Pause(ctx, id))
		require.Equal(t, "> schedule#tidy (was "+string(id)+", owner old)\n~ schedule#tidy\n", r.declare("new", declared(schedule.Every(time.Minute), "tidy")))
		require.Equal(t, noon.Add(time.Minute), r.one().Next)
		require.True(t, r.one().Paused, "whoever paused it did not ask for another schedule")
		require.Equal(t, 1, r.most)
	}
}

func TestJobsThatNobodyDeclaredAreLeftAlone(t *testing.T) {
	r := newRegistry(t, inMemory)
	own := &runtime.Task{ID: "x", Type: "tidy", Queue: "reports", Payload: []byte("{}"), CreatedAt: noon}
	id, err := r.s.Schedule(ctx, schedule.Job{When: schedule.Every(time.Hour), Task: own})
	require.NoError(t, err)
	require.Equal(t, "+ schedule#tidy\n", r.declare("shop", declared(schedule.Every(time.Hour), "tidy")))
	require.Equal(t, "- schedule#tidy\n", r.declare("shop", nil))
	st, err := r.s.Status(ctx, id)
	require.NoError(t, err)
	require.Equal(t, schedule.Scheduled, st.State)
	require.Empty(t, st.Owner)

	_, err = r.s.Schedule(ctx, schedule.Job{ID: "schedule#pulse", When: schedule.Every(time.Hour), Task: own})
	require.NoError(t, err)
	_, err = schedule.Declare(ctx, r.s, "shop", declared(schedule.Every(time.Hour), "pulse"))
	require.ErrorIs(t, err, schedule.ErrJobExists)
	require.ErrorContains(t, err, "schedule#pulse")
}

func TestOwnersCancelTheirOwnJobsAlone(t *testing.T) {
	r := newRegistry(t, inMemory)
	when := schedule.Every(time.Hour)
	r.declare("a", declared(when, "x"))
	r.declare("b", append(declared(when, "y"), declared(when, "z")...))
	require.Len(t, r.due(), 3)
	require.Equal(t, "- schedule#x\n", r.declare("a", nil))
	require.Len(t, r.due(), 2)
	require.Equal(t, "- schedule#z\n> schedule#y (was schedule#y, owner b)\n", r.declare("a", declared(when, "y"), schedule.OwnerAliases("b", "")))
	require.Equal(t, "a", r.one().Owner)
}

func TestADeclarationThatCannotBeChangesNothing(t *testing.T) {
	r := newRegistry(t, inMemory)
	when := schedule.Every(time.Hour)
	r.legacy("old", "tidy", when)
	_, err := schedule.Declare(ctx, r.s, "", declared(when, "tidy"))
	require.ErrorIs(t, err, schedule.ErrInvalidJob)
	_, err = schedule.Declare(ctx, r.s, "shop", append(declared(when, "tidy"), declared(when, "tidy")...))
	require.ErrorIs(t, err, schedule.ErrInvalidJob)
	_, err = schedule.Declare(ctx, r.s, "shop", declared(schedule.Cron("0 0 30 2 *", ""), "tidy"))
	require.ErrorIs(t, err, schedule.ErrInvalidJob)
	nowhere := schedule.Recurring(when, schedule.AllowOverlap, &runtime.Spec[nothing]{Type: "tidy", Queue: "nowhere"})
	_, err = schedule.Declare(ctx, r.s, "shop", []schedule.Declaration{nowhere})
	require.ErrorIs(t, err, runtime.ErrUnknownQueue)
	require.EqualValues(t, "old#tidy", r.one().ID, "it goes on as it was")
}

// TestDeclareMayDieAnywhere kills the process after each write in turn, and has
// the next one start.
func TestDeclareMayDieAnywhere(t *testing.T) {
	every := schedule.Every(90 * time.Minute)
	renamed := declared(every, "tidy", "sweep")
	for name, begin := range map[string]func(*registry){
		"another ID":    func(r *registry) { r.legacy("example.com/old/tasks", "tidy", every) },
		"another owner": func(r *registry) { r.declare("old", declared(every, "tidy")) },
		"another type":  func(r *registry) { r.declare("old", declared(every, "sweep")) },
		"two of them":   func(r *registry) { r.legacy("old", "tidy", every); r.legacy("older", "tidy", every) },
		"cancelled before": func(r *registry) {
			r.declare("shop", declared(every, "tidy"))
			r.declare("shop", nil)
			r.clock.Advance(time.Second)
			r.legacy("old", "tidy", every)
		},
	} {
		t.Run(name, func(t *testing.T) {
			for puts := 0; ; puts++ {
				r := newRegistry(t, inMemory)
				begin(r)
				next := r.due()[0].Next
				paused := r.due()[0].ID
				require.NoError(t, r.s.Pause(ctx, paused))
				r.clock.Advance(time.Minute)
				r.most, r.puts = 0, puts
				_, err := schedule.Declare(ctx, r.s, "shop", renamed)
				if err == nil {
					require.Positive(t, puts)
					return
				}
				require.ErrorIs(t, err, errKilled)
				r.puts = -1
				r.clock.Advance(time.Minute)
				r.declare("shop", renamed)
				require.Equal(t, schedule.DeclaredID("tidy"), r.one().ID)
				require.Equal(t, "shop", r.one().Owner)
				require.Equal(t, next, r.one().Next, "killed after %d writes", puts)
				require.True(t, r.one().Paused)
				if name != "two of them" {
					require.LessOrEqual(t, r.most, 1)
				}
				require.Empty(t, r.declare("shop", renamed))
			}
		})
	}
}

// TestVersionsThatDeclareInTurnHaveOneJob has processes of the old and of the new
// version start in turn, as a rolling deploy does.
func TestVersionsThatDeclareInTurnHaveOneJob(t *testing.T) {
	every := schedule.Every(90 * time.Minute)
	for name, versions := range map[string][2]func(*registry){
		"moved": {
			func(r *registry) { r.declare("example.com/a/tasks", declared(every, "tidy")) },
			func(r *registry) { r.declare("example.com/b/tasks", declared(every, "tidy")) },
		},
		"renamed": {
			func(r *registry) { r.declare("shop", declared(every, "sweep")) },
			func(r *registry) { r.declare("shop", declared(every, "tidy", "sweep")) },
		},
		"moved and renamed": {
			func(r *registry) { r.declare("old", declared(every, "sweep")) },
			func(r *registry) { r.declare("shop", declared(every, "tidy", "sweep"), schedule.OwnerAliases("old")) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRegistry(t, inMemory)
			versions[0](r)
			require.NoError(t, r.s.Pause(ctx, r.one().ID))
			for i := range 6 {
				r.clock.Advance(time.Minute)
				versions[(i+1)%2](r)
				require.Equal(t, noon.Add(90*time.Minute), r.one().Next)
				require.True(t, r.one().Paused)
			}
			require.Equal(t, 1, r.most, "never two")
		})
	}
}

func TestAFiringUnderWayIsMadeOnceThroughATakeover(t *testing.T) {
	for _, overlap := range []schedule.Overlap{schedule.AllowOverlap, schedule.SkipOverlap} {
		r := newRegistry(t, inMemory)
		spec := runtime.Spec[nothing]{Type: "sweep", Queue: "reports"}
		old := []schedule.Declaration{schedule.Recurring(schedule.Every(time.Hour), overlap, &spec)}
		renamed := runtime.Spec[nothing]{Type: "tidy", Aliases: []string{"sweep"}, Queue: "reports"}
		jobs := []schedule.Declaration{schedule.Recurring(schedule.Every(time.Hour), overlap, &renamed)}
		r.declare("shop", old)
		r.clock.Advance(time.Hour)
		between := schedule.New(&hookedStore{Store: r.store, before: func() { r.declare("shop", jobs) }}, r.env.Manager, schedule.Config{})
		n, err := between.FireDue(ctx)
		require.NoError(t, err)
		require.NotZero(t, n)
		_, err = r.s.FireDue(ctx)
		require.NoError(t, err)
		require.Len(t, r.env.Tasks(), 1, "the queue took the firing once, and it was not taken back")
		require.Equal(t, noon.Add(2*time.Hour), r.one().Next)
		r.clock.Advance(time.Hour)
		_, err = r.s.FireDue(ctx)
		require.NoError(t, err)
		want := 2
		if overlap == schedule.SkipOverlap {
			want = 1 // the first one is not done, whatever its job is called now
		}
		require.Len(t, r.env.Tasks(), want)
	}
}

// TestASchedulerThatCannotHandJobsOverStillHasOne is for Schedulers that others
// put around a Service.
func TestASchedulerThatCannotHandJobsOverStillHasOne(t *testing.T) {
	r := newRegistry(t, inMemory)
	every := schedule.Every(time.Hour)
	r.legacy("old", "tidy", every)
	r.legacy("older", "tidy", every)
	require.NoError(t, r.s.Pause(ctx, "old#tidy"))
	around := struct{ schedule.Scheduler }{r.s}
	c, err := schedule.Declare(ctx, around, "shop", declared(every, "tidy"), schedule.OwnerAliases("old"))
	require.NoError(t, err)
	require.Len(t, c.TakenOver, 2)
	require.Equal(t, schedule.DeclaredID("tidy"), r.one().ID)
	require.True(t, r.one().Paused)
}
