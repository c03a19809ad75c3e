package scheduletest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/schedule"
	"github.com/taskgen/taskgen/runtime/tasktest"
)

// A desk is a service over a store and a queue in memory, on a clock that stands
// still.
type desk struct {
	*testing.T
	clock *tasktest.Clock
	env   *tasktest.Env
	store *memory.Jobs
	s     *schedule.Service
}

var (
	ctx  = context.Background()
	noon = time.Date(2037, 3, 2, 12, 0, 0, 0, time.UTC)
)

func newDesk(t *testing.T, cfg schedule.Config) *desk {
	env := tasktest.New(t, []runtime.QueueConfig{{Name: "reports"}})
	env.Clock.Advance(noon.Sub(env.Clock.Now()))
	store := memory.NewJobs(memory.WithClock(env.Clock))
	return &desk{T: t, clock: env.Clock, env: env, store: store, s: schedule.New(store, env.Manager, cfg)}
}

func task() *runtime.Task {
	return &runtime.Task{ID: "template", Type: "report", Queue: "reports", Payload: []byte(`{"n":1}`), CreatedAt: noon, MaxRetries: 2}
}

func (d *desk) schedule(job schedule.Job) schedule.JobID {
	d.Helper()
	if job.Task == nil {
		job.Task = task()
	}
	id, err := d.s.Schedule(ctx, job)
	require.NoError(d, err)
	return id
}

// fire fires what is due and returns how many tasks that made.
func (d *desk) fire() int {
	d.Helper()
	n, err := d.s.FireDue(ctx)
	require.NoError(d, err)
	return n
}

func (d *desk) handle(f runtime.HandlerFunc) {
	d.env.Router.Handle(runtime.Policy{Type: "report", Queue: "reports"}, f)
}

func (d *desk) status(id schedule.JobID) schedule.Status {
	d.Helper()
	st, err := d.s.Status(ctx, id)
	require.NoError(d, err)
	return st
}

func TestOnceJobFiresAtItsTimeAndNeverAgain(t *testing.T) {
	d := newDesk(t, schedule.Config{})
	id := d.schedule(schedule.Job{When: schedule.In(time.Minute)})
	require.Equal(t, noon.Add(time.Minute), d.status(id).Next)
	d.clock.Advance(time.Minute - 1)
	require.Zero(t, d.fire())
	require.Equal(t, schedule.Scheduled, d.status(id).State)
	d.clock.Advance(1)
	require.Equal(t, 1, d.fire())
	st := d.status(id)
	require.Equal(t, schedule.Enqueued, st.State)
	require.Zero(t, st.Next)
	require.EqualValues(t, 1, st.Fired)
	d.clock.Advance(time.Hour)
	require.Zero(t, d.fire())
	sent := d.env.Tasks()
	require.Len(t, sent, 1)
	require.Equal(t, st.Last.TaskID, sent[0].ID)
	require.Equal(t, string(id), sent[0].Metadata[schedule.MetaJob])
	require.JSONEq(t, `{"n":1}`, string(sent[0].Payload))
}

func TestRecurringJobKeepsItsTimes(t *testing.T) {
	d := newDesk(t, schedule.Config{})
	id := d.schedule(schedule.Job{When: schedule.Cron("*/5 * * * *", "Europe/Berlin")})
	for i := range 4 {
		d.clock.Advance(5*time.Minute + time.Duration(i)*time.Second) // later and later
		require.Equal(t, 1, d.fire())
	}
	var due []string
	for _, s := range d.env.Tasks() {
		due = append(due, s.Metadata[schedule.MetaFiring])
	}
	require.Equal(t, []string{"2037-03-02T12:05:00Z", "2037-03-02T12:10:00Z", "2037-03-02T12:15:00Z", "2037-03-02T12:20:00Z"}, due)
	require.True(t, noon.Add(25*time.Minute).Equal(d.status(id).Next))
}

func TestMissedFirings(t *testing.T) {
	for _, c := range []struct {
		missed         schedule.Missed
		most           int
		fired, skipped int64
	}{
		{schedule.FireOnce, 0, 2, 8}, // the newest of those that are missed, and the one that is due now
		{schedule.FireAll, 0, 10, 0},
		{schedule.FireAll, 3, 4, 6},
		{schedule.FireNone, 0, 1, 9},
	} {
		t.Run(fmt.Sprint(c.missed, c.most), func(t *testing.T) {
			d := newDesk(t, schedule.Config{})
			id := d.schedule(schedule.Job{When: schedule.Every(time.Hour), Missed: c.missed, MaxMissed: c.most})
			d.clock.Advance(10*time.Hour + time.Second)
			require.EqualValues(t, c.fired, d.fire())
			st := d.status(id)
			require.Equal(t, c.fired, st.Fired)
			require.Equal(t, c.skipped, st.Skipped)
			require.Equal(t, noon.Add(11*time.Hour), st.Next)
			require.Equal(t, noon.Add(10*time.Hour).Format(time.RFC3339), d.env.Tasks()[c.fired-1].Metadata[schedule.MetaFiring])
		})
	}
}

func TestLongArrearsEndSomewhere(t *testing.T) {
	d := newDesk(t, schedule.Config{})
	d.schedule(schedule.Job{When: schedule.Every(time.Millisecond), Missed: schedule.FireNone})
	d.clock.Advance(10 * 365 * 24 * time.Hour)
	require.LessOrEqual(t, d.fire(), int(schedule.DefaultMissedAfter/time.Millisecond)+1)
	require.Zero(t, d.fire())
}

func TestServiceThatDiesBetweenEnqueueAndSettleFiresOnce(t *testing.T) {
	for _, done := range []bool{false, true} {
		t.Run(fmt.Sprintf("task done meanwhile: %v", done), func(t *testing.T) {
			d := newDesk(t, schedule.Config{})
			id := d.schedule(schedule.Job{When: schedule.Every(time.Hour)})
			d.clock.Advance(time.Hour)
			dying := schedule.New(&deadlyStore{Store: d.store}, d.env.Manager, schedule.Config{})
			_, err := dying.FireDue(ctx)
			require.ErrorIs(t, err, errKilled)
			if done {
				d.handle(func(context.Context, *runtime.Task) error { return nil })
				require.Len(t, d.env.RequireDrain(), 1)
			}
			require.Zero(t, d.fire(), "its lease holds")
			d.clock.Advance(schedule.DefaultLease)
			d.fire()
			require.Len(t, d.env.Tasks(), 1, "the queue took the firing once")
			st := d.status(id)
			require.EqualValues(t, 1, st.Fired)
			require.Equal(t, noon.Add(2*time.Hour), st.Next)
		})
	}
}

// TestFiringThatAWorkerHasHadIsNotFiredAgain has the key by which the queue tells
// firings apart go free with the task's end.
func TestFiringThatAWorkerHasHadIsNotFiredAgain(t *testing.T) {
	d := newDesk(t, schedule.Config{})
	d.env.Router.Use(schedule.Track(d.store, "worker-1", nil))
	d.handle(func(context.Context, *runtime.Task) error { return nil })
	id := d.schedule(schedule.Job{When: schedule.Every(time.Hour), Overlap: schedule.SkipOverlap})
	d.clock.Advance(time.Hour)
	dying := schedule.New(&deadlyStore{Store: d.store}, d.env.Manager, schedule.Config{})
	_, err := dying.FireDue(ctx)
	require.ErrorIs(t, err, errKilled)
	require.Len(t, d.env.RequireDrain(), 1)
	d.clock.Advance(schedule.DefaultLease)
	require.Zero(t, d.fire(), "it was done")
	require.Empty(t, d.env.Drain())
	st := d.status(id)
	require.EqualValues(t, 1, st.Fired)
	require.Equal(t, schedule.Succeeded, st.State)
	require.Equal(t, noon.Add(2*time.Hour), st.Next)
}

var errKilled = fmt.Errorf("killed")

// A deadlyStore never hears what became of what it handed out.
type deadlyStore struct{ schedule.Store }

func (*deadlyStore) Settle(context.Context, []*schedule.Entry) error { return errKilled }

func TestModifyChangesTimeAndPayloadAndKeepsTheID(t *testing.T) {
	d := newDesk(t, schedule.Config{})
	id := d.schedule(schedule.Job{When: schedule.In(time.Hour)})
	other := task()
	other.Payload = []byte(`{"n":2}`)
	require.NoError(t, d.s.Modify(ctx, id, schedule.Change{When: schedule.In(time.Minute), Task: other}))
	d.clock.Advance(time.Minute)
	require.Equal(t, 1, d.fire())
	require.JSONEq(t, `{"n":2}`, string(d.env.Tasks()[0].Payload))
	require.ErrorIs(t, d.s.Modify(ctx, id, schedule.Change{Task: other}), schedule.ErrJobEnded)
	require.NoError(t, d.s.Modify(ctx, id, schedule.Change{When: schedule.Every(time.Minute)}), "a time makes it due again")
	d.clock.Advance(time.Minute)
	require.Equal(t, 1, d.fire())
	require.ErrorIs(t, d.s.Modify(ctx, id, schedule.Change{When: schedule.Cron("0 0 30 2 *", "")}), schedule.ErrInvalidJob)
	require.Equal(t, schedule.Every(time.Minute), d.status(id).When, "a change that is refused changes nothing")
	require.ErrorIs(t, d.s.Modify(ctx, "nobody", schedule.Change{}), schedule.ErrJobNotFound)
}

func TestCancelledJobFiresNoMore(t *testing.T) {
	d := newDesk(t, schedule.Config{})
	id := d.schedule(schedule.Job{When: schedule.Every(time.Minute)})
	d.clock.Advance(time.Minute)
	require.Equal(t, 1, d.fire())
	require.NoError(t, d.s.Cancel(ctx, id))
	require.NoError(t, d.s.Cancel(ctx, id), "once more changes nothing")
	d.clock.Advance(time.Hour)
	require.Zero(t, d.fire())
	require.Equal(t, schedule.Cancelled, d.status(id).State)
	require.Empty(t, d.env.Drain(), "the task that was on the queue went too")
	d.clock.Advance(schedule.DefaultRetention)
	d.fire()
	_, err := d.s.Status(ctx, id)
	require.ErrorIs(t, err, schedule.ErrJobNotFound, "ended jobs are forgotten in time")
}

func TestJobCancelledWhileItFiresLeavesNoTask(t *testing.T) {
	d := newDesk(t, schedule.Config{})
	id := d.schedule(schedule.Job{When: schedule.Every(time.Minute)})
	d.clock.Advance(time.Minute)
	between := schedule.New(&hookedStore{Store: d.store, before: func() { require.NoError(t, d.s.Cancel(ctx, id)) }}, d.env.Manager, schedule.Config{})
	_, err := between.FireDue(ctx)
	require.NoError(t, err)
	require.Equal(t, schedule.Cancelled, d.status(id).State)
	d.handle(func(context.Context, *runtime.Task) error { return nil })
	require.Empty(t, d.env.Drain())
}

func TestJobModifiedWhileItFiresKeepsTheChange(t *testing.T) {
	d := newDesk(t, schedule.Config{})
	id := d.schedule(schedule.Job{When: schedule.Every(time.Minute)})
	d.clock.Advance(time.Minute)
	between := schedule.New(&hookedStore{Store: d.store, before: func() {
		require.NoError(t, d.s.Modify(ctx, id, schedule.Change{When: schedule.Every(time.Hour)}))
	}}, d.env.Manager, schedule.Config{})
	_, err := between.FireDue(ctx)
	require.NoError(t, err)
	st := d.status(id)
	require.Equal(t, noon.Add(time.Minute+time.Hour), st.Next)
	require.EqualValues(t, 1, st.Fired)
}

// A hookedStore does something just before what a service fired is settled.
type hookedStore struct {
	schedule.Store
	before func()
}

func (s *hookedStore) Settle(ctx context.Context, es []*schedule.Entry) error {
	s.before()
	return s.Store.Settle(ctx, es)
}

func TestPausedJobMakesUpForWhatItMissed(t *testing.T) {
	d := newDesk(t, schedule.Config{})
	id := d.schedule(schedule.Job{When: schedule.Every(time.Hour), Missed: schedule.FireAll})
	require.NoError(t, d.s.Pause(ctx, id))
	d.clock.Advance(5 * time.Hour)
	require.Zero(t, d.fire())
	require.True(t, d.status(id).Paused)
	require.NoError(t, d.s.Resume(ctx, id))
	require.Equal(t, 5, d.fire())
}

func TestRunNowRunsOnceMore(t *testing.T) {
	d := newDesk(t, schedule.Config{})
	id := d.schedule(schedule.Job{When: schedule.In(time.Hour)})
	first, err := d.s.RunNow(ctx, id)
	require.NoError(t, err)
	second, err := d.s.RunNow(ctx, id)
	require.NoError(t, err)
	require.NotEqual(t, first, second)
	require.Len(t, d.env.Tasks(), 2)
	require.Equal(t, noon.Add(time.Hour), d.status(id).Next, "it is due as before")
	d.clock.Advance(time.Hour)
	require.Equal(t, 1, d.fire())
}

func TestOverlapSkipLeavesFiringsOutWhileTheLastIsNotDone(t *testing.T) {
	d := newDesk(t, schedule.Config{})
	id := d.schedule(schedule.Job{When: schedule.Every(time.Minute), Overlap: schedule.SkipOverlap})
	d.handle(func(context.Context, *runtime.Task) error { return nil })
	for range 3 {
		d.clock.Advance(time.Minute)
		d.fire()
	}
	st := d.status(id)
	require.EqualValues(t, 1, st.Fired)
	require.EqualValues(t, 2, st.Skipped)
	_, err := d.s.RunNow(ctx, id)
	require.ErrorIs(t, err, runtime.ErrDuplicate)
	require.Len(t, d.env.RequireDrain(), 1)
	d.clock.Advance(time.Minute)
	require.Equal(t, 1, d.fire())
}

func TestJitterSpreadsJobsOfOneTime(t *testing.T) {
	d := newDesk(t, schedule.Config{})
	const jobs = 200
	for range jobs {
		d.schedule(schedule.Job{When: schedule.Cron("0 13 * * *", ""), Jitter: 100 * time.Second})
	}
	d.clock.Advance(time.Hour - 1)
	require.Zero(t, d.fire(), "none is early")
	most, total := 0, 0
	for range 100 {
		d.clock.Advance(time.Second)
		n := d.fire()
		most, total = max(most, n), total+n
	}
	require.Equal(t, jobs, total)
	require.Less(t, most, 20)
}

func TestStatusFollowsTheTask(t *testing.T) {
	d := newDesk(t, schedule.Config{})
	d.env.Router.Use(schedule.Track(d.store, "worker-1", nil))
	id := d.schedule(schedule.Job{When: schedule.In(time.Minute)})
	var seen []schedule.Status
	fail := true
	d.handle(func(ctx context.Context, _ *runtime.Task) error {
		runtime.Progress(ctx, 3, 10, "pages")
		if len(seen) == 0 { // the store is told behind the handler
			require.Eventually(t, func() bool { return d.status(id).Last.Progress.Done == 3 }, time.Minute, time.Millisecond)
		}
		seen = append(seen, d.status(id))
		if fail {
			return runtime.RetryAfter(time.Second, errKilled)
		}
		return nil
	})
	d.clock.Advance(time.Minute)
	d.fire()
	d.env.Drain()
	require.Equal(t, schedule.Running, seen[0].State)
	require.Equal(t, driver.ProgressReport{Done: 3, Total: 10, Note: "pages"}, seen[0].Last.Progress)
	st := d.status(id)
	require.Equal(t, schedule.Failed, st.State)
	require.Equal(t, "killed", st.Last.Error)
	require.Equal(t, 1, st.Last.Attempts)
	fail = false
	d.clock.Advance(time.Second)
	require.Len(t, d.env.RequireDrain(), 1)
	st = d.status(id)
	require.Equal(t, schedule.Succeeded, st.State)
	require.Equal(t, 2, st.Last.Attempts)
	require.Equal(t, "worker-1", st.Last.Worker)

	dead := d.schedule(schedule.Job{When: schedule.In(time.Minute)})
	d.env.Router.Use(func(next runtime.Handler) runtime.Handler { return next })
	fail = true
	d.clock.Advance(time.Minute)
	d.fire()
	for range 3 {
		d.env.Drain()
		d.clock.Advance(time.Second)
	}
	st = d.status(dead)
	require.Equal(t, schedule.Dead, st.State)
	require.Equal(t, 3, st.Last.Attempts)
}

func TestFiringThatCannotBeEnqueuedIsTriedAgain(t *testing.T) {
	env := tasktest.New(t, []runtime.QueueConfig{{Name: "reports", Capacity: 1}})
	env.Clock.Advance(noon.Sub(env.Clock.Now()))
	store := memory.NewJobs(memory.WithClock(env.Clock))
	d := &desk{T: t, clock: env.Clock, env: env, store: store, s: schedule.New(store, env.Manager, schedule.Config{})}
	d.handle(func(context.Context, *runtime.Task) error { return nil })
	id := d.schedule(schedule.Job{When: schedule.Every(time.Minute), Missed: schedule.FireAll})
	d.clock.Advance(3 * time.Minute)
	require.Equal(t, 1, d.fire())
	st := d.status(id)
	require.Contains(t, st.Error, "full")
	require.Equal(t, noon.Add(2*time.Minute), st.Next, "it goes on from the firing that failed")
	for range 2 {
		d.env.RequireDrain()
		d.clock.Advance(time.Second)
		require.Equal(t, 1, d.fire())
	}
	st = d.status(id)
	require.EqualValues(t, 3, st.Fired)
	require.Empty(t, st.Error)
}

func TestRunFiresAtTheTimeAndStopsCleanly(t *testing.T) {
	d := newDesk(t, schedule.Config{})
	running, stop := context.WithCancel(ctx)
	ended := make(chan error)
	go func() { ended <- d.s.Run(running) }()
	id := d.schedule(schedule.Job{When: schedule.Every(time.Second)})
	require.Eventually(t, func() bool {
		d.clock.Advance(time.Second)
		return d.status(id).Fired >= 5
	}, 30*time.Second, time.Millisecond)
	stop()
	require.NoError(t, <-ended)
}

func TestScheduleRefusesWhatCannotWork(t *testing.T) {
	d := newDesk(t, schedule.Config{})
	soon := schedule.In(time.Second)
	nowhere := task()
	nowhere.Queue = "nowhere"
	unique := task()
	unique.UniqueKey = "k"
	broken := task()
	broken.Payload = []byte("{")
	for name, c := range map[string]struct {
		job  schedule.Job
		want error
	}{
		"no time":         {schedule.Job{Task: task()}, schedule.ErrInvalidJob},
		"no task":         {schedule.Job{When: soon}, schedule.ErrInvalidJob},
		"never fires":     {schedule.Job{Task: task(), When: schedule.Cron("0 0 31 4 *", "")}, schedule.ErrInvalidJob},
		"no such zone":    {schedule.Job{Task: task(), When: schedule.Cron("@daily", "Moon/Sea")}, schedule.ErrInvalidJob},
		"after 9999":      {schedule.Job{Task: task(), When: schedule.At(time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC))}, schedule.ErrInvalidJob},
		"before year 1":   {schedule.Job{Task: task(), When: schedule.At(time.Time{}.Add(-1))}, schedule.ErrInvalidJob},
		"a zero time":     {schedule.Job{Task: task(), When: schedule.At(time.Time{}.In(time.FixedZone("there", 3600)))}, schedule.ErrInvalidJob},
		"too often":       {schedule.Job{Task: task(), When: schedule.Every(1)}, schedule.ErrInvalidJob},
		"unknown queue":   {schedule.Job{Task: nowhere, When: soon}, runtime.ErrUnknownQueue},
		"not JSON":        {schedule.Job{Task: broken, When: soon}, schedule.ErrInvalidJob},
		"its own key":     {schedule.Job{Task: unique, When: soon, Overlap: schedule.SkipOverlap}, schedule.ErrInvalidJob},
		"unknown overlap": {schedule.Job{Task: task(), When: soon, Overlap: "maybe"}, schedule.ErrInvalidJob},
		"unknown missed":  {schedule.Job{Task: task(), When: soon, Missed: "maybe"}, schedule.ErrInvalidJob},
		"negative jitter": {schedule.Job{Task: task(), When: soon, Jitter: -1}, schedule.ErrInvalidJob},
		"too many missed": {schedule.Job{Task: task(), When: soon, MaxMissed: 1 << 30}, schedule.ErrInvalidJob},
		"the ID is taken": {schedule.Job{ID: "taken", Task: task(), When: soon}, schedule.ErrJobExists},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "the ID is taken" {
				d.schedule(c.job)
			}
			_, err := d.s.Schedule(ctx, c.job)
			require.ErrorIs(t, err, c.want)
		})
	}
}
