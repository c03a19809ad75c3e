package runtime

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
	require.Equal(t, ErrQueueFull, enqueue(to(make([]Enqueued, 1), &BatchError{Items: []ItemError{{0, "a", ErrQueueFull}}}), valid))
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
