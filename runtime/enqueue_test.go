package runtime

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// enqueuedBy runs one Enqueue and returns the task that arrived.
func enqueuedBy(t *testing.T, opts ...EnqueueOption) *Task {
	t.Helper()
	var got *Task
	to := EnqueuerFunc(func(_ context.Context, tasks []*Task) ([]Enqueued, error) {
		require.Len(t, tasks, 1)
		got = tasks[0]
		return acknowledge(tasks), nil
	})
	_, err := Enqueue(t.Context(), to, greetingSpec(), &greeting{Name: "ada"}, opts...)
	require.NoError(t, err)
	return got
}

func TestOptionsChangeWhatTheSpecSays(t *testing.T) {
	plain := enqueuedBy(t)
	assert.WithinDuration(t, time.Now(), plain.CreatedAt, time.Minute)
	assert.True(t, plain.ScheduledFor.IsZero())

	at := time.Unix(9, 0)
	task := enqueuedBy(t, WithTime(at), WithID("mine"), WithQueue("other"), WithPriority(3), WithMaxRetries(7), WithTimeout(time.Hour),
		WithUnique("key", time.Minute), WithMetadata("a", "1"), WithMetadata("b", "2"), WithMetadata("a", "3"))
	assert.Equal(t, at, task.ScheduledFor)
	assert.Equal(t, "mine", task.ID)
	assert.Equal(t, "other", task.Queue)
	assert.Equal(t, 3, task.Priority)
	assert.Equal(t, 7, task.MaxRetries)
	assert.Equal(t, time.Hour, task.Timeout)
	assert.Equal(t, "key", task.UniqueKey)
	assert.Equal(t, time.Minute, task.UniqueFor)
	assert.Equal(t, map[string]string{"a": "3", "b": "2"}, task.Metadata)

	delayed := enqueuedBy(t, WithDelay(time.Hour))
	assert.Equal(t, delayed.CreatedAt.Add(time.Hour), delayed.ScheduledFor)
}

func TestMetadataOptionsShareNothing(t *testing.T) {
	first, second := new(Task), new(Task)
	mine := map[string]string{"a": "1"}
	first.Metadata, second.Metadata = mine, mine
	WithMetadata("b", "2")(first)
	assert.Equal(t, map[string]string{"a": "1"}, second.Metadata)
}

func TestEnqueueAsksTheManagersClock(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	q := quick("q")
	m := managerOf(t, ManagerConfig{Clock: stoppedClock{now: now}}, q)
	var got *Task
	through := m.Through(EnqueuerFunc(func(_ context.Context, tasks []*Task) ([]Enqueued, error) {
		got = tasks[0]
		return acknowledge(tasks), nil
	}))
	_, err := Enqueue(t.Context(), through, greetingSpec(), &greeting{Name: "ada"}, WithDelay(time.Hour))
	require.NoError(t, err)
	assert.Equal(t, now, got.CreatedAt)
	assert.Equal(t, now.Add(time.Hour), got.ScheduledFor)
	answer, err := Enqueue(t.Context(), m, greetingSpec(), &greeting{Name: "ada"}, WithID("a"))
	require.NoError(t, err)
	assert.Equal(t, Enqueued{ID: "a", Queue: "q"}, answer)
}

func TestEnqueueReturnsTheErrorOfItsTask(t *testing.T) {
	to := func(answers []Enqueued, err error) Enqueuer {
		return EnqueuerFunc(func(context.Context, []*Task) ([]Enqueued, error) { return answers, err })
	}
	enqueue := func(to Enqueuer, payload greeting) error {
		answer, err := Enqueue(t.Context(), to, greetingSpec(), &payload)
		assert.Zero(t, answer)
		return err
	}
	valid := greeting{Name: "ada"}
	require.ErrorIs(t, enqueue(to(nil, nil), greeting{}), ErrInvalidTask)
	require.Equal(t, ErrClosed, enqueue(to(nil, ErrClosed), valid))
	require.Equal(t, ErrQueueFull, enqueue(to(make([]Enqueued, 1), &BatchError{Items: []driver.ItemError{{ID: "a", Err: ErrQueueFull}}}), valid))
	require.ErrorContains(t, enqueue(to(nil, nil), valid), "0 answers to one enqueued task")
}

func TestEnqueueBatchAnswersInTheOrderOfThePayloads(t *testing.T) {
	q := quick("q")
	m := managerOf(t, ManagerConfig{}, q)
	answers, err := EnqueueBatch(t.Context(), m, greetingSpec(), []greeting{{Name: "ada"}, {Name: "bob"}})
	require.NoError(t, err)
	require.Len(t, answers, 2)
	assert.Equal(t, [][]string{{answers[0].ID, answers[1].ID}}, q.trips())

	none, err := EnqueueBatch(t.Context(), m, greetingSpec(), nil)
	require.NoError(t, err)
	assert.Empty(t, none)
}

func TestEnqueueBatchKeepsNoneBackForOneThatCannotGo(t *testing.T) {
	q := quick("q")
	q.caps.MaxPayload = 20
	m := managerOf(t, ManagerConfig{}, q)
	answers, err := EnqueueBatch(t.Context(), m, greetingSpec(), []greeting{{}, {Name: "ada"}, {Name: "much too long"}, {}, {Name: "bob"}})
	requireItems(t, err, map[int]error{0: ErrInvalidTask, 2: ErrPayloadTooLarge, 3: ErrInvalidTask})
	require.Len(t, answers, 5)
	assert.Equal(t, [][]string{{answers[1].ID, answers[4].ID}}, q.trips())

	answers, err = EnqueueBatch(t.Context(), m, greetingSpec(), []greeting{{}, {}})
	requireItems(t, err, map[int]error{0: ErrInvalidTask, 1: ErrInvalidTask})
	assert.Equal(t, make([]Enqueued, 2), answers)

	q.answer = func(context.Context, []*Task) ([]Enqueued, error) { return nil, ErrClosed }
	_, err = EnqueueBatch(t.Context(), m, greetingSpec(), []greeting{{}, {Name: "ada"}})
	requireItems(t, err, map[int]error{0: ErrInvalidTask, 1: ErrClosed})
}

// around is the decorator that any program writes.
func around(next Enqueuer) Enqueuer {
	return EnqueuerFunc(func(ctx context.Context, tasks []*Task) ([]Enqueued, error) { return next.Enqueue(ctx, tasks) })
}

func TestDelaysCountByTheManagersClockThroughAnyEnqueuer(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	q := quick("q")
	m := managerOf(t, ManagerConfig{Clock: stoppedClock{now: now}}, q)
	var got []*Task
	q.answer = func(_ context.Context, tasks []*Task) ([]Enqueued, error) {
		got = append(got, tasks...)
		return acknowledge(tasks), nil
	}
	spec := greetingSpec()
	spec.Queue = "q"
	copying := EnqueuerFunc(func(ctx context.Context, tasks []*Task) ([]Enqueued, error) {
		copies := make([]*Task, len(tasks))
		for i, task := range tasks {
			copies[i] = task.Clone()
		}
		return m.Enqueue(ctx, copies)
	})
	for _, to := range []Enqueuer{m, around(m), around(around(m.Through(EnqueuerFunc(q.Enqueue)))), copying} {
		got = nil
		_, err := Enqueue(t.Context(), to, spec, &greeting{Name: "ada"}, WithDelay(time.Hour))
		require.NoError(t, err)
		_, err = EnqueueBatch(t.Context(), to, spec, []greeting{{Name: "bob"}, {Name: "eve"}}, WithDelay(time.Hour))
		require.NoError(t, err)
		require.Len(t, got, 3)
		for _, task := range got {
			assert.True(t, now.Equal(task.CreatedAt), "created at %s", task.CreatedAt)
			assert.True(t, now.Add(time.Hour).Equal(task.ScheduledFor), "due at %s", task.ScheduledFor)
		}
	}

	at := now.Add(time.Minute)
	got = nil
	_, err := Enqueue(t.Context(), around(m), spec, &greeting{Name: "ada"}, WithDelay(time.Hour), WithTime(at))
	require.NoError(t, err)
	later := EnqueuerFunc(func(ctx context.Context, tasks []*Task) ([]Enqueued, error) {
		tasks[0].ScheduledFor = at
		return m.Enqueue(ctx, tasks)
	})
	_, err = Enqueue(t.Context(), later, spec, &greeting{Name: "ada"}, WithDelay(time.Hour))
	require.NoError(t, err)
	task := &Task{Type: "t", Queue: "q", Payload: []byte("{}")}
	WithDelay(time.Hour)(task)
	_, err = around(m).Enqueue(t.Context(), []*Task{task})
	require.NoError(t, err)
	require.Len(t, got, 3)
	assert.True(t, at.Equal(got[0].ScheduledFor), "the last option holds: due at %s", got[0].ScheduledFor)
	assert.True(t, at.Equal(got[1].ScheduledFor), "what a decorator says holds: due at %s", got[1].ScheduledFor)
	assert.True(t, now.Add(time.Hour).Equal(got[2].ScheduledFor), "of a task made by hand: due at %s", got[2].ScheduledFor)
	again := *got[2]
	_, err = around(m).Enqueue(t.Context(), []*Task{&again})
	require.NoError(t, err)
	assert.Equal(t, got[2].ScheduledFor, got[3].ScheduledFor, "a call that is repeated changes no times")
}

func TestNewTaskCountsDelaysFromTheTimeItIsGiven(t *testing.T) {
	at, now := time.Unix(1_600_000_000, 0), time.Unix(1_700_000_000, 0)
	task, err := NewTask(greetingSpec(), &greeting{Name: "ada"}, at, WithDelay(time.Hour), WithQueue("q"))
	require.NoError(t, err)
	m := managerOf(t, ManagerConfig{Clock: stoppedClock{now: now}}, quick("q"))
	_, err = m.Enqueue(t.Context(), []*Task{task})
	require.NoError(t, err)
	assert.Equal(t, at, task.CreatedAt)
	assert.Equal(t, at.Add(time.Hour), task.ScheduledFor)
}
