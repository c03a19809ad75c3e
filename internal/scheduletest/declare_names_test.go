package scheduletest

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/schedule"
)

type summary struct {
	Name string `json:"name"`
}

// reported declares reports under names that all have one schedule.
func reported(taskType string, names ...string) []schedule.Declaration {
	spec := &runtime.Spec[summary]{Type: taskType, Aliases: []string{"summary"}, Queue: "reports"}
	var all []schedule.Declaration
	for _, name := range names {
		all = append(all, schedule.RecurringWith(schedule.Recurrence{When: schedule.Every(90 * time.Minute), Name: name}, spec))
	}
	return all
}

func TestATypeHasADeclaredJobForEachName(t *testing.T) {
	onStores(t, func(b *bench) {
		spec := &runtime.Spec[summary]{Type: "report", Queue: "fast"}
		recur := func(r schedule.Recurrence) schedule.Declaration {
			r.When = schedule.Every(time.Hour)
			return schedule.RecurringWith(r, spec)
		}
		declare := func(want string, declared ...schedule.Declaration) {
			b.Helper()
			changes, err := schedule.Declare(ctx, b, "owner", declared)
			require.NoError(b, err)
			require.Equal(b, want, changes.String())
		}
		plain := recur(schedule.Recurrence{})
		morning := recur(schedule.Recurrence{Name: "morning", Payload: `{"name":"sales"}`, Missed: schedule.FireAll, Jitter: time.Minute})
		evening := recur(schedule.Recurrence{Name: "evening", Payload: `{"name":"stock"}`, Overlap: schedule.SkipOverlap})
		declare("+ schedule#report\n+ schedule#report#evening\n+ schedule#report#morning\n", plain, morning, evening)
		declare("", evening, plain, morning)

		id := schedule.DeclaredNameID("report", "morning")
		st := b.at(id)
		assert.Equal(b, `{"name":"sales"}`, string(st.Task.Payload))
		assert.Equal(b, schedule.FireAll, st.Missed)
		assert.Equal(b, time.Minute, st.Jitter)
		assert.Equal(b, schedule.AllowOverlap, st.Overlap)
		st = b.at(schedule.DeclaredNameID("report", "evening"))
		assert.Equal(b, `{"name":"stock"}`, string(st.Task.Payload))
		assert.Equal(b, schedule.FireOnce, st.Missed)
		assert.Zero(b, st.Jitter)
		assert.Equal(b, schedule.SkipOverlap, st.Overlap)
		assert.Equal(b, `{"name":""}`, string(b.at(schedule.DeclaredID("report")).Task.Payload))

		for _, r := range []schedule.Recurrence{
			{Payload: `{"name":"sales"}`, Missed: schedule.FireAll},
			{Payload: `{"name":"sales"}`, Missed: schedule.FireNone},
			{Payload: `{"name":"costs"}`, Missed: schedule.FireNone},
			{},
		} {
			r.Name = "morning"
			declare("~ schedule#report#morning\n", plain, recur(r), evening)
			declare("", plain, recur(r), evening)
			st = b.at(id)
			assert.Equal(b, r.Jitter, st.Jitter)
			assert.True(b, st.Missed == r.Missed || r.Missed == "" && st.Missed == schedule.FireOnce)
		}
		jitter := time.Second
		require.NoError(b, b.Modify(ctx, id, schedule.Change{Missed: schedule.FireAll, Jitter: &jitter, MaxMissed: 7}))
		declare("~ schedule#report#morning\n", plain, recur(schedule.Recurrence{Name: "morning"}), evening)
		st = b.at(id)
		assert.Equal(b, schedule.FireOnce, st.Missed, "what an annotation could say is as it says")
		assert.Zero(b, st.Jitter)
		assert.Equal(b, 7, st.MaxMissed)
		declare("- schedule#report#evening\n", plain, recur(schedule.Recurrence{Name: "morning"}))
		declare("- schedule#report\n- schedule#report#morning\n")
	})
}

func TestANameGoesOnFromTheOneBefore(t *testing.T) {
	every := schedule.Every(90 * time.Minute)
	renamed := schedule.RecurringWith(schedule.Recurrence{When: every, Name: "dawn", Aliases: []string{"morning"}}, &runtime.Spec[summary]{Type: "report", Queue: "reports"})
	for name, c := range map[string]struct {
		before, after []schedule.Declaration
		ids           []schedule.JobID // before and after
		want          string
	}{
		"a job that had no name is the first one's": {
			reported("report", ""), reported("report", "morning", "evening"),
			[]schedule.JobID{"schedule#report", "schedule#report#morning"},
			"+ schedule#report#evening\n> schedule#report#morning (was schedule#report, owner shop)\n",
		},
		"unless there is still one without": {
			reported("report", ""), reported("report", "morning", ""),
			[]schedule.JobID{"schedule#report", "schedule#report"},
			"+ schedule#report#morning\n",
		},
		"a name that was another": {
			reported("report", "morning", "evening"), append(reported("report", "evening"), renamed),
			[]schedule.JobID{"schedule#report#morning", "schedule#report#dawn"},
			"> schedule#report#dawn (was schedule#report#morning, owner shop)\n",
		},
		"a type that was called otherwise": {
			reported("summary", "evening", "morning"), reported("report", "morning", "evening"),
			[]schedule.JobID{"schedule#summary#morning", "schedule#report#morning"},
			"> schedule#report#evening (was schedule#summary#evening, owner shop)\n> schedule#report#morning (was schedule#summary#morning, owner shop)\n~ schedule#report#evening\n~ schedule#report#morning\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRegistry(t, inMemory)
			r.declare("shop", c.before)
			require.NoError(t, r.s.Pause(ctx, c.ids[0]))
			r.clock.Advance(time.Hour)
			require.Equal(t, c.want, r.declare("shop", c.after, schedule.DryRun()))
			require.Equal(t, c.want, r.declare("shop", c.after))
			require.Empty(t, r.declare("shop", c.after))
			// An older version of the program starts once more, and the new one.
			for range 2 {
				r.declare("shop", c.before)
				r.is(c.ids[0], len(c.before))
				r.declare("shop", c.after)
				r.is(c.ids[1], len(c.after))
			}
			require.LessOrEqual(t, r.most, 2, "never two for one name")
		})
	}
}

// is fails unless n declared jobs are due, of which the one with the ID is paused and
// due when it was first.
func (r *registry) is(id schedule.JobID, n int) {
	r.Helper()
	due := r.due()
	require.Len(r, due, n)
	i := slices.IndexFunc(due, func(e *schedule.Entry) bool { return e.ID == id })
	require.GreaterOrEqual(r, i, 0, "%s is not due", id)
	require.True(r, due[i].Paused)
	require.Equal(r, noon.Add(90*time.Minute), due[i].Next)
}

func TestDeclarationsOfOneNameOrWithAWrongPayloadAreRefused(t *testing.T) {
	r := newRegistry(t, inMemory)
	_, err := schedule.Declare(ctx, r.s, "shop", reported("report", "morning", "morning"))
	require.ErrorIs(t, err, schedule.ErrInvalidJob)
	require.ErrorContains(t, err, "the schedule morning of type report is declared twice")
	spec := &runtime.Spec[summary]{Type: "report", Queue: "reports"}
	_, err = schedule.Declare(ctx, r.s, "shop", []schedule.Declaration{
		schedule.RecurringWith(schedule.Recurrence{When: schedule.Every(time.Hour), Name: "morning", Payload: `{"name":7}`}, spec),
	})
	require.ErrorIs(t, err, runtime.ErrInvalidTask)
	require.ErrorContains(t, err, "the schedule morning of type report")
	require.Empty(t, r.due())
}

func TestAJobThatGoesOnAsAnotherHasWhatThatOneIsDeclaredToHave(t *testing.T) {
	r := newRegistry(t, inMemory)
	r.declare("shop", reported("report", ""))
	jitter := time.Second
	require.NoError(t, r.s.Modify(ctx, "schedule#report", schedule.Change{Missed: schedule.FireNone, Jitter: &jitter}))
	spec := &runtime.Spec[summary]{Type: "report", Queue: "reports"}
	r.declare("shop", []schedule.Declaration{schedule.RecurringWith(schedule.Recurrence{
		When: schedule.Every(90 * time.Minute), Name: "morning", Missed: schedule.FireAll, Jitter: time.Minute, Payload: `{"name":"sales"}`,
	}, spec)})
	job := r.one()
	require.Equal(t, schedule.JobID("schedule#report#morning"), job.ID)
	require.Equal(t, schedule.FireAll, job.Missed)
	require.Equal(t, time.Minute, job.Jitter)
	require.Equal(t, `{"name":"sales"}`, string(job.Task.Payload))
	r.declare("shop", reported("report", "morning"))
	require.Equal(t, schedule.FireOnce, r.one().Missed)
	require.Zero(t, r.one().Jitter)
}
