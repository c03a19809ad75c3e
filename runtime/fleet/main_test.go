package fleet_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/fleet"
	"github.com/taskgen/taskgen/runtime/fleet/fleetstore"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/observe"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A program has a pool whose handler runs until the task's context ends or it is released.
type program struct {
	*testing.T
	store   fleet.Store
	fleet   *fleet.Fleet // an operator's, on the same store
	m       *runtime.Manager
	pool    *runtime.Pool
	release chan struct{}
	mu      sync.Mutex
	causes  []error
}

var mail = runtime.Spec[string]{
	Type: "mail", Queue: "q", Shape: "0123456789ab", Schema: `{"type":"string"}`, Secrets: []string{""},
	Timeout: time.Hour, Retry: runtime.RetryPolicy{Max: 3},
}

// start starts a pool that is a worker of the store. It stops with the test.
func start(t *testing.T, store fleet.Store, cfg fleet.Config, pool runtime.PoolConfig) *program {
	t.Helper()
	p := &program{T: t, store: store, fleet: fleet.New(store, fleet.Config{}), release: make(chan struct{})}
	provider := memory.New()
	p.m = runtime.NewManager(runtime.ManagerConfig{Listeners: []*observe.Listener{fleet.New(store, cfg).Listener()}})
	require.NoError(t, p.m.Open(t.Context(), provider, runtime.QueueConfig{Name: "q"}))
	r := runtime.NewRouter()
	runtime.Register(r, &mail, func(ctx context.Context, _ string) error {
		select {
		case <-p.release:
			return nil
		case <-ctx.Done():
			p.mu.Lock()
			defer p.mu.Unlock()
			p.causes = append(p.causes, context.Cause(ctx))
			return context.Cause(ctx)
		}
	})
	var err error
	p.pool, err = runtime.NewPool(p.m, r, pool)
	require.NoError(t, err)
	require.NoError(t, p.pool.Start(t.Context()))
	t.Cleanup(func() {
		close(p.release)
		require.NoError(t, p.pool.Stop(context.Background()))
		require.NoError(t, p.m.Close())
		require.NoError(t, provider.Close())
	})
	return p
}

func (p *program) enqueue(ids ...string) {
	p.Helper()
	for _, id := range ids {
		payload := canary
		_, err := runtime.Enqueue(p.Context(), p.m, &mail, &payload, runtime.WithID(id))
		require.NoError(p, err)
	}
}

// one returns the only worker.
func (p *program) one() *fleet.Worker {
	p.Helper()
	all, err := p.fleet.List(p.Context())
	require.NoError(p, err)
	require.Len(p, all, 1)
	return all[0]
}

// runs are the IDs of the tasks that the only worker says it runs.
func (p *program) runs() (ids []string) {
	p.Helper()
	w := p.one()
	for _, r := range w.Running {
		ids = append(ids, r.TaskID)
	}
	return ids
}

// canary is the payload of each task: nobody but a handler may see it.
const canary = "canary-4711"

var errAway = errors.New("the store is away")

// A failing store fails while it is away, and counts its calls.
type failing struct {
	fleet.Store
	mu         sync.Mutex
	err        error
	hang       bool // calls hang until their context ends
	refuseDone int  // so many heartbeats that report an order fail
	heartbeats int
	puts       int
}

func (s *failing) set(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *failing) call(ctx context.Context, count *int) error {
	s.mu.Lock()
	*count++
	err, hang := s.err, s.hang
	s.mu.Unlock()
	if hang {
		<-ctx.Done()
		return ctx.Err()
	}
	return err
}

func (s *failing) Heartbeat(ctx context.Context, w *fleet.Worker, done int64, ttl time.Duration) ([]fleetstore.Order, error) {
	if err := s.call(ctx, &s.heartbeats); err != nil {
		return nil, err
	}
	if done > 0 && s.refuseDone > 0 {
		s.refuseDone--
		return nil, errAway
	}
	return s.Store.Heartbeat(ctx, w, done, ttl)
}

func (s *failing) Leave(ctx context.Context, id string) error {
	if err := s.call(ctx, new(int)); err != nil {
		return err
	}
	return s.Store.Leave(ctx, id)
}

func (s *failing) List(ctx context.Context) ([]*fleet.Worker, error) {
	if err := s.call(ctx, new(int)); err != nil {
		return nil, err
	}
	return s.Store.List(ctx)
}

func (s *failing) PutTypes(ctx context.Context, types []fleet.Type, ttl time.Duration) error {
	if err := s.call(ctx, &s.puts); err != nil {
		return err
	}
	return s.Store.PutTypes(ctx, types, ttl)
}

func (s *failing) Types(ctx context.Context) ([]fleet.Type, error) {
	if err := s.call(ctx, new(int)); err != nil {
		return nil, err
	}
	return s.Store.Types(ctx)
}
