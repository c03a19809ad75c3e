package memory

import (
	"context"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A handClock stands still until it is moved. Its timers never go off: the
// property test asks for what is due instead of waiting.
type handClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *handClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *handClock) AfterFunc(time.Duration, func()) driver.Timer { return noTimer{} }

type noTimer struct{}

func (noTimer) Reset(time.Duration) bool { return false }
func (noTimer) Stop() bool               { return false }

// impatient is a context that has not ended when a Dequeue begins, and has as
// soon as it waits.
type impatient struct{ context.Context }

var over = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

func (impatient) Done() <-chan struct{} { return over }

// A machine runs random operations on a queue and its dead letter queue, and on
// their models, and compares what comes back.
type machine struct {
	clock  *handClock
	q, dlq *queue
	m, dm  *model
	leases int
	held   []*holding // every delivery there ever was, stale ones included
	deadly []*holding
}

type holding struct {
	d     *driver.Delivery
	mt    *modelTask
	lease int
}

func (h *holding) stale() bool { return h.mt.state != driver.Leased || h.mt.lease != h.lease }

const capacity = 7

func newMachine(t *rapid.T) *machine {
	clock := &handClock{now: time.Unix(1_700_000_000, 0)}
	p := New(WithClock(clock))
	kind := rapid.SampledFrom([]driver.QueueType{driver.Standard, driver.FIFO, driver.Priority}).Draw(t, "kind")
	q, err := p.Open(context.Background(), driver.QueueConfig{Name: "jobs", Type: kind, Capacity: capacity})
	require.NoError(t, err)
	dlq, err := p.Open(context.Background(), driver.QueueConfig{Name: "jobs-dlq"})
	require.NoError(t, err)
	return &machine{
		clock: clock, q: q.(*queue), dlq: dlq.(*queue),
		m:  &model{name: "jobs", kind: kind, keys: make(map[string]*modelKey)},
		dm: &model{name: "jobs-dlq", kind: driver.Standard, keys: make(map[string]*modelKey)},
	}
}

var (
	anID    = rapid.StringMatching(`[a-j]`)
	aDelay  = rapid.SampledFrom([]time.Duration{0, 0, 0, time.Second, 3 * time.Second, time.Minute})
	aLimit  = rapid.IntRange(1, 5)
	aWindow = rapid.SampledFrom([]time.Duration{0, 2 * time.Second, time.Minute})
)

func (x *machine) drawTask(t *rapid.T) *driver.Task {
	tk := &driver.Task{
		ID: anID.Draw(t, "id"), Type: "test", Queue: "jobs", CreatedAt: x.clock.now,
		Payload: []byte(rapid.SampledFrom([]string{`1`, `{"a":"b"}`, `""`}).Draw(t, "payload")),
	}
	if d := aDelay.Draw(t, "delay"); d > 0 {
		tk.ScheduledFor = x.clock.now.Add(d)
	}
	if rapid.Bool().Draw(t, "unique") {
		tk.UniqueKey, tk.UniqueFor = rapid.SampledFrom([]string{"k1", "k2", "k3"}).Draw(t, "key"), aWindow.Draw(t, "window")
	}
	switch x.m.kind {
	case driver.FIFO:
		tk.GroupKey = rapid.SampledFrom([]string{"g1", "g2", "g3"}).Draw(t, "group")
	case driver.Priority:
		tk.Priority = rapid.IntRange(0, 3).Draw(t, "priority")
	}
	return tk
}

func (x *machine) enqueue(t *rapid.T) {
	tasks := make([]*driver.Task, rapid.IntRange(1, 4).Draw(t, "tasks"))
	for i := range tasks {
		tasks[i] = x.drawTask(t)
	}
	now := x.clock.now
	answers, err := x.q.Enqueue(context.Background(), tasks)
	require.Len(t, answers, len(tasks))
	for i, tk := range tasks {
		due := now
		if tk.ScheduledFor.After(now) {
			due = tk.ScheduledFor
		}
		k := x.m.keys[tk.UniqueKey]
		switch itemErr := driver.ErrorAt(err, i); {
		case k != nil:
			require.NoError(t, itemErr)
			require.True(t, answers[i].Duplicate)
			require.Equal(t, k.id, answers[i].ID)
		case x.m.find(tk.ID) != nil:
			require.ErrorIs(t, itemErr, driver.ErrDuplicate)
		case len(x.m.tasks) >= capacity:
			require.ErrorIs(t, itemErr, driver.ErrQueueFull)
		default:
			require.NoError(t, itemErr)
			require.Equal(t, tk.ID, answers[i].ID)
			require.False(t, answers[i].Duplicate)
			require.True(t, answers[i].DueAt.Equal(due), "%v is not %v", answers[i].DueAt, due)
			mt := x.m.add(*tk, due, now)
			if tk.UniqueKey != "" {
				k := &modelKey{id: tk.ID, owner: mt}
				if tk.UniqueFor > 0 {
					k.until = now.Add(tk.UniqueFor)
				}
				x.m.keys[tk.UniqueKey] = k
			}
			continue
		}
	}
}

func (x *machine) dequeue(t *rapid.T, q *queue, m *model, held *[]*holding) {
	limit := aLimit.Draw(t, "limit")
	lease := rapid.SampledFrom([]time.Duration{time.Second, 5 * time.Second, time.Hour}).Draw(t, "lease")
	ds, err := q.Dequeue(impatient{context.Background()}, limit, lease)
	want := x.expected(m, limit, ds)
	if x.q == q && q.paused {
		want = nil
	}
	if len(want) == 0 {
		require.ErrorIs(t, err, driver.ErrNoTasks)
		require.Empty(t, ds)
		return
	}
	require.NoError(t, err)
	require.Equal(t, taskIDs(want), idsOf(ds))
	for i, d := range ds {
		mt := want[i]
		x.leases++
		mt.state, mt.lease, mt.ends, mt.begun = driver.Leased, x.leases, x.clock.now.Add(lease), true
		require.True(t, d.LeaseUntil.Equal(mt.ends))
		require.Equal(t, mt.crashes, d.Crashes)
		require.Equal(t, mt.task.RetryCount, d.Task.RetryCount)
		require.Equal(t, mt.task.Payload, d.Task.Payload)
		require.Equal(t, mt.task.Metadata, d.Task.Metadata)
		*held = append(*held, &holding{d, mt, x.leases})
	}
}

// expected is what a Dequeue has to return. On a FIFO queue it may take the
// groups in any order; ds says in which it did.
func (x *machine) expected(m *model, limit int, ds []*driver.Delivery) []*modelTask {
	if m.kind != driver.FIFO {
		line := m.line()
		return line[:min(limit, len(line))]
	}
	firsts := m.firsts()
	var want []*modelTask
	for _, d := range ds {
		if mt := firsts[d.Task.GroupKey]; mt != nil {
			want = append(want, mt)
			delete(firsts, d.Task.GroupKey)
		}
	}
	for _, mt := range firsts {
		if len(want) < limit {
			want = append(want, mt)
		}
	}
	return want
}

func (x *machine) cancel(t *rapid.T) {
	ids := rapid.SliceOfN(anID, 1, 5).Draw(t, "ids")
	cancelled, err := x.q.Cancel(context.Background(), ids)
	require.NoError(t, err)
	var want []string
	for _, id := range ids {
		if mt := x.m.find(id); mt != nil && mt.state != driver.Leased {
			x.m.remove(mt)
			want = append(want, id)
		}
	}
	require.Equal(t, want, cancelled)
}

func (x *machine) reschedule(t *rapid.T) {
	id := anID.Draw(t, "id")
	if some := x.m.in(driver.Ready, driver.Scheduled); len(some) > 0 {
		id = rapid.SampledFrom(taskIDs(some)).Draw(t, "id")
	}
	at := x.clock.now.Add(rapid.SampledFrom([]time.Duration{-time.Hour, 0, time.Second, time.Minute}).Draw(t, "in"))
	err := x.q.Reschedule(context.Background(), id, at)
	mt := x.m.find(id)
	if mt == nil || mt.state == driver.Leased {
		require.ErrorIs(t, err, driver.ErrTaskNotFound)
		return
	}
	require.NoError(t, err)
	if mt.state == driver.Ready && !at.After(x.clock.now) {
		return
	}
	mt.stays = mt.stays && mt.begun
	x.m.schedule(mt, at, x.clock.now)
}

func (x *machine) purge(t *rapid.T) {
	n, err := x.q.Purge(context.Background())
	require.NoError(t, err)
	waiting := x.m.in(driver.Ready, driver.Scheduled)
	for _, mt := range waiting {
		x.m.remove(mt)
	}
	require.Equal(t, len(waiting), n)
}

// deadIDs draws what to redrive or discard, and lists the dead that it means and
// where it names them.
func (x *machine) deadIDs(t *rapid.T) (ids []string, meant []*modelTask, at []int) {
	ids = rapid.SliceOfN(anID, 1, 12).Draw(t, "ids")
	for i, id := range ids {
		if slices.Contains(ids[:i], id) {
			continue
		}
		for _, mt := range slices.Backward(x.dm.tasks) { // the last to die comes first
			if mt.task.ID == id && mt.state != driver.Leased {
				meant, at = append(meant, mt), append(at, i)
			}
		}
	}
	return ids, meant, at
}

func (x *machine) redrive(t *rapid.T) {
	ids, meant, at := x.deadIDs(t)
	if rapid.Bool().Draw(t, "all") {
		ids, at, meant = nil, nil, slices.DeleteFunc(x.dm.from("jobs"), func(mt *modelTask) bool { return mt.state == driver.Leased })
	}
	redriven, err := x.q.Redrive(context.Background(), ids)
	var want []string
	for i, mt := range meant {
		if at != nil {
			i = at[i]
		}
		if x.m.find(mt.task.ID) != nil {
			require.ErrorIs(t, driver.ErrorAt(err, i), driver.ErrDuplicate)
			continue
		}
		x.dm.remove(mt)
		tk := mt.task
		tk.Metadata = maps.Clone(tk.Metadata)
		driver.ClearDeath(&tk, "jobs-dlq")
		x.m.add(tk, x.clock.now, x.clock.now)
		want = append(want, tk.ID)
	}
	require.Equal(t, want, redriven)
}

func (x *machine) discard(t *rapid.T) {
	ids, meant, _ := x.deadIDs(t)
	discarded, err := x.q.Discard(context.Background(), ids)
	require.NoError(t, err)
	var want []string
	for _, mt := range meant {
		x.dm.remove(mt)
		want = append(want, mt.task.ID)
	}
	require.Equal(t, want, discarded)
}

func (x *machine) tick(t *rapid.T) {
	d := rapid.SampledFrom([]time.Duration{time.Millisecond, time.Second, 4 * time.Second, time.Minute}).Draw(t, "by")
	x.clock.mu.Lock()
	x.clock.now = x.clock.now.Add(d)
	x.clock.mu.Unlock()
	x.m.advance(x.clock.now)
	x.dm.advance(x.clock.now)
}

// check compares the numbers and the lists of both queues with the models'.
func (x *machine) check(t *rapid.T) {
	x.checkStats(t, x.q, x.m, len(x.dm.from("jobs")))
	x.checkStats(t, x.dlq, x.dm, 0)
	scheduled := x.m.in(driver.Scheduled)
	slices.SortFunc(scheduled, byDue)
	x.checkBrowse(t, x.q, driver.Scheduled, scheduled)
	x.checkBrowse(t, x.q, driver.Ready, x.m.line())
	x.checkBrowse(t, x.q, driver.Dead, x.dm.from("jobs"))
	x.checkBrowse(t, x.dlq, driver.Ready, x.dm.line())
	require.Len(t, x.q.keys.byKey, len(x.m.keys))
}

func (x *machine) checkStats(t *rapid.T, q *queue, m *model, dead int) {
	stats, err := q.Stats(context.Background())
	require.NoError(t, err)
	require.Equal(t, driver.Stats{
		Ready: int64(len(m.in(driver.Ready))), Scheduled: int64(len(m.in(driver.Scheduled))),
		Leased: int64(len(m.in(driver.Leased))), Dead: int64(dead), OldestAge: m.oldestAge(x.clock.now),
	}, stats)
}

func (x *machine) checkBrowse(t *rapid.T, q *queue, state driver.State, want []*modelTask) {
	var ids []string
	for cursor := ""; ; {
		tasks, next, err := q.Browse(context.Background(), state, cursor, 3)
		require.NoError(t, err)
		for _, tk := range tasks {
			ids = append(ids, tk.ID)
		}
		if cursor = next; cursor == "" {
			break
		}
		require.Len(t, tasks, 3)
	}
	require.Equal(t, taskIDs(want), append([]string{}, ids...), "%s tasks of %s", state, q.name)
}

func TestAnyOperationsAgreeWithTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := newMachine(t)
		t.Repeat(map[string]func(*rapid.T){
			"enqueue":      x.enqueue,
			"enqueue more": x.enqueue,
			"dequeue":      func(t *rapid.T) { x.dequeue(t, x.q, x.m, &x.held) },
			"dequeue more": func(t *rapid.T) { x.dequeue(t, x.q, x.m, &x.held) },
			"complete":     func(t *rapid.T) { x.complete(t, x.q, x.m, x.held) },
			"extend":       x.extend,
			"release":      func(t *rapid.T) { x.release(t, x.q, x.m, x.held) },
			"dead letter":  x.deadLetter,
			"tick":         x.tick,
			"cancel":       x.cancel,
			"reschedule":   x.reschedule,
			"purge":        x.purge,
			"redrive":      x.redrive,
			"discard":      x.discard,
			"pause":        func(t *rapid.T) { require.NoError(t, x.q.Pause(context.Background(), time.Time{})) },
			"resume":       func(t *rapid.T) { require.NoError(t, x.q.Resume(context.Background())) },
			"dequeue dead": func(t *rapid.T) { x.dequeue(t, x.dlq, x.dm, &x.deadly) },
			"complete dead": func(t *rapid.T) {
				x.complete(t, x.dlq, x.dm, x.deadly)
			},
			"release dead": func(t *rapid.T) { x.release(t, x.dlq, x.dm, x.deadly) },
			"":             x.check,
		})
	})
}
