package drivertest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/internal/recorder"
	"github.com/taskgen/taskgen/runtime/memory"
)

// A server stands in for a broker: its tasks outlive the providers that speak to
// it, and it can be away.
type server struct {
	*memory.Provider
	away     atomic.Bool
	work     atomic.Int64 // what Stats has cost
	restarts func(s *server)
	fault    fault
}

// serverHarness is that of providers which speak to servers of their own.
// restarted is called while a server is down for its restart.
func serverHarness(f fault, restarted func(s *server)) *Harness {
	var (
		mu      sync.Mutex
		servers = make(map[string]*server)
	)
	at := func(addr string) *server {
		mu.Lock()
		defer mu.Unlock()
		return servers[addr]
	}
	return &Harness{
		Name: "server", Home: OnServer, UsesClock: true,
		Data: func(testing.TB) string { return fmt.Sprint(addresses.Add(1)) },
		Open: func(addr string, clock driver.Clock) (runtime.Provider, error) {
			mu.Lock()
			defer mu.Unlock()
			if servers[addr] == nil {
				servers[addr] = &server{Provider: memory.New(memory.WithClock(clock)), restarts: restarted, fault: f}
			}
			return &serverClient{server: servers[addr]}, nil
		},
		Cut: func(_ testing.TB, addr string) func() {
			at(addr).away.Store(true)
			return func() { at(addr).away.Store(false) }
		},
		Restart: func(_ testing.TB, addr string) {
			s := at(addr)
			s.away.Store(true)
			s.restarts(s)
			s.away.Store(false)
		},
		Crash: func(_ testing.TB, addr string) {
			s := at(addr)
			s.away.Store(true)
			s.restarts(s)
			s.away.Store(false)
		},
		Cost: func(p runtime.Provider) int64 { return p.(*serverClient).work.Load() },
	}
}

// A serverClient is one provider's connection to its server.
type serverClient struct {
	*server
	mu   sync.Mutex
	open []driver.Queue
}

func (l *serverClient) Open(ctx context.Context, cfg runtime.QueueConfig) (driver.Queue, error) {
	q, err := l.server.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = append(l.open, q)
	return &faultyQueue{q.(referenceQueue), l.fault.over(&l.away)}, nil
}

func (l *serverClient) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, q := range l.open {
		_ = q.Close()
	}
	return nil
}

// over adds to a fault that the server may be away.
func (f fault) over(away *atomic.Bool) fault {
	if f.enqueue == nil {
		f.enqueue = func(q referenceQueue, ctx context.Context, ts []*runtime.Task) ([]runtime.Enqueued, error) {
			if away.Load() {
				return nil, errAway
			}
			return q.Enqueue(ctx, ts)
		}
	}
	if f.complete == nil {
		f.complete = func(q referenceQueue, ctx context.Context, ds []*driver.Delivery) error {
			if away.Load() {
				return errAway
			}
			return q.Complete(ctx, ds)
		}
	}
	if f.dequeue == nil {
		f.dequeue = func(q referenceQueue, ctx context.Context, limit int, lease time.Duration) ([]*driver.Delivery, error) {
			if away.Load() {
				return nil, errAway
			}
			return q.Dequeue(ctx, limit, lease)
		}
	}
	return f
}

func runTestCase(t *testing.T, h *Harness, name string, patience time.Duration) *recorder.Recorder {
	t.Helper()
	all := testCases()
	i := slices.IndexFunc(all, func(c testCase) bool { return c.name == name })
	require.GreaterOrEqual(t, i, 0, "no test is called %q", name)
	return recorder.Run(t, func(tb testing.TB) { all[i].run(newEnv(tb, h, all[i], patience)) })
}

const (
	testRestart = "a restart of the broker keeps everything"
	testWorking = "a restart of the broker while a pool works loses nothing"
	testKilled  = "kill -9 of the broker while a pool works loses nothing"
	testCut     = "tasks that are enqueued while the backend is cut off are there if they were acknowledged"
	testAcks    = "a task completes once even if the backend is away for 2 s when it is done"
	testReopen  = "closing and reopening the provider keeps everything"
	testCost    = "at a cost that does not grow with the number of tasks"
	testDone    = "tasks that were completed before kill -9 of the broker do not come back"
	testLarge   = "a payload larger than Capabilities.MaxPayload is refused, and one of that size is not"
)

func TestAServerThatIsCutOffAndRestartedPasses(t *testing.T) {
	if testing.Short() {
		t.Skip("it restarts a server again and again")
	}
	t.Parallel()
	h := serverHarness(fault{}, func(*server) {})
	for _, name := range []string{testRestart, testWorking, testKilled, testDone, testCut, testAcks, testReopen, testCost} {
		r := runTestCase(t, h, name, defaultPatience)
		assert.False(t, r.Failed(), "%s: %s", name, r.Text())
	}
}

func TestAServerThatForgetsWhenItIsRestartedFails(t *testing.T) {
	if testing.Short() {
		t.Skip("it restarts a server again and again")
	}
	t.Parallel()
	h := serverHarness(fault{}, func(s *server) {
		q, err := s.Open(context.Background(), runtime.QueueConfig{Name: "q"})
		require.NoError(t, err)
		ds, err := q.Dequeue(context.Background(), 1, time.Minute)
		require.NoError(t, err)
		require.NoError(t, q.Complete(context.Background(), ds))
	})
	r := runTestCase(t, h, testRestart, 200*time.Millisecond)
	assert.True(t, r.Failed())
	assert.Contains(t, r.Text(), "all tasks are handed out after the restart")
	for _, name := range []string{testWorking, testKilled} {
		r = runTestCase(t, h, name, 4*time.Second)
		assert.True(t, r.Failed(), name)
		assert.Contains(t, r.Text(), "all tasks are run when the broker is back")
	}
}

func TestAServerThatBringsBackWhatWasDoneFails(t *testing.T) {
	t.Parallel()
	var done []*runtime.Task
	h := serverHarness(fault{complete: func(q referenceQueue, ctx context.Context, ds []*driver.Delivery) error {
		done = append(done, ds[0].Task.Clone())
		return q.Complete(ctx, ds)
	}}, func(s *server) {
		q, err := s.Open(context.Background(), runtime.QueueConfig{Name: "q"})
		require.NoError(t, err)
		_, err = q.Enqueue(context.Background(), done[:1])
		require.NoError(t, err)
	})
	r := runTestCase(t, h, testDone, time.Second)
	assert.True(t, r.Failed())
	assert.Contains(t, r.Text(), "the broker is back after round 1")
}

func TestAServerThatKeepsTheKeyOfWhatWasDoneFails(t *testing.T) {
	t.Parallel()
	h := serverHarness(fault{}, func(*server) {})
	open := h.Open
	h.Open = func(addr string, clock driver.Clock) (runtime.Provider, error) {
		p, err := open(addr, clock)
		held := make(map[string]string)
		p.(*serverClient).fault.enqueue = func(q referenceQueue, ctx context.Context, ts []*runtime.Task) ([]runtime.Enqueued, error) {
			answers, err := q.Enqueue(ctx, ts)
			for i, t := range ts {
				if id, is := held[t.UniqueKey]; is && t.UniqueKey != "" {
					answers[i].ID, answers[i].Duplicate = id, true
				}
				held[t.UniqueKey] = t.ID
			}
			return answers, err
		}
		return p, err
	}
	r := runTestCase(t, h, testDone, time.Second)
	assert.True(t, r.Failed())
	assert.Contains(t, r.Text(), "round 2: the key of task")
}

func TestAProviderThatAcknowledgesIntoACutFails(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	h := serverHarness(fault{enqueue: func(q referenceQueue, ctx context.Context, ts []*runtime.Task) ([]runtime.Enqueued, error) {
		if n := calls.Add(1); n > 10 && n <= 20 { // the wave that falls into the cut
			return make([]runtime.Enqueued, len(ts)), nil
		}
		return q.Enqueue(ctx, ts)
	}}, nil)
	r := runTestCase(t, h, testCut, time.Second)
	assert.True(t, r.Failed())
	assert.Contains(t, r.Text(), "was acknowledged around the cut and is lost")
}

func TestStatsThatCountTasksOneByOneFail(t *testing.T) {
	t.Parallel()
	h := serverHarness(fault{}, nil)
	var work atomic.Int64
	open := h.Open
	h.Open = func(addr string, clock driver.Clock) (runtime.Provider, error) {
		p, err := open(addr, clock)
		p.(*serverClient).fault.stats = func(_ referenceQueue, s driver.Stats) driver.Stats {
			work.Add(s.Ready)
			return s
		}
		return p, err
	}
	h.Cost = func(runtime.Provider) int64 { return work.Load() }
	r := runTestCase(t, h, testCost, defaultPatience)
	assert.True(t, r.Failed())
	assert.Contains(t, r.Text(), "Stats costs 100 with 10 tasks and 50100 with 5010")
}

func TestABoundOnPayloadsIsTested(t *testing.T) {
	h := faultyHarness(fault{caps: func(c driver.Capabilities) driver.Capabilities {
		c.MaxPayload = 1000
		return c
	}})
	r := runTestCase(t, h, testLarge, defaultPatience)
	assert.False(t, r.Failed(), r.Text())
}
