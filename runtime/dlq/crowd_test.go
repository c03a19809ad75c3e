package dlq_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/internal/testserver"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/dlq"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/redis"
	"github.com/taskgen/taskgen/runtime/sqlite"
)

// make soak works on 20,000 letters.
var crowdOf = flag.Int("letters", 150, "how many dead letters four operators work on at once")

// A crowd is what became of letters that are worked on at once.
type crowd struct {
	*testing.T
	ctx context.Context
	box *dlq.Box
	n   int           // letters
	all chan struct{} // closed when each is accounted for

	mu        sync.Mutex
	runs      map[string]int    // by ID and how often it was redriven
	completed map[string]int    // by ID
	discarded map[string]string // by ID, by whom: those who say of which letters it was
	moved     int               // letters that operators say they have put back
	edited    int
	gone      int // letters that operators say they have discarded
	retained  int // of these
}

func crowdTask(i int) *runtime.Task {
	return &runtime.Task{
		ID: fmt.Sprintf("m%05d", i), Type: "mail", Queue: "q", CreatedAt: start, MaxRetries: 3,
		Payload: fmt.Appendf(nil, `{"to":"m%05d","keys":[{"name":"a","value":"of-a"},{"name":"b","value":"of-b"}]}`, i),
	}
}

// handle fails half of what it is given, of ten causes.
func (c *crowd) handle(_ context.Context, t *runtime.Task) error {
	if !strings.Contains(string(t.Payload), t.ID) || !strings.Contains(string(t.Payload), `"name":"b","value":"of-b"`) {
		c.Errorf("%s runs with the payload %s", t.ID, t.Payload)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.runs[t.ID+" after "+t.Metadata[driver.MetaRedriveCount]]++
	if rand.IntN(2) == 0 {
		return runtime.Skip(fmt.Errorf("cause %c of %s", 'a'+rand.IntN(10), t.ID))
	}
	c.completed[t.ID]++
	c.count()
	return nil
}

// count looks whether each letter is accounted for. mu is held.
func (c *crowd) count() {
	if c.all != nil && len(c.completed)+c.gone >= c.n {
		close(c.all)
		c.all = nil
	}
}

// page returns some letters that were read a while ago.
func (c *crowd) page(f dlq.Filter) []dlq.Letter {
	page, _, err := c.box.List(c.ctx, f, "", 50)
	c.note("list", err)
	return page
}

func (c *crowd) note(what string, err error) {
	for _, usual := range []error{runtime.ErrTaskNotFound, runtime.ErrDuplicate, dlq.ErrClaimed} {
		if errors.Is(err, usual) {
			return
		}
	}
	if err != nil && c.ctx.Err() == nil {
		c.Errorf("%s: %v", what, err)
	}
}

// The operators. Each works on letters that others work on as well.
func (c *crowd) edit(int) {
	for _, l := range c.page(dlq.Filter{}) {
		who := l.ID
		if rand.IntN(2) == 0 {
			who = l.Ref
		}
		var v map[string]any
		if err := json.Unmarshal(l.Payload, &v); err != nil {
			c.Errorf("%s is shown as %s", l.ID, l.Payload)
			return
		}
		v["size"] = rand.IntN(100)
		slices.Reverse(v["keys"].([]any))
		payload, err := json.Marshal(v)
		c.note("edit", err)
		err = c.box.RedriveEdited(c.ctx, who, payload)
		c.note("edit", err)
		if err == nil {
			c.mu.Lock()
			c.moved++
			c.edited++
			c.mu.Unlock()
		}
	}
}

func (c *crowd) redrive(i int) {
	r := dlq.Redrive{Filter: dlq.Filter{Reason: fmt.Sprintf("cause %c", 'a'+i%10)}}
	if i%3 == 0 {
		r.IDs = []string{}
		for _, l := range c.page(dlq.Filter{}) {
			r.IDs = append(r.IDs, l.Ref)
		}
		r.Filter = dlq.Filter{}
	}
	done, err := c.box.Redrive(c.ctx, r)
	c.note("redrive", err)
	for _, why := range done.Kept {
		c.note("redrive", why)
	}
	c.mu.Lock()
	c.moved += done.Moved
	c.mu.Unlock()
}

func (c *crowd) discard(i int) {
	if i%2 == 0 {
		n, err := c.box.DiscardMatching(c.ctx, dlq.Filter{Reason: fmt.Sprintf("cause %c of m%04d", 'a'+i/2%10, i%100)})
		c.note("discard", err)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.gone += n
		c.count()
		return
	}
	var ids []string
	for _, l := range c.page(dlq.Filter{}) {
		switch rand.IntN(10) {
		case 0:
			ids = append(ids, l.ID)
		case 1:
			ids = append(ids, l.Ref)
		}
	}
	gone, err := c.box.Discard(c.ctx, ids)
	c.note("discard", err)
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.count()
	c.gone += len(gone)
	for _, id := range gone {
		if c.discarded[id] != "" {
			c.Errorf("%s is discarded twice", id)
		}
		c.discarded[id] = "discard"
	}
}

func (c *crowd) retain(int) {
	n, err := dlq.Retention{Box: c.box, Age: 24 * time.Hour}.Discard(c.ctx)
	c.note("retain", err)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone += n
	c.retained += n
	c.count()
}

// work has all operators work until each letter is accounted for.
func (c *crowd) work() {
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	all := c.all
	c.edit(0) // so that some are edited, however slow that is beside the others
	var operators sync.WaitGroup
	for _, do := range []func(int){c.edit, c.redrive, c.discard, c.retain} {
		operators.Go(func() {
			for i := 1; ctx.Err() == nil; i++ {
				do(i)
				select {
				case <-ctx.Done():
				case <-time.After(5 * time.Millisecond): // people take longer; the pool needs the processor, too
				}
			}
		})
	}
	select {
	case <-all:
	case <-ctx.Done():
	}
	cancel()
	operators.Wait()
}

// audit accounts for each letter.
func (c *crowd) audit() {
	c.Helper()
	n := c.n
	runs := 0
	for what, times := range c.runs {
		assert.Equal(c, 1, times, "%s redrives: it ran %d times", what, times)
		runs += times
	}
	assert.Equal(c, c.moved, runs, "letters that were put back, and runs")
	for id, times := range c.completed {
		assert.Equal(c, 1, times, "%s was completed %d times", id, times)
		assert.Empty(c, c.discarded[id], "%s was completed, and discarded", id)
	}
	assert.Equal(c, n, len(c.completed)+c.gone, "%d were completed, %d discarded", len(c.completed), c.gone)
	assert.Positive(c, c.edited)
	assert.Positive(c, c.retained)
	c.Logf("%d letters: %d completed, %d discarded, %d of these for their age; %d were put back, %d of these edited", n, len(c.completed), c.gone, c.retained, c.moved, c.edited)
}

// TestFourOperatorsAtOnceLoseAndDoubleNoLetter has four operators edit, redrive, discard
// and retain the same letters, on their queue and in a store, beside a pool whose
// handler fails half of them.
func TestFourOperatorsAtOnceLoseAndDoubleNoLetter(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts a broker and works for some seconds")
	}
	n := *crowdOf
	for name, c := range map[string]struct {
		open  func(t *testing.T) func() runtime.Provider // in each process
		store func(p runtime.Provider) dlq.TaskStore
	}{
		"memory": {
			func(*testing.T) func() runtime.Provider {
				p := memory.New()
				return func() runtime.Provider { return p }
			},
			func(runtime.Provider) dlq.TaskStore { return memory.NewLetters() },
		},
		"sqlite": {
			func(t *testing.T) func() runtime.Provider {
				address := "sqlite|" + filepath.Join(t.TempDir(), "tasks.db")
				return func() runtime.Provider { return opened(t, address) }
			},
			func(p runtime.Provider) dlq.TaskStore { return p.(*sqlite.Provider).Letters() },
		},
		"redis": {
			func(t *testing.T) func() runtime.Provider {
				s, err := testserver.Redis()
				require.NoError(t, err)
				t.Cleanup(func() { require.NoError(t, s.Stop()) })
				return func() runtime.Provider { return opened(t, "redis|"+s.URL) }
			},
			func(p runtime.Provider) dlq.TaskStore { return p.(*redis.Provider).Letters() },
		},
	} {
		t.Run(name+"/queue", func(t *testing.T) {
			t.Parallel()
			newCrowd(t, n, c.open(t), nil)
		})
		t.Run(name+"/store", func(t *testing.T) {
			t.Parallel()
			newCrowd(t, n, c.open(t), c.store)
		})
	}
}

func opened(t *testing.T, address string) runtime.Provider {
	p, err := openProvider(t.Context(), address)
	require.NoError(t, err)
	return p
}

// newCrowd has n tasks die, a fifth of them long ago, and operators work on them: in the
// queue, or in a store that a processor puts them into.
func newCrowd(t *testing.T, n int, open func() runtime.Provider, store func(runtime.Provider) dlq.TaskStore) {
	ctx, cancel := context.WithTimeout(context.Background(), soon+time.Duration(n)*60*time.Millisecond)
	t.Cleanup(cancel)
	c := &crowd{T: t, ctx: ctx, n: n, all: make(chan struct{}), runs: make(map[string]int), completed: make(map[string]int), discarded: make(map[string]string)}
	worker, office := open(), open()
	t.Cleanup(func() { require.NoError(t, errors.Join(worker.Close(), office.Close())) })
	manage := func(p runtime.Provider, queue string) (*runtime.Manager, driver.Queue) {
		m := runtime.NewManager(runtime.ManagerConfig{})
		require.NoError(t, m.Open(ctx, p, runtime.QueueConfig{Name: queue, Visibility: time.Hour}))
		q, err := m.Queue(queue)
		require.NoError(t, err)
		return m, q
	}
	m, q := manage(worker, "q")
	for from := 0; from < n; from += 100 {
		tasks := make([]*runtime.Task, min(100, n-from))
		for i := range tasks {
			tasks[i] = crowdTask(from + i)
		}
		_, err := q.Enqueue(ctx, tasks)
		require.NoError(t, err)
		for left := len(tasks); left > 0; {
			ds, err := q.Dequeue(ctx, left, time.Hour)
			require.NoError(t, err)
			for i, d := range ds {
				at := time.Now()
				if i%5 == 0 {
					at = at.Add(-48 * time.Hour)
				}
				driver.RecordDeath(d.Task, "q", at, fmt.Errorf("cause %c of %s", 'a'+i%10, d.Task.ID))
			}
			require.NoError(t, q.DeadLetter(ctx, ds))
			left -= len(ds)
		}
	}
	operators, _ := manage(office, "q")
	var err error
	c.box, err = dlq.Open(operators, "q", dlq.Config{Router: mails(), PageSize: 200})
	require.NoError(t, err)
	processed := func() {}
	if store != nil {
		kept := store(office)
		c.box = dlq.OpenStore(operators, kept, dlq.Config{Router: mails(), PageSize: 200})
		processed = c.process(func() (*runtime.Manager, driver.Queue) { return manage(worker, "q-dlq") }, kept)
	}
	r := runtime.NewRouter()
	r.Handle(runtime.Policy{Type: "mail", Queue: "q"}, runtime.HandlerFunc(c.handle))
	pool, err := runtime.NewPool(m, r, runtime.PoolConfig{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	require.NoError(t, pool.Start(ctx))
	c.work()
	require.NoError(t, ctx.Err(), "%d completed, %d discarded, of %d: they were not done in time", len(c.completed), c.gone, n)
	require.NoError(t, pool.Stop(ctx))
	processed()
	c.audit()
	require.NoError(t, errors.Join(m.Close(), operators.Close()))
}

// process runs a processor, until what it returns is called.
func (c *crowd) process(manage func() (*runtime.Manager, driver.Queue), store dlq.TaskStore) (stop func()) {
	m, _ := manage()
	pr, err := dlq.NewProcessor(m, "q-dlq", dlq.ProcessorConfig{Store: store})
	require.NoError(c, err)
	ctx, cancel := context.WithCancel(c.ctx)
	done := make(chan error, 1)
	go func() { done <- pr.Run(ctx) }()
	return func() {
		cancel()
		require.NoError(c, errors.Join(<-done, m.Close()))
	}
}
