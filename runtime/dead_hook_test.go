package runtime

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOnDeadIsToldOfATaskThatDiesBeforeItIsMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		errNo := errors.New("no")
		runs := 0
		b.handle(func(_ context.Context, task *Task) error {
			if runs++; task.ID == "good" {
				return nil
			}
			return RetryAfter(0, errNo)
		})
		told := 0
		b.r.OnDead("job", func(ctx context.Context, task *Task, cause error) error {
			told++
			assert.Equal(t, "a", task.ID)
			assert.ErrorIs(t, cause, errNo)
			assert.Equal(t, "2", task.Metadata[MetaAttempts])
			assert.Equal(t, "no", task.Metadata[MetaFailureReason])
			assert.Empty(t, b.q().dead, "it is not moved yet")
			deadline, ok := ctx.Deadline()
			assert.True(t, ok && time.Until(deadline) > 0)
			return nil
		})
		b.putTask(&Task{ID: "a", MaxRetries: 1})
		b.put("good")
		b.drain(PoolConfig{Workers: 1})
		assert.Equal(t, 3, runs)
		assert.Equal(t, 1, told, "neither for the retry nor for the success")
		require.Len(t, b.q().dead, 1)
		assert.Zero(t, b.log.count("hook"))
	})
}

func TestWhatAHookForDeadTasksDoesChangesNothing(t *testing.T) {
	var none *nilError
	for name, hook := range map[string]DeadHook{
		"returns an error":    func(context.Context, *Task, error) error { return errors.New("hook") },
		"panics":              func(context.Context, *Task, error) error { panic("hook") },
		"returns a nil error": func(context.Context, *Task, error) error { return none },
		"waits for its end":   func(ctx context.Context, _ *Task, _ error) error { <-ctx.Done(); return ctx.Err() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newPoolBench(t)
				b.handle(func(context.Context, *Task) error { return Skip(nil) })
				b.r.OnDead("job", hook)
				b.put("a", "b")
				b.drain(PoolConfig{Workers: 1})
				assert.Len(t, b.q().dead, 2)
				assert.Equal(t, 2, b.log.count("the hook for dead tasks failed"))
			})
		})
	}
}

func TestOnDeadServesAliasesAndNeedsAHandler(t *testing.T) {
	hook := func(context.Context, *Task, error) error { return nil }
	handler := HandlerFunc(func(context.Context, *Task) error { return nil })
	r := NewRouter()
	r.OnDead("late", hook)
	assert.ErrorContains(t, r.Err(), `type "late", and no handler`)
	r.Handle(Policy{Type: "late", Aliases: []string{"of old"}}, handler)
	assert.NoError(t, r.Err(), "the order does not matter")

	r.OnDead("of old", hook)
	assert.ErrorContains(t, r.Err(), `belongs to "late"`)

	r = NewRouter()
	r.Handle(Policy{Type: "a"}, handler)
	r.OnDead("a", nil)
	r.OnDead("a", hook)
	r.OnDead("a", hook)
	assert.ErrorContains(t, r.Err(), "is nil")
	assert.ErrorContains(t, r.Err(), "two hooks")

	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		b.r.Handle(Policy{Type: "job", Aliases: []string{"chore"}, Queue: "q"}, HandlerFunc(func(context.Context, *Task) error { return Skip(nil) }))
		told := 0
		b.r.OnDead("job", func(context.Context, *Task, error) error { told++; return nil })
		b.putTask(&Task{ID: "a", Type: "chore"})
		b.drain(PoolConfig{})
		assert.Equal(t, 1, told)
	})
}
