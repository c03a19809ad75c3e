package sqlite

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/tasktest"
)

// invariants are queries that count what must not be: rows that contradict one
// another.
var invariants = map[string]string{
	"jobs that are in no place or in several": `SELECT count(*) FROM taskgen_job j WHERE 1 <>
		(SELECT count(*) FROM taskgen_ready r WHERE r.seq = j.seq) + (SELECT count(*) FROM taskgen_line r WHERE r.seq = j.seq)
		+ (SELECT count(*) FROM taskgen_delayed r WHERE r.seq = j.seq) + (SELECT count(*) FROM taskgen_lease r WHERE r.seq = j.seq)`,
	"places without their job": `SELECT count(*) FROM (SELECT queue, seq FROM taskgen_ready UNION ALL SELECT queue, seq FROM taskgen_line
		UNION ALL SELECT queue, seq FROM taskgen_delayed UNION ALL SELECT queue, seq FROM taskgen_lease) r
		LEFT JOIN taskgen_job j ON j.seq = r.seq AND j.queue = r.queue WHERE j.seq IS NULL`,
	"ready tasks whose place is not their job's":   `SELECT count(*) FROM taskgen_ready r JOIN taskgen_job j ON j.seq = r.seq WHERE j.place <> r.place OR j.level <> r.level`,
	"tasks in line whose place is not their job's": `SELECT count(*) FROM taskgen_line r JOIN taskgen_job j ON j.seq = r.seq WHERE j.place <> r.place OR j.grp <> r.grp OR j.due <> r.due`,
	"delayed tasks whose time is not their job's":  `SELECT count(*) FROM taskgen_delayed r JOIN taskgen_job j ON j.seq = r.seq WHERE j.due <> r.due`,
	"wrong counts of ready tasks": `SELECT count(*) FROM taskgen_queue q WHERE q.ready <>
		(SELECT count(*) FROM taskgen_ready r WHERE r.queue = q.id) + (SELECT count(*) FROM taskgen_line r WHERE r.queue = q.id)`,
	"wrong counts of scheduled tasks": `SELECT count(*) FROM taskgen_queue q WHERE q.scheduled <> (SELECT count(*) FROM taskgen_delayed r WHERE r.queue = q.id)`,
	"wrong counts of leased tasks":    `SELECT count(*) FROM taskgen_queue q WHERE q.leased <> (SELECT count(*) FROM taskgen_lease r WHERE r.queue = q.id)`,
	"wrong counts of dead tasks":      `SELECT count(*) FROM taskgen_queue q WHERE q.dead <> (SELECT count(*) FROM taskgen_job j WHERE j.origin = q.id)`,
	"groups without tasks":            `SELECT count(*) FROM taskgen_group g WHERE NOT EXISTS (SELECT 1 FROM taskgen_job j WHERE j.queue = g.queue AND j.grp = g.grp)`,
	"groups with two tasks out": `SELECT count(*) FROM (SELECT j.queue, j.grp FROM taskgen_job j JOIN taskgen_queue q ON q.id = j.queue AND q.type = 'fifo'
		WHERE EXISTS (SELECT 1 FROM taskgen_lease l WHERE l.seq = j.seq)
		OR j.begun AND EXISTS (SELECT 1 FROM taskgen_delayed d WHERE d.seq = j.seq)
		GROUP BY j.queue, j.grp HAVING count(*) > 1)`,
	"groups that have their turn and a task out": `SELECT count(*) FROM taskgen_group g WHERE turn > 0 AND EXISTS (SELECT 1 FROM taskgen_job j
		WHERE j.queue = g.queue AND j.grp = g.grp AND (EXISTS (SELECT 1 FROM taskgen_lease l WHERE l.seq = j.seq)
		OR j.begun AND EXISTS (SELECT 1 FROM taskgen_delayed d WHERE d.seq = j.seq)))`,
	"groups that nobody will serve": `SELECT count(*) FROM taskgen_line l WHERE NOT EXISTS (SELECT 1 FROM taskgen_group g WHERE g.queue = l.queue AND g.grp = l.grp AND turn > 0)
		AND NOT EXISTS (SELECT 1 FROM taskgen_job j WHERE j.queue = l.queue AND j.grp = l.grp AND (EXISTS (SELECT 1 FROM taskgen_lease x WHERE x.seq = j.seq)
		OR j.begun AND EXISTS (SELECT 1 FROM taskgen_delayed d WHERE d.seq = j.seq)))`,
	"unique keys of nobody": `SELECT count(*) FROM taskgen_unique u WHERE until = 0 AND NOT EXISTS (SELECT 1 FROM taskgen_job j WHERE j.queue = u.queue AND j.id = u.id AND j.ukey = u.key)`,
}

type failer interface {
	require.TestingT
	Helper()
}

func requireConsistent(t failer, p *Provider) {
	t.Helper()
	require.NoError(t, p.reader.do(context.Background(), 0, func(tt *tx) {
		for what, query := range invariants {
			r := tt.query(query)
			require.True(t, r.next(), what)
			require.Zero(t, r.int(0), what)
			r.done()
		}
	}))
}

// A model does random things to a queue and keeps what it holds.
type model struct {
	p     *Provider
	q     *queue
	dlq   *queue
	clock *tasktest.Clock
	held  []*driver.Delivery
	dead  []*driver.Delivery // leased from the dead letter queue
}

func (m *model) enqueue(t *rapid.T) {
	task := task(fmt.Sprintf("t%d", rapid.IntRange(0, 6).Draw(t, "id")))
	task.CreatedAt = m.clock.Now()
	if rapid.Bool().Draw(t, "delayed") {
		task.ScheduledFor = m.clock.Now().Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "delay")) * time.Second)
	}
	switch m.q.cfg.Type {
	case driver.FIFO:
		task.GroupKey = rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "group")
	case driver.Priority:
		task.Priority = rapid.IntRange(0, 2).Draw(t, "level")
	}
	if rapid.Bool().Draw(t, "unique") {
		task.UniqueKey = rapid.SampledFrom([]string{"x", "y"}).Draw(t, "key")
		task.UniqueFor = time.Duration(rapid.IntRange(0, 1).Draw(t, "window")) * 10 * time.Second
	}
	_, err := m.q.Enqueue(context.Background(), []*driver.Task{task})
	if err != nil {
		require.ErrorIs(t, err, driver.ErrDuplicate)
	}
}

func (m *model) dequeue(t *rapid.T) { m.held = append(m.held, m.takeFrom(t, m.q)...) }

func (m *model) dequeueDead(t *rapid.T) { m.dead = append(m.dead, m.takeFrom(t, m.dlq)...) }

func (m *model) takeFrom(t *rapid.T, q *queue) []*driver.Delivery {
	ds, err := q.Dequeue(ended(), rapid.IntRange(1, 4).Draw(t, "limit"), time.Duration(rapid.IntRange(1, 15).Draw(t, "lease"))*time.Second)
	if err != nil {
		require.ErrorIs(t, err, driver.ErrNoTasks)
	}
	return ds
}

// settle takes some of the held deliveries, stale ones among them, and ends
// them in one way or another.
func (m *model) settle(t *rapid.T, held *[]*driver.Delivery, q *queue, end func(ds []*driver.Delivery) error) {
	n := rapid.IntRange(0, len(*held)).Draw(t, "n")
	ds := (*held)[:n]
	*held = (*held)[n:]
	if err := end(ds); err != nil {
		require.ErrorIs(t, err, driver.ErrLeaseLost)
	}
}

func (m *model) release(t *rapid.T) {
	m.settle(t, &m.held, m.q, func(ds []*driver.Delivery) error {
		for _, d := range ds {
			d.Delay = time.Duration(rapid.IntRange(0, 10).Draw(t, "delay")) * time.Second
			d.Task.RetryCount++
		}
		return m.q.Release(context.Background(), ds)
	})
}

func (m *model) id(t *rapid.T) string {
	return fmt.Sprintf("t%d", rapid.IntRange(0, 6).Draw(t, "id"))
}

func (m *model) actions() map[string]func(*rapid.T) {
	ctx := context.Background()
	return map[string]func(*rapid.T){
		"enqueue": m.enqueue, "enqueue 2": m.enqueue, "enqueue 3": m.enqueue, "dequeue": m.dequeue, "dequeue 2": m.dequeue, "dequeue dead": m.dequeueDead, "release": m.release,
		"complete": func(t *rapid.T) {
			m.settle(t, &m.held, m.q, func(ds []*driver.Delivery) error { return m.q.Complete(ctx, ds) })
		},
		"complete dead": func(t *rapid.T) {
			m.settle(t, &m.dead, m.dlq, func(ds []*driver.Delivery) error { return m.dlq.Complete(ctx, ds) })
		},
		"release dead": func(t *rapid.T) {
			m.settle(t, &m.dead, m.dlq, func(ds []*driver.Delivery) error { return m.dlq.Release(ctx, ds) })
		},
		"bury": func(t *rapid.T) {
			m.settle(t, &m.held, m.q, func(ds []*driver.Delivery) error { return m.q.DeadLetter(ctx, ds) })
		},
		"extend": func(t *rapid.T) {
			if err := m.q.Extend(ctx, m.held, 8*time.Second); err != nil {
				require.ErrorIs(t, err, driver.ErrLeaseLost)
			}
		},
		"cancel": func(t *rapid.T) {
			_, err := m.q.Cancel(ctx, []string{m.id(t)})
			require.NoError(t, err)
		},
		"reschedule": func(t *rapid.T) {
			at := m.clock.Now().Add(time.Duration(rapid.IntRange(-5, 10).Draw(t, "at")) * time.Second)
			if err := m.q.Reschedule(ctx, m.id(t), at); err != nil {
				require.ErrorIs(t, err, driver.ErrTaskNotFound)
			}
		},
		"redrive": func(t *rapid.T) {
			var ids []string
			if rapid.Bool().Draw(t, "one") {
				ids = []string{m.id(t)}
			}
			if _, err := m.q.Redrive(ctx, ids); err != nil {
				require.ErrorIs(t, err, driver.ErrDuplicate)
			}
		},
		"discard": func(t *rapid.T) {
			_, err := m.q.Discard(ctx, []string{m.id(t)})
			require.NoError(t, err)
		},
		"purge": func(t *rapid.T) {
			if rapid.IntRange(0, 9).Draw(t, "seldom") == 0 {
				_, err := m.q.Purge(ctx)
				require.NoError(t, err)
			}
		},
		"time": func(t *rapid.T) {
			m.clock.Advance(time.Duration(rapid.IntRange(1, 6000).Draw(t, "ms")) * time.Millisecond)
		},
		"stats": func(t *rapid.T) {
			_, err := m.q.Stats(ctx)
			require.NoError(t, err)
		},
		"": func(t *rapid.T) { requireConsistent(t, m.p) },
	}
}

// end drains both queues, and then nothing may be left.
func (m *model) end(t *rapid.T) {
	ctx := context.Background()
	for _, q := range []*queue{m.q, m.dlq} {
		m.clock.Advance(time.Hour)
		for {
			ds, err := q.Dequeue(ended(), 100, time.Hour)
			if err != nil {
				require.ErrorIs(t, err, driver.ErrNoTasks)
				break
			}
			require.NoError(t, q.Complete(ctx, ds))
		}
	}
	requireConsistent(t, m.p)
	for _, table := range []string{"job", "ready", "line", "group", "delayed", "lease"} {
		require.NoError(t, m.p.reader.do(ctx, 0, func(tt *tx) {
			r := tt.query("SELECT count(*) FROM taskgen_" + table)
			require.True(t, r.next())
			require.Zero(t, r.int(0), table)
			r.done()
		}))
	}
}

func TestTheTablesAgreeWhateverIsDone(t *testing.T) {
	for _, kind := range []driver.QueueType{driver.Standard, driver.FIFO, driver.Priority} {
		t.Run(string(kind), func(t *testing.T) {
			clock := tasktest.NewClock(time.Now())
			p := openFile(t, newFile(t), WithClock(clock), WithSynchronous(Normal))
			queues := 0
			rapid.Check(t, func(t *rapid.T) {
				queues++
				q, err := p.Open(context.Background(), driver.QueueConfig{Name: fmt.Sprint("q", queues), Type: kind})
				require.NoError(t, err)
				dlq, err := p.Open(context.Background(), driver.QueueConfig{Name: q.Config().DLQ})
				require.NoError(t, err)
				m := &model{p: p, q: q.(*queue), dlq: dlq.(*queue), clock: clock}
				t.Repeat(m.actions())
				m.end(t)
			})
		})
	}
}
