package scheduletest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/schedule"
)

// A stage is a scheduler that is stopped at one step of firing, where something else goes
// on.
type stage struct {
	*bench
	m     *runtime.Manager // whose middleware stops it before it enqueues
	pool  *runtime.Pool
	s     *schedule.Service // that goes on undisturbed
	touch func()
	at    string // "enqueue", "settle"

	mu   sync.Mutex
	runs map[string]int // of each firing, by its time
}

const (
	atEnqueue = "before it is enqueued"
	atSettle  = "before it is written down"
)

func newStage(b *bench, at string) *stage {
	st := &stage{bench: b, at: at, runs: make(map[string]int)}
	stop := func(next runtime.Enqueuer) runtime.Enqueuer {
		return runtime.EnqueuerFunc(func(ctx context.Context, tasks []*runtime.Task) ([]runtime.Enqueued, error) {
			st.stop(atEnqueue)
			return next.Enqueue(ctx, tasks)
		})
	}
	open := func(mw ...runtime.EnqueueMiddleware) *runtime.Manager {
		m := runtime.NewManager(runtime.ManagerConfig{Middleware: mw})
		require.NoError(b, m.Open(ctx, b.provider, runtime.QueueConfig{Name: "touched"}))
		b.Cleanup(func() { require.NoError(b, m.Close()) })
		return m
	}
	st.m = open(stop)
	free := open()
	st.s = schedule.New(b.store, free, schedule.Config{})
	r := runtime.NewRouter()
	count := runtime.HandlerFunc(func(_ context.Context, t *runtime.Task) error {
		st.mu.Lock()
		defer st.mu.Unlock()
		st.runs[t.Metadata[schedule.MetaFiring]]++
		return nil
	})
	r.Handle(runtime.Policy{Type: "tidy", Queue: "touched"}, count)
	r.Handle(runtime.Policy{Type: "sweep", Queue: "touched"}, count)
	var err error
	st.pool, err = runtime.NewPool(free, r, runtime.PoolConfig{})
	require.NoError(b, err)
	return st
}

// stop has things go on at a step, once.
func (st *stage) stop(at string) {
	if touch := st.touch; touch != nil && at == st.at {
		st.touch = nil
		touch()
	}
}

// others has another scheduler look, and workers run what is on the queue.
func (st *stage) others() {
	st.Helper()
	for range 2 {
		_, err := st.s.FireDue(ctx)
		require.NoError(st, err)
		_, err = st.pool.Drain(ctx)
		require.NoError(st, err)
	}
}

// A stageStore stops before it writes.
type stageStore struct {
	schedule.Store
	st *stage
}

func (s stageStore) Settle(ctx context.Context, es []*schedule.Entry) error {
	s.st.stop(atSettle)
	return s.Store.Settle(ctx, es)
}

// TestAJobThatIsTouchedWhileItFiresRunsOnce has somebody change a job between the steps of a
// scheduler that fires it, another scheduler look, and workers be quick.
func TestAJobThatIsTouchedWhileItFiresRunsOnce(t *testing.T) {
	const id = "schedule#tidy"
	every := schedule.Every(time.Hour)
	declare := func(st *stage, when schedule.When, overlap schedule.Overlap, name string, aliases ...string) {
		st.Helper()
		spec := &runtime.Spec[nothing]{Type: name, Aliases: aliases, Queue: "touched"}
		_, err := schedule.Declare(ctx, st.s, "shop", []schedule.Declaration{schedule.Recurring(when, overlap, spec)})
		require.NoError(st, err)
	}
	for name, touch := range map[string]struct {
		do  func(st *stage, overlap schedule.Overlap)
		end func(st *stage) // what the job is to be in the end
	}{
		"modify the payload": {
			func(st *stage, _ schedule.Overlap) {
				spec := &runtime.Spec[nothing]{Type: "tidy", Queue: "touched"}
				require.NoError(st, schedule.ModifyPayload(ctx, st.s, id, spec, &nothing{}, schedule.WithEnqueue(runtime.WithMaxRetries(7))))
			},
			func(st *stage) { require.Equal(st, 7, st.bench.at(id).Task.MaxRetries) },
		},
		"modify the time": {
			func(st *stage, _ schedule.Overlap) {
				require.NoError(st, st.s.Modify(ctx, id, schedule.Change{When: schedule.Every(5 * time.Hour)}))
			},
			func(st *stage) { require.Greater(st, time.Until(st.bench.at(id).Next), 4*time.Hour) },
		},
		"declare another time": {
			func(st *stage, overlap schedule.Overlap) { declare(st, schedule.Every(5*time.Hour), overlap, "tidy") },
			func(st *stage) { require.Greater(st, time.Until(st.bench.at(id).Next), 4*time.Hour) },
		},
		"rename": {
			func(st *stage, overlap schedule.Overlap) { declare(st, every, overlap, "sweep", "tidy") },
			func(st *stage) { require.NotZero(st, st.bench.at("schedule#sweep").Next) },
		},
		"pause": {
			func(st *stage, _ schedule.Overlap) { require.NoError(st, st.s.Pause(ctx, id)) },
			func(st *stage) { require.True(st, st.bench.at(id).Paused) },
		},
		"pause and resume": {
			func(st *stage, _ schedule.Overlap) {
				require.NoError(st, st.s.Pause(ctx, id))
				st.others()
				require.NoError(st, st.s.Resume(ctx, id))
			},
			func(st *stage) { require.False(st, st.bench.at(id).Paused) },
		},
		"run now": {
			func(st *stage, _ schedule.Overlap) {
				if _, err := st.s.RunNow(ctx, id); err != nil { // the queue has the firing
					require.ErrorIs(st, err, runtime.ErrDuplicate)
				}
			},
			func(st *stage) { require.NotZero(st, st.bench.at(id).Next) },
		},
		"cancel": {
			func(st *stage, _ schedule.Overlap) { require.NoError(st, st.s.Cancel(ctx, id)) },
			func(st *stage) { require.Equal(st, schedule.Cancelled, st.bench.at(id).State) },
		},
	} {
		for _, at := range []string{atEnqueue, atSettle} {
			for _, overlap := range []schedule.Overlap{schedule.AllowOverlap, schedule.SkipOverlap} {
				t.Run(name+"/"+at+"/"+string(overlap), func(t *testing.T) {
					onStores(t, func(b *bench) {
						st := newStage(b, at)
						declare(st, every, overlap, "tidy")
						e, err := b.store.Get(ctx, id)
						require.NoError(b, err)
						due := time.Now().Add(-time.Second).UTC().Truncate(time.Millisecond)
						e.Next, e.Wake = due, due
						require.NoError(b, b.store.Put(ctx, e))
						st.touch = func() {
							st.others() // workers have what is on the queue
							touch.do(st, overlap)
							st.others()
						}
						_, err = schedule.New(stageStore{b.store, st}, st.m, schedule.Config{}).FireDue(ctx)
						require.NoError(b, err)
						require.Nil(b, st.touch, "it fired")
						st.others()
						runs := st.runs[due.Format(time.RFC3339Nano)]
						switch {
						case name == "cancel" && at == atEnqueue, name == "run now" && overlap == schedule.SkipOverlap && at == atEnqueue:
							require.LessOrEqual(b, runs, 1)
						default:
							require.Equal(b, 1, runs)
						}
						for firing, n := range st.runs {
							require.Equal(b, 1, n, firing)
						}
						touch.end(st)
						if _, paused := map[string]bool{"pause": true, "cancel": true, "rename": true}[name]; !paused {
							require.True(b, st.bench.at(id).Next.After(time.Now()))
						}
					})
				})
			}
		}
	}
}
