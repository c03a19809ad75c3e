package history_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/history"
	"github.com/taskgen/taskgen/runtime/history/historystore"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/observe"
)

func TestARunIsRecordedWithItsTimesAndItsOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProgram(t, memory.NewHistory(), history.Config{}, runtime.QueueConfig{})
		p.handle = func(context.Context) error {
			time.Sleep(3 * time.Second)
			return nil
		}
		began := time.Now().UTC()
		p.enqueue("a", runtime.WithDelay(time.Minute))
		p.start()
		pass(2 * time.Minute)
		require.Equal(t, []history.Record{{
			TaskID: "a", Type: "mail", Queue: "q", Worker: "mailer-1", Attempt: 1, Outcome: driver.Completed,
			EnqueuedAt: began, DueAt: began.Add(time.Minute), StartedAt: began.Add(time.Minute), EndedAt: began.Add(time.Minute + 3*time.Second),
		}}, p.task("a"))
		assert.Empty(t, p.task("b"))
	})
}

func TestEachRunOfATaskIsRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProgram(t, memory.NewHistory(), history.Config{}, runtime.QueueConfig{})
		results := []error{runtime.Snooze(time.Second), runtime.RetryAfter(time.Second, errors.New("no answer")), errors.New("still no answer")}
		p.handle = func(context.Context) error {
			err := results[0]
			results = results[1:]
			return err
		}
		p.enqueue("a")
		p.start()
		pass(time.Minute)
		records := p.task("a")
		require.Equal(t, []history.Outcome{driver.Snoozed, driver.Retried, driver.Died}, outcomes(records))
		assert.Equal(t, []int{1, 1, 2}, []int{records[0].Attempt, records[1].Attempt, records[2].Attempt})
		assert.Equal(t, "no answer", records[1].Error)
		assert.Equal(t, "still no answer", records[2].Error)
		assert.True(t, records[2].DueAt.IsZero(), "nobody knows when a retry was due")
	})
}

func TestATaskThatEndsWithoutARunIsRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProgram(t, memory.NewHistory(), history.Config{}, runtime.QueueConfig{Retention: time.Hour, Unknown: -1})
		p.enqueue("expired")
		_, err := p.m.Enqueue(t.Context(), []*runtime.Task{
			{ID: "unknown", Type: "letter", Queue: "q", Payload: []byte(`{}`), ScheduledFor: time.Now().Add(2 * time.Hour)},
			{ID: "newer", Type: "mail", Queue: "q", Shape: "000000000003", Payload: []byte(`""`), ScheduledFor: time.Now().Add(2 * time.Hour)},
		})
		require.NoError(t, err)
		pass(2 * time.Hour)
		p.start()
		pass(time.Minute)
		for id, why := range map[string]error{"expired": driver.ErrTaskExpired, "unknown": driver.ErrUnknownType, "newer": driver.ErrUnknownShape} {
			records := p.task(id)
			require.Equal(t, []history.Outcome{driver.Died}, outcomes(records), id)
			assert.Contains(t, records[0].Error, why.Error())
			assert.False(t, records[0].Ran(), id)
			assert.Zero(t, records[0].Attempt, id)
			assert.False(t, records[0].EndedAt.IsZero())
		}
		assert.Equal(t, "letter", p.task("unknown")[0].Type)
	})
}

func TestATaskThatIsCancelledIsRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProgram(t, memory.NewHistory(), history.Config{}, runtime.QueueConfig{})
		p.handle = func(ctx context.Context) error {
			if info, _ := runtime.TaskFromContext(ctx); strings.HasPrefix(info.Task.ID, "first") {
				return nil // fast, so that the pool fetches ahead
			}
			<-ctx.Done()
			return ctx.Err()
		}
		p.start()
		for i := range 20 {
			p.enqueue(fmt.Sprint("first ", i))
		}
		pass(time.Second)
		both := []*runtime.Task{{ID: "runs", Type: "mail", Queue: "q", Payload: []byte(`""`)}, {ID: "waits", Type: "mail", Queue: "q", Payload: []byte(`""`)}}
		_, err := p.m.Enqueue(t.Context(), both)
		require.NoError(t, err)
		pass(time.Second) // the pool has both, and its only worker is busy
		require.True(t, p.pool.Cancel("waits"))
		pass(time.Second)
		require.True(t, p.pool.Cancel("runs"))
		pass(2 * history.Interval)
		runs, waits := p.task("runs"), p.task("waits")
		require.Equal(t, []history.Outcome{driver.Cancelled}, outcomes(runs))
		require.Equal(t, []history.Outcome{driver.Cancelled}, outcomes(waits))
		assert.Equal(t, 2*time.Second, runs[0].Duration())
		assert.False(t, waits[0].Ran())
		assert.Equal(t, driver.ErrCancelled.Error(), waits[0].Error)
	})
}

// A direct test calls the functions of a listener itself.
type direct struct {
	*testing.T
	history *history.History
	l       *observe.Listener
	pool    *observe.Pool
	queue   *observe.Queue
}

func newDirect(t *testing.T, store history.Store, cfg history.Config) *direct {
	d := withoutPool(t, store, cfg)
	d.pool = &observe.Pool{Name: "w"}
	d.l.PoolStarted(d.pool)
	return d
}

// withoutPool is a direct test of workers that belong to no pool.
func withoutPool(t *testing.T, store history.Store, cfg history.Config) *direct {
	d := &direct{T: t, history: history.New(store, cfg), queue: &observe.Queue{Name: "q"}}
	d.l = d.history.Listener()
	return d
}

// run ends a run of a new task.
func (d *direct) run(id string, outcome history.Outcome, err error) *observe.Task {
	t := &observe.Task{ID: id, Type: "t", CreatedAt: time.Now()}
	d.l.RunEnd(d.Context(), &observe.Run{Queue: d.queue, Pool: d.pool, Worker: "w", Type: "t", Task: t, Attempt: 1, At: time.Now(), Outcome: outcome, Err: err})
	return t
}

func (d *direct) settle(t *observe.Task, outcome history.Outcome, err error) {
	d.l.Settled(&observe.Settlement{Queue: d.queue, Worker: "w", Items: []observe.Settled{{Task: t, Outcome: outcome, Ran: true, Err: err}}})
}

// all are the outcomes of the tasks with IDs, as the store has them.
func (d *direct) all(ids ...string) (all []history.Outcome) {
	d.Helper()
	for _, id := range ids {
		records, err := d.history.Task(d.Context(), id)
		require.NoError(d, err)
		all = append(all, outcomes(records)...)
	}
	return all
}

func TestWhatTheQueueDidWithARunIsRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirect(t, memory.NewHistory(), history.Config{})
		d.settle(d.run("taken", driver.Completed, nil), driver.Completed, nil)
		d.settle(d.run("back", driver.Died, errAway), driver.Released, nil) // a dead letter queue takes no dead letters
		d.settle(d.run("refused", driver.Completed, nil), driver.Completed, errAway)
		d.l.LeaseLost(d.queue, d.run("lost", driver.Completed, nil))
		d.run("abandoned", driver.Abandoned, driver.ErrLeaseLost)
		d.l.LeaseLost(d.queue, &observe.Task{ID: "not run"})
		pass(history.Interval)
		assert.Equal(t, []history.Outcome{driver.Completed, driver.Released, driver.Abandoned, driver.Abandoned, driver.Abandoned},
			d.all("taken", "back", "refused", "lost", "abandoned", "not run"))
		d.run("open", driver.Completed, nil)
		pass(history.Interval)
		assert.Empty(t, d.all("open"), "the queue has not answered")
		d.l.PoolStopped(d.pool)
		assert.Equal(t, []history.Outcome{driver.Abandoned}, d.all("open"), "it did not")
	})
}

func TestARunOfAStoppedPoolLeavesThoseOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirect(t, memory.NewHistory(), history.Config{})
		other := *d
		other.pool = &observe.Pool{Name: "v"}
		d.l.PoolStarted(other.pool)
		held := other.run("other", driver.Completed, nil)
		d.run("own", driver.Completed, nil)
		d.l.PoolStopped(d.pool)
		pass(history.Interval)
		assert.Equal(t, []history.Outcome{driver.Abandoned}, d.all("own", "other"))
		d.settle(held, driver.Completed, nil)
		d.l.PoolStopped(other.pool)
		assert.Equal(t, []history.Outcome{driver.Completed}, d.all("other"))
	})
}

func TestARunWithoutAPoolIsRecordedUnderItsWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirect(t, memory.NewHistory(), history.Config{})
		task := &observe.Task{ID: "a", Type: "t"}
		d.l.RunEnd(t.Context(), &observe.Run{Queue: d.queue, Worker: "shop", Task: task, Outcome: driver.Completed})
		d.settle(task, driver.Completed, nil)
		d.l.PoolStopped(d.pool)
		records, err := d.history.Task(t.Context(), "a")
		require.NoError(t, err)
		require.Len(t, records, 1)
		assert.Equal(t, "shop", records[0].Worker)
	})
}

func TestARecordHasTheTraceOfTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		d := newDirect(t, memory.NewHistory(), history.Config{TraceID: func(ctx context.Context) string { return fmt.Sprint(ctx.Value(key{})) }})
		task := &observe.Task{ID: "a"}
		d.l.RunEnd(context.WithValue(t.Context(), key{}, "4bf9"), &observe.Run{Queue: d.queue, Pool: d.pool, Task: task, Outcome: driver.Completed})
		d.settle(task, driver.Completed, nil)
		d.l.PoolStopped(d.pool)
		records, err := d.history.Task(t.Context(), "a")
		require.NoError(t, err)
		assert.Equal(t, "4bf9", records[0].TraceID)
	})
}

// A badError panics when it is asked what it says.
type badError struct{ text *string }

func (e *badError) Error() string { return *e.text }

func TestAnErrorIsCutAndMayPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirect(t, memory.NewHistory(), history.Config{})
		for id, err := range map[string]error{"long": errors.New(strings.Repeat("ü", 1000)), "bad": new(badError), "odd": errors.New("a\xffb")} {
			d.settle(d.run(id, driver.Retried, err), driver.Retried, nil)
		}
		d.l.PoolStopped(d.pool)
		text := func(id string) string {
			records, err := d.history.Task(t.Context(), id)
			require.NoError(t, err)
			return records[0].Error
		}
		assert.Equal(t, strings.Repeat("ü", 510)+"…", text("long"))
		assert.LessOrEqual(t, len(text("long")), historystore.MaxError)
		assert.Equal(t, "an error whose methods panic", text("bad"))
		assert.Equal(t, "ab", text("odd"))
	})
}

// What waits to be written is not to keep whole envelopes in memory: the texts of a task may
// be parts of one.
func TestARecordHasACopyOfTheID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &keeping{Store: memory.NewHistory()}
		d := newDirect(t, store, history.Config{})
		task := d.run("a", driver.Completed, nil)
		d.settle(task, driver.Completed, nil)
		d.l.PoolStopped(d.pool)
		require.Equal(t, task.ID, store.last.TaskID)
		assert.NotSame(t, unsafe.StringData(task.ID), unsafe.StringData(store.last.TaskID))
	})
}

// A keeping store remembers the last record that it was given.
type keeping struct {
	history.Store
	last history.Record
}

func (s *keeping) Add(_ context.Context, records []history.Record, _ historystore.Limits) error {
	s.last = records[len(records)-1]
	return nil
}
