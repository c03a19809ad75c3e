package sqlite

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/drivertest"
)

func TestMain(m *testing.M) {
	drivertest.Child(harness)
	if run, ok := children[os.Getenv(childEnv)]; ok {
		runChild(run)
	}
	goleak.VerifyTestMain(m)
}

// soon bounds every wait of a test for something that happens at once.
const soon = 2 * time.Minute

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	t.Cleanup(cancel)
	return ctx
}

// ended is a context that has ended: Dequeue looks once with it.
func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func openFile(t *testing.T, path string, opts ...Option) *Provider {
	p, err := Open(context.Background(), path, opts...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

func newFile(t *testing.T) string { return filepath.Join(t.TempDir(), "tasks.db") }

func openQueue(t *testing.T, p *Provider, cfg driver.QueueConfig) *queue {
	if cfg.Name == "" {
		cfg.Name = "q"
	}
	q, err := p.Open(context.Background(), cfg)
	require.NoError(t, err)
	return q.(*queue)
}

func task(id string) *driver.Task {
	return &driver.Task{ID: id, Type: "t", Queue: "q", Payload: []byte(`{"n":1}`), CreatedAt: time.Now(), MaxRetries: 3}
}

func enqueue(t *testing.T, q *queue, tasks ...*driver.Task) []driver.Enqueued {
	for _, task := range tasks {
		task.Queue = q.cfg.Name
	}
	answers, err := q.Enqueue(context.Background(), tasks)
	require.NoError(t, err)
	return answers
}

func tasks(n int) []*driver.Task {
	all := make([]*driver.Task, n)
	for i := range all {
		all[i] = task(fmt.Sprintf("t%05d", i))
	}
	return all
}

// take dequeues what is there, without waiting.
func take(t *testing.T, q *queue, limit int) []*driver.Delivery {
	ds, err := q.Dequeue(ended(), limit, time.Minute)
	if err != nil {
		require.ErrorIs(t, err, driver.ErrNoTasks)
	}
	return ds
}

func idsOf(ds []*driver.Delivery) []string {
	ids := []string{}
	for _, d := range ds {
		ids = append(ids, d.Task.ID)
	}
	return ids
}

func stats(t *testing.T, q *queue) driver.Stats {
	st, err := q.Stats(context.Background())
	require.NoError(t, err)
	return st
}

// requireEmpty counts the rows of every table that holds tasks.
func requireEmpty(t *testing.T, p *Provider) {
	t.Helper()
	for _, table := range []string{"job", "ready", "line", "group", "delayed", "lease", "unique", "result"} {
		n := int64(-1)
		require.NoError(t, p.reader.do(context.Background(), 0, func(t *tx) {
			r := t.query("SELECT count(*) FROM taskgen_" + table)
			if r.next() {
				n = r.int(0)
			}
			r.done()
		}))
		require.Zero(t, n, "rows in taskgen_%s", table)
	}
	require.NoError(t, p.reader.do(context.Background(), 0, func(tt *tx) {
		for r := tt.query("SELECT name, ready, scheduled, leased, dead FROM taskgen_queue"); r.next(); {
			require.Equal(t, [4]int64{}, [4]int64{r.int(1), r.int(2), r.int(3), r.int(4)}, "counters of %s", r.text(0))
		}
	}))
}
