package history_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/history"
	"github.com/taskgen/taskgen/runtime/history/historystore"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/observe"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// canary is the payload of each task: nobody but a handler may see it.
const canary = "canary-4711"

var mail = runtime.Spec[string]{Type: "mail", Queue: "q", Shape: "000000000002", Timeout: time.Hour, Retry: runtime.RetryPolicy{Max: 1}}

// A program has a pool with a history.
type program struct {
	*testing.T
	history *history.History
	m       *runtime.Manager
	pool    *runtime.Pool
	handle  func(ctx context.Context) error // nil: it succeeds
}

func newProgram(t *testing.T, store history.Store, cfg history.Config, queue runtime.QueueConfig) *program {
	t.Helper()
	p := &program{T: t, history: history.New(store, cfg)}
	provider := memory.New()
	p.m = runtime.NewManager(runtime.ManagerConfig{Listeners: []*observe.Listener{p.history.Listener()}})
	queue.Name = "q"
	require.NoError(t, p.m.Open(t.Context(), provider, queue))
	r := runtime.NewRouter()
	runtime.Register(r, &mail, func(ctx context.Context, _ string) error {
		if p.handle != nil {
			return p.handle(ctx)
		}
		return nil
	})
	var err error
	p.pool, err = runtime.NewPool(p.m, r, runtime.PoolConfig{Name: "mailer-1", Workers: 1, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, p.m.Close())
		require.NoError(t, provider.Close())
	})
	return p
}

func (p *program) start() {
	p.Helper()
	require.NoError(p, p.pool.Start(p.Context()))
	p.Cleanup(func() { require.NoError(p, p.pool.Stop(context.Background())) })
}

func (p *program) enqueue(id string, opts ...runtime.EnqueueOption) {
	p.Helper()
	payload := canary
	_, err := runtime.Enqueue(p.Context(), p.m, &mail, &payload, append(opts, runtime.WithID(id))...)
	require.NoError(p, err)
}

// task returns the timeline of a task.
func (p *program) task(id string) []history.Record {
	p.Helper()
	records, err := p.history.Task(p.Context(), id)
	require.NoError(p, err)
	return records
}

// outcomes are those of a timeline.
func outcomes(records []history.Record) []history.Outcome {
	var all []history.Outcome
	for _, r := range records {
		all = append(all, r.Outcome)
	}
	return all
}

// pass lets time go by, and all happen that is due by then.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

var errAway = errors.New("the store is away")

// A failing store fails while it is away, and counts what it is given.
type failing struct {
	history.Store
	mu      sync.Mutex
	err     error
	hang    bool // calls hang until their context ends
	calls   int
	batches []int // the sizes of those that it has taken
	keep    historystore.Limits
}

func (s *failing) set(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *failing) Add(ctx context.Context, records []history.Record, keep historystore.Limits) error {
	s.mu.Lock()
	s.calls++
	err, hang := s.err, s.hang
	if s.keep = keep; err == nil && !hang {
		s.batches = append(s.batches, len(records))
	}
	s.mu.Unlock()
	if hang {
		<-ctx.Done()
		return ctx.Err()
	}
	if err != nil {
		return err
	}
	return s.Store.Add(ctx, records, keep)
}

func (s *failing) taken() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.batches
}
