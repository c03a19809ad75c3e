package scheduletest

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/internal/output"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/schedule"
	"github.com/taskgen/taskgen/runtime/schedule/jobstore"
)

// other is the service of another program on the same store, which has another queue.
func (b *bench) other(queue string, cfg schedule.Config) *schedule.Service {
	b.Helper()
	m, p := runtime.NewManager(runtime.ManagerConfig{}), memory.New()
	require.NoError(b, m.Open(ctx, p, runtime.QueueConfig{Name: queue}))
	b.Cleanup(func() { require.NoError(b, errors.Join(m.Close(), p.Close())) })
	return schedule.New(b.store, m, cfg)
}

func TestJobsAreLeftToWhoHasTheirQueue(t *testing.T) {
	onStores(t, func(b *bench) {
		other := b.other("billing", schedule.Config{})
		id, err := schedule.Add(ctx, b, schedule.At(time.Now().Add(-2*time.Minute)), reports(), ptr("sales"))
		require.NoError(b, err)
		before, err := b.store.Get(ctx, id)
		require.NoError(b, err)
		n, err := other.FireDue(ctx)
		require.NoError(b, err)
		require.Zero(b, n)
		after, err := b.store.Get(ctx, id)
		require.NoError(b, err)
		require.Equal(b, before.Version, after.Version, "nobody has touched it")
		st, err := other.Status(ctx, id)
		require.NoError(b, err)
		require.Contains(b, st.Error, "left to schedulers that have its queue")
		require.Empty(b, b.at(id).Error)
		b.fire()
		b.work()
		require.Equal(b, schedule.Succeeded, b.at(id).State)
	})
}

// TestSchedulersOfSeveralProgramsFireInTime has schedulers without the queue look all the
// time, beside the one that has it.
func TestSchedulersOfSeveralProgramsFireInTime(t *testing.T) {
	onStores(t, func(b *bench) {
		running, stop := context.WithTimeout(ctx, time.Minute)
		defer stop()
		var wg sync.WaitGroup
		defer wg.Wait()
		for range 3 {
			other := b.other("billing", schedule.Config{})
			wg.Go(func() { assert.NoError(b, other.Run(running)) })
		}
		wg.Go(func() { assert.NoError(b, b.Service.Run(running)) })
		id, err := schedule.Add(ctx, b, schedule.Every(50*time.Millisecond), &runtime.Spec[string]{Type: "report", Queue: "fast"}, ptr("sales"))
		require.NoError(b, err)
		require.Eventually(b, func() bool {
			st := b.at(id)
			require.Empty(b, st.Error)
			return st.Fired >= 10
		}, time.Minute, time.Millisecond)
		stop()
	})
}

// TestJobOfATimeZoneThatThisMachineDoesNotHaveIsLeftAlone has another machine, with that
// zone, have scheduled it.
func TestJobOfATimeZoneThatThisMachineDoesNotHaveIsLeftAlone(t *testing.T) {
	onStores(t, func(b *bench) {
		log := new(output.Buffer)
		s := schedule.New(b.store, b.m, schedule.Config{Logger: slog.New(slog.NewTextHandler(log, nil))})
		e := &schedule.Entry{ID: "nightly", Owner: "shop", Wake: time.Now().Add(-time.Hour), Body: jobstore.Body{
			When: schedule.Cron("@daily", "Moon/Sea"), Overlap: schedule.AllowOverlap, Missed: schedule.FireOnce, State: schedule.Scheduled,
			Next: time.Now().Add(-time.Hour), Task: &runtime.Task{ID: "x", Type: "report", Queue: "fast", Payload: []byte(`"a"`), CreatedAt: time.Now()},
		}}
		require.NoError(b, b.store.Put(ctx, e))
		for range 3 {
			n, err := s.FireDue(ctx)
			require.NoError(b, err)
			require.Zero(b, n)
		}
		require.Equal(b, 1, strings.Count(log.String(), "\n"), "said once: %s", log)
		require.Contains(b, log.String(), "Moon/Sea")
		got, err := b.store.Get(ctx, "nightly")
		require.NoError(b, err)
		require.Equal(b, e.Version, got.Version, "nobody has touched it")
		st, err := s.Status(ctx, "nightly")
		require.NoError(b, err)
		require.Contains(b, st.Error, "Moon/Sea")
		_, err = s.RunNow(ctx, "nightly")
		require.NoError(b, err, "now is the same everywhere")
		require.NoError(b, s.Cancel(ctx, "nightly"))
	})
}

// A job that was written by a build which did not say what it needs is given back by who
// cannot fire it.
func TestJobThatDoesNotSayWhatItNeedsIsGivenBack(t *testing.T) {
	b := newBench(t, memory.New(), memory.NewJobs())
	id, err := schedule.Add(ctx, b, schedule.At(time.Now().Add(-time.Second)), reports(), ptr("sales"))
	require.NoError(t, err)
	b.store = &blindStore{Store: b.store}
	n, err := b.other("billing", schedule.Config{}).FireDue(ctx)
	require.NoError(t, err)
	require.Zero(t, n)
	b.fire()
	require.EqualValues(t, 1, b.at(id).Fired)
}

// A blindStore gives out all jobs, once.
type blindStore struct {
	schedule.Store
	seen bool
}

func (s *blindStore) Claim(ctx context.Context, can func(jobstore.Needs) bool, limit int, lease time.Duration) ([]*schedule.Entry, time.Time, time.Duration, error) {
	if !s.seen {
		s.seen, can = true, func(jobstore.Needs) bool { return true }
	}
	return s.Store.Claim(ctx, can, limit, lease)
}

func TestJobThatCannotBeReadStopsNobody(t *testing.T) {
	onStores(t, func(b *bench) {
		const owner = "shop"
		bad := func(id schedule.JobID) {
			b.Helper()
			e := &schedule.Entry{ID: id, Owner: owner, Wake: time.Now().Add(-time.Minute), Unreadable: []byte(`{"when":{},"task":{"v":2}}`)}
			require.NoError(b, b.store.Put(ctx, e))
		}
		log := new(output.Buffer)
		s := schedule.New(b.store, b.m, schedule.Config{Logger: slog.New(slog.NewTextHandler(log, nil))})
		declare := func(names ...string) string {
			b.Helper()
			var jobs []schedule.Declaration
			for _, name := range names {
				jobs = append(jobs, schedule.Recurring(schedule.Every(time.Hour), "", &runtime.Spec[string]{Type: name, Queue: "fast"}))
			}
			changes, err := schedule.Declare(ctx, s, owner, jobs)
			require.NoError(b, err)
			return changes.String()
		}
		bad("bad")
		bad("schedule#tidy") // which this version declares
		bad("schedule#gone") // which it does not any more
		id, err := schedule.Add(ctx, s, schedule.At(time.Now().Add(-time.Second)), reports(), ptr("sales"))
		require.NoError(b, err)
		n, err := s.FireDue(ctx)
		require.NoError(b, err)
		require.Equal(b, 1, n)
		require.EqualValues(b, 1, b.at(id).Fired)
		require.Equal(b, 1, strings.Count(log.String(), "set aside"), log)

		page, _, err := s.List(ctx, schedule.Filter{State: schedule.Unreadable}, "", 10)
		require.NoError(b, err)
		require.Len(b, page, 3)
		require.Contains(b, page[0].Error, "version 2")
		require.NotNil(b, page[0].Task)
		require.NotZero(b, page[0].Next)
		for name, err := range map[string]error{
			"modify": s.Modify(ctx, "bad", schedule.Change{When: schedule.In(time.Hour)}),
			"pause":  s.Pause(ctx, "bad"),
			"resume": s.Resume(ctx, "bad"),
			"run":    func() error { _, err := s.RunNow(ctx, "bad"); return err }(),
		} {
			require.ErrorIs(b, err, schedule.ErrUnreadable, name)
		}
		require.NoError(b, s.Cancel(ctx, "bad"))
		require.NoError(b, s.Cancel(ctx, "bad"), "again")
		require.Equal(b, schedule.Cancelled, b.at("bad").State)
		_, err = schedule.Add(ctx, s, schedule.In(time.Hour), reports(), ptr("costs"), schedule.WithID("bad"))
		require.NoError(b, err, "its ID is free")

		require.Equal(b, "- schedule#gone\n~ schedule#tidy\n", declare("tidy"))
		st := b.at("schedule#tidy")
		require.Equal(b, schedule.Scheduled, st.State)
		require.True(b, st.Next.After(time.Now()))
		require.Empty(b, declare("tidy"))
	})
}
