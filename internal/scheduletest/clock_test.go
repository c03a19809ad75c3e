package scheduletest

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/internal/output"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/schedule"
	"github.com/taskgen/taskgen/runtime/schedule/jobstore"
	"github.com/taskgen/taskgen/runtime/tasktest"
)

// TestStoreWhoseClockIsAheadForASecondSilencesNoJob has a clock leap by days, jobs fire, and
// the clock come back.
func TestStoreWhoseClockIsAheadForASecondSilencesNoJob(t *testing.T) {
	onRegistries(t, func(r *registry, _ int) {
		times := map[string]schedule.When{
			"every 5 hours": schedule.Every(5 * time.Hour), "daily": schedule.Cron("30 15 * * *", "Europe/Berlin"), "@every": schedule.Cron("@every 11h", ""),
		}
		for name, when := range times {
			task := task()
			task.Type = name
			_, err := r.s.Schedule(ctx, schedule.Job{ID: schedule.JobID(name), When: when, Task: task})
			require.NoError(r, err)
		}
		_, err := r.s.Schedule(ctx, schedule.Job{ID: "far", When: schedule.At(noon.Add(100 * time.Hour)), Task: task()})
		require.NoError(r, err)
		fire := func() int {
			r.Helper()
			n, err := r.s.FireDue(ctx)
			require.NoError(r, err)
			return n
		}
		require.Zero(r, fire())
		const ahead = 91 * time.Hour
		r.clock.Advance(ahead)
		require.Equal(r, len(times), fire())
		r.clock.Advance(-ahead)
		require.Zero(r, fire())
		for name := range times {
			st, err := r.s.Status(ctx, schedule.JobID(name))
			require.NoError(r, err)
			require.LessOrEqual(r, st.Next.Sub(noon), 24*time.Hour, "%s is due at %s", name, st.Next)
		}
		st, err := r.s.Status(ctx, "far")
		require.NoError(r, err)
		require.Equal(r, noon.Add(100*time.Hour), st.Next.UTC())
		seen := make(map[string]int)
		for range 72 {
			r.clock.Advance(time.Hour)
			fire()
		}
		for _, task := range r.env.Tasks() {
			seen[task.Type]++
		}
		// Each fired once while the clock was ahead, but at a time that has not come again.
		require.Equal(r, map[string]int{"every 5 hours": 1 + 14, "daily": 1 + 3, "@every": 1 + 6}, seen)
	})
}

// A leaping store says for once that it is later than it is.
type leapingStore struct {
	schedule.Store
	leap time.Duration
	die  bool // the claim is all that its caller does
}

func (s *leapingStore) Claim(ctx context.Context, can func(jobstore.Needs) bool, limit int, lease time.Duration) ([]*schedule.Entry, time.Time, time.Duration, error) {
	leap := s.leap
	s.leap = 0
	es, now, wait, err := s.Store.Claim(ctx, can, limit, lease+leap)
	if leap > 0 && s.die {
		return nil, now.Add(leap), wait, err
	}
	return es, now.Add(leap), wait, err
}

func TestJobsGoOnAfterAWrongClock(t *testing.T) {
	const ahead = 72 * time.Hour
	onStores(t, func(b *bench) {
		id, err := schedule.Add(ctx, b, schedule.Every(2*time.Hour), &runtime.Spec[string]{Type: "report", Queue: "fast"}, ptr("sales"))
		require.NoError(b, err)
		e, err := b.store.Get(ctx, id)
		require.NoError(b, err)
		e.Next = time.Now().Add(-time.Second)
		e.Wake = e.Next
		require.NoError(b, b.store.Put(ctx, e))

		// It is leased for days by who claims it with a wrong clock, and dies.
		log := new(output.Buffer)
		s := schedule.New(&leapingStore{Store: b.store, leap: ahead, die: true}, b.m, schedule.Config{Logger: slog.New(slog.NewTextHandler(log, nil))})
		fired := 0
		for range 3 { // the first claims it, the second sees that the clock has gone back
			n, err := s.FireDue(ctx)
			require.NoError(b, err)
			fired += n
		}
		require.Contains(b, log.String(), "has gone back")
		require.Equal(b, 1, fired)

		// A process that is gone has left it to wait for days.
		e, err = b.store.Get(ctx, id)
		require.NoError(b, err)
		next := e.Next
		e.Next = e.Next.Add(ahead)
		e.Wake = e.Next
		require.NoError(b, b.store.Put(ctx, e))
		running, stop := context.WithTimeout(ctx, time.Minute)
		var wg sync.WaitGroup
		wg.Go(func() { require.NoError(b, b.Service.Run(running)) })
		require.Eventually(b, func() bool { return b.at(id).Next.Equal(next) }, time.Minute, time.Millisecond)
		stop()
		wg.Wait()
	})
}

// TestTimesAreByTheStoresClock has the clock of a machine off by minutes.
func TestTimesAreByTheStoresClock(t *testing.T) {
	for _, off := range []time.Duration{-5 * time.Minute, 5 * time.Minute} {
		t.Run(fmt.Sprint(off), func(t *testing.T) {
			onStores(t, func(b *bench) {
				clock := tasktest.NewClock(time.Now().Add(off))
				m := runtime.NewManager(runtime.ManagerConfig{Clock: clock})
				p, ok := b.store.(interface {
					Now(context.Context) (time.Time, error)
				})
				require.True(b, ok)
				require.NoError(b, m.Open(ctx, b.provider, runtime.QueueConfig{Name: "fast"}))
				b.Cleanup(func() { require.NoError(b, m.Close()) })
				log := new(output.Buffer)
				s := schedule.New(b.store, m, schedule.Config{Logger: slog.New(slog.NewTextHandler(log, nil))})
				spec := &runtime.Spec[string]{Type: "report", Queue: "fast"}
				for _, missed := range []schedule.Missed{schedule.FireOnce, schedule.FireNone} {
					for _, when := range []schedule.When{schedule.In(time.Minute), schedule.Every(time.Minute), schedule.Cron("@every 1m", "")} {
						before, err := p.Now(ctx)
						require.NoError(b, err)
						id, err := schedule.Add(ctx, s, when, spec, ptr("sales"), schedule.WithMissed(missed, 0))
						require.NoError(b, err)
						after, err := p.Now(ctx)
						require.NoError(b, err)
						next := b.at(id).Next.Add(-time.Minute)
						require.False(b, next.Before(before.Add(-time.Second)) || next.After(after), "%s after the call", next.Sub(before))
						require.Equal(b, schedule.Scheduled, b.at(id).State)
					}
				}
				n, err := s.FireDue(ctx)
				require.NoError(b, err)
				require.Zero(b, n)
				require.InDelta(b, off, s.Skew(), float64(2*time.Minute))
				require.Equal(b, 1, strings.Count(log.String(), "the clock of this machine differs from the clock of the job store"), "%s", log)

				id, err := schedule.Add(ctx, s, schedule.Every(time.Hour), spec, ptr("sales"))
				require.NoError(b, err)
				_, err = s.RunNow(ctx, id)
				require.NoError(b, err)
				now, err := p.Now(ctx)
				require.NoError(b, err)
				require.WithinDuration(b, now, b.at(id).Last.Due, time.Minute)
			})
		})
	}
}
