package scheduletest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/schedule"
	"github.com/taskgen/taskgen/runtime/schedule/jobstore"
)

// A plainBroker takes a task as often as it is sent, and takes its time for each.
type plainBroker struct {
	runtime.Provider
	each time.Duration

	mu    sync.Mutex
	times map[string]int // how often the task of each firing was taken, by its ID
	calls []int          // how many tasks each call had
}

func (p *plainBroker) Open(ctx context.Context, cfg runtime.QueueConfig) (driver.Queue, error) {
	q, err := p.Provider.Open(ctx, cfg)
	return plainQueue{q, p}, err
}

type plainQueue struct {
	driver.Queue
	p *plainBroker
}

func (q plainQueue) Capabilities() driver.Capabilities {
	c := q.Queue.Capabilities()
	c.DedupWindow, c.UniqueUntilDone, c.RefusesIDs = 0, false, false
	return c
}

func (q plainQueue) Enqueue(ctx context.Context, tasks []*runtime.Task) ([]runtime.Enqueued, error) {
	var failed runtime.BatchError
	answers := make([]runtime.Enqueued, len(tasks))
	q.p.mu.Lock()
	q.p.calls = append(q.p.calls, len(tasks))
	q.p.mu.Unlock()
	for i, t := range tasks {
		if q.p.each > 0 {
			time.Sleep(q.p.each)
		}
		if err := ctx.Err(); err != nil {
			failed.Add(i, t.ID, err)
			continue
		}
		q.p.mu.Lock()
		q.p.times[t.ID]++
		q.p.mu.Unlock()
		answers[i] = runtime.Enqueued{ID: t.ID, Queue: t.Queue}
	}
	return answers, failed.OrNil()
}

// once returns how many firings were taken, and fails where one was taken twice.
func (p *plainBroker) once(t *testing.T) int {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, n := range p.times {
		require.Equal(t, 1, n, "firing %s", id)
	}
	return len(p.times)
}

func newPlainBroker(t *testing.T, each time.Duration) (*plainBroker, *runtime.Manager) {
	p := &plainBroker{Provider: memory.New(), each: each, times: make(map[string]int)}
	m := runtime.NewManager(runtime.ManagerConfig{})
	require.NoError(t, m.Open(ctx, p, runtime.QueueConfig{Name: "reports"}))
	t.Cleanup(func() { require.NoError(t, errors.Join(m.Close(), p.Close())) })
	return p, m
}

// arrears puts jobs with firings that nobody has fired.
func arrears(t *testing.T, store schedule.Store, jobs, firings int) {
	t.Helper()
	first := time.Now().Add(-time.Duration(firings)*time.Minute + 30*time.Second)
	for i := range jobs {
		e := &schedule.Entry{ID: schedule.JobID(fmt.Sprintf("job-%02d", i)), Wake: first, Body: jobstore.Body{
			When: schedule.Every(time.Minute), Overlap: schedule.AllowOverlap, Missed: schedule.FireAll, State: schedule.Scheduled, Next: first,
			Task: &runtime.Task{ID: "x", Type: "report", Queue: "reports", Payload: []byte(`{}`), CreatedAt: first},
		}}
		require.NoError(t, store.Put(ctx, e))
	}
}

// TestCatchUpIsWrittenDownStepByStep kills the scheduler at every step.
func TestCatchUpIsWrittenDownStepByStep(t *testing.T) {
	onStores(t, func(b *bench) {
		const jobs, firings = 3, 900
		p, m := newPlainBroker(b.T, 0)
		arrears(b.T, b.store, jobs, firings)
		for range 50 {
			n, err := schedule.New(&mortalStore{Store: b.store}, m, schedule.Config{Lease: time.Minute}).FireDue(ctx)
			if err == nil {
				require.Less(b, n, 400, "nobody is killed who has little to do")
				break
			}
			require.ErrorIs(b, err, errKilled)
		}
		require.Equal(b, jobs*firings, p.once(b.T))
		for _, calls := range p.calls {
			require.LessOrEqual(b, calls, 1000)
		}
		require.Greater(b, len(p.calls), 5)
	})
}

// A mortalStore has its process die when it claims for the third time.
type mortalStore struct {
	schedule.Store
	claims int
}

func (s *mortalStore) Claim(ctx context.Context, can func(jobstore.Needs) bool, limit int, lease time.Duration) ([]*schedule.Entry, time.Time, time.Duration, error) {
	if s.claims++; s.claims > 2 {
		return nil, time.Time{}, 0, errKilled
	}
	return s.Store.Claim(ctx, can, limit, lease)
}

// TestCatchUpFitsIntoTheLease has brokers of all speeds, by the clock of the bubble.
func TestCatchUpFitsIntoTheLease(t *testing.T) {
	for _, each := range []time.Duration{time.Microsecond, time.Millisecond, 20 * time.Millisecond, 500 * time.Millisecond} {
		t.Run(each.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, m := newPlainBroker(t, each)
				store := memory.NewJobs()
				const jobs, firings, lease = 10, 100, 3 * time.Second
				arrears(t, store, jobs, firings)
				var wg sync.WaitGroup
				defer wg.Wait()
				running, stop := context.WithCancel(t.Context())
				defer stop()
				for range 2 {
					s := schedule.New(store, m, schedule.Config{Lease: lease})
					wg.Go(func() { require.NoError(t, s.Run(running)) })
				}
				// Twice what the broker needs, and the pauses after the first steps.
				time.Sleep(2*jobs*firings*each + 10*time.Minute)
				require.GreaterOrEqual(t, p.once(t), jobs*firings)
				es, err := store.List(ctx, "", "", 100)
				require.NoError(t, err)
				for _, e := range es {
					require.Empty(t, e.Error)
					require.GreaterOrEqual(t, e.Fired, int64(firings))
				}
			})
		})
	}
}

func TestArrearsBeyondNumberStayOnTheGrid(t *testing.T) {
	const day = 24 * time.Hour
	for _, c := range []struct {
		name   string
		missed schedule.Missed
		most   int
		away   time.Duration
		fired  int64 // 20 are not missed
	}{
		{"once", schedule.FireOnce, 0, 400 * day, 21},
		{"all", schedule.FireAll, 5000, 400 * day, 5020},
		{"none", schedule.FireNone, 0, 400 * day, 20},
		{"for centuries", schedule.FireOnce, 0, 290 * 365 * day, 21},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDesk(t, schedule.Config{})
			const every = 3 * time.Second
			id := d.schedule(schedule.Job{When: schedule.Every(every), Missed: c.missed, MaxMissed: c.most})
			d.clock.Advance(c.away + time.Second)
			require.EqualValues(t, c.fired, d.fire())
			st := d.status(id)
			require.Equal(t, c.fired, st.Fired)
			require.EqualValues(t, c.away/every, st.Fired+st.Skipped, "none is forgotten")
			require.Equal(t, noon.Add(c.away).Add(every), st.Next)
			for _, task := range d.env.Tasks() {
				due, err := time.Parse(time.RFC3339, task.Metadata[schedule.MetaFiring])
				require.NoError(t, err)
				require.Zero(t, due.Sub(noon)%every, "%s is none of its times", due)
			}
		})
	}
}
